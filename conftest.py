"""What tests and notebook runs share: exercises done before change no output; and the widgets' latencies are told."""

import json
import os
from pathlib import Path

# Also for the kernels that nbval starts, and for whatever else a test starts: they inherit it.
os.environ["MIXTURELAB_PROGRESS"] = "off"
REPORT = "MIXTURELAB_BROWSER_REPORT"  # a file to write the latencies into, as JSON


def pytest_terminal_summary(terminalreporter):
    """What the browser tests measured: a table at the end, and a file if one is asked for."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    noted = [dict(getattr(report, "user_properties", ())).get("widgets", []) for report in reports]
    rows = [row for rows in noted for row in rows]
    if not rows:
        return
    terminalreporter.section("widgets: from key to changed picture, in milliseconds")
    for row in rows:
        terminalreporter.write_line(
            "{widget:40} median {median_ms}, slowest {slowest_ms} ({moves} moves)".format(**row)
        )
    if os.environ.get(REPORT):
        Path(os.environ[REPORT]).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
