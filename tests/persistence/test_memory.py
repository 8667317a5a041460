"""Hostile files take neither memory nor time, and run nothing: each is loaded in a process of its own, and watched."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
from persistence import giants
from persistence.forging import encoded, fitted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PROBE = Path(__file__).with_name("probe.py")
MOST = 100 << 20


def probed(folder: Path, *options: str) -> list[dict]:
    """What came of each file of the folder."""
    files = folder / "files"
    for name, is_bayesian in [("gaussian", False), ("bayesian", True)]:
        (folder / f"{name}.safetensors").write_bytes(encoded(is_bayesian=is_bayesian))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(PROBE), str(files), *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=500,
    )
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rows) == len(list(files.iterdir()))
    return rows


@pytest.mark.slow
def test_no_file_takes_100_mib_or_long(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for name, content in [*giants.headers(), *giants.claims()]:
        (files / name).write_bytes(content)
    giants.write_sparse(files)
    for row in probed(tmp_path):
        assert row["grown"] < MOST, row
        assert row["seconds"] < 30, row
        assert not row["outcome"].startswith("exit"), row
        assert len(row["outcome"]) < 600, row
        assert "\n" not in row["outcome"]


class Intruder:
    """A pickle that makes a file when it is opened."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_nothing_in_a_file_is_unpickled_compiled_or_started(tmp_path):
    files, target = tmp_path / "files", tmp_path / "intruder was here"
    files.mkdir()
    (files / "honest").write_bytes(encoded("diag"))
    for name in ("a.pkl", "a.safetensors", "a.npy", "a"):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            (files / f"{protocol}_{name}").write_bytes(pickle.dumps(Intruder(target), protocol))
        for kind in ("zlib", "gzip", "bz2", "lzma", "xz"):
            joblib.dump(Intruder(target), files / f"{kind}_{name}", compress=(kind, 3))
    joblib.dump(fitted(), files / "fitted.joblib")
    found = {row["name"]: row["outcome"] for row in probed(tmp_path, "FORBIDDEN")}
    assert found.pop("honest") == "loaded"
    assert all(
        "joblib or pickle file" in said or "not a mixturelab model file" in said for said in found.values()
    )
    assert not target.exists()
