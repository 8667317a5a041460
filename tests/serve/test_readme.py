"""What the README says of serving: its three lines start the service, its five lines ask it."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from serve.clients import ROOT, one_thread

from mixturelab import GaussianMixture, load_dataset, save

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="the server is ended by a POSIX signal")
def test_the_readmes_lines_serve_and_ask(tmp_path):
    section = README.partition("## Serve it")[2]
    shell = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].splitlines()
    client = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    assert (len(shell), len(client.splitlines())) == (3, 5)
    [command] = [line.partition("#")[0].split() for line in shell if line.startswith("mixturelab serve")]
    geyser = load_dataset("old_faithful")
    model = GaussianMixture(2, random_state=0).fit(geyser.data)
    save(model, tmp_path / command[-1])
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", "0", "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path, env=one_thread() | path_of(ROOT),
    )  # fmt: skip
    try:
        port = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())[1]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(client.replace(":8000", f":{port}"), {})
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        process.stdout.close()
    expected = model.predict_proba(geyser.data[:2])
    np.testing.assert_allclose(np.array(eval(said.getvalue())), expected, atol=1e-9)
    assert code == 0


def path_of(root: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(root)}
