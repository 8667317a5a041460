"""What every test shares: one thread, no window, repeatable examples, and the devices that are here."""

import os

# Before torch and NumPy are imported: a worker has one core, and more threads only wait for each other.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from typing import Any

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

# Shapes in the engine's signatures are checked at every call of every test (before its modules are imported).
install_import_hook(["mixturelab.model", "mixturelab.inference"], "typechecker.check")

torch.set_num_threads(1)
# The same examples on every machine and every day: a red test says something about the change, not about the dice.
hypothesis.settings.register_profile("mixturelab", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("mixturelab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a GPU where there is none."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="no CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file stays in one process, but for the one that takes every notebook through the browser: a notebook does."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrNotebook(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return file + nodeid.partition("[")[2] if file.endswith("/test_in_jupyterlab.py") else file

    return ByFileOrNotebook(config, log)
