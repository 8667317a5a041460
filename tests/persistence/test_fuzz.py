"""Fuzzed model files: none crashes, hangs or takes 100 MiB. What is done to them is in fuzzing.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")

SCRIPT = Path(__file__).with_name("fuzzing.py")


@pytest.mark.parametrize(("count", "seed"), [(1_000, 1), pytest.param(10_000, 0, marks=pytest.mark.slow)])
def test_fuzzed_files_are_refused_or_of_use(count, seed):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(count), str(seed)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=500,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"{count:,} files, seed {seed}" in run.stdout
    rows = [line.split() for line in run.stdout.splitlines()[:-1]]
    assert sum(int(row[1]) for row in rows) == count
    assert sum(int(row[5]) for row in rows) > 0  # the mutations are not so coarse that nothing survives
