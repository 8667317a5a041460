"""Run the package's tests with the lowest version of everything that pyproject.toml declares.

    python scripts/lowest.py                  make artifacts/lowest (once), then run the tests there
    python scripts/lowest.py --torch 2.12     the same with another torch that pyproject.toml allows
    python scripts/lowest.py -- tests/model   these tests instead
    python scripts/lowest.py --lock           write requirements-lowest.txt (after a change of a lower bound)

requirements-lowest.txt has what mixturelab imports at its lower bounds, and one version of all that these packages and
the tests need in their turn. TORCH_INDEX chooses the build of torch, as for `make`: without it pip takes PyPI's, which
on Linux brings some gigabytes of CUDA packages.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lock import CUDA_PREFIXES, PYTHONS, ROOT, pins, pip_report
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = ROOT / "artifacts" / "lowest"
LOWEST = ROOT / "requirements-lowest.txt"
HEADER = """\
# The lowest versions that pyproject.toml allows, and one version of all that they and the tests need (oldest Python).
# Made by scripts/lowest.py --lock; `make test-lowest` installs it. What users install is in requirements.txt.
"""
EXTRAS = ("plot", "parquet", "notebooks", "mnist", "serve")
# At the lock's versions: they run the tests, and mixturelab never imports them.
TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "beartype", "httpx")
TESTS = (
    "tests/model",
    "tests/inference",
    "tests/test_functional.py",
    "tests/test_estimators.py",
    "tests/test_selection.py",
    "tests/test_quality.py",
    "tests/test_persistence.py",
    "tests/persistence",
    "tests/test_interchange.py",
    "tests/scoring",
    "tests/test_datasets.py",
    "tests/test_cli.py",
    "tests/test_plot.py",
    "tests/test_widgets.py",
    "tests/stream/test_algebra.py",
    "tests/stream/test_context.py",
    "tests/stream/test_state.py",
    "tests/stream/test_writers.py",
)


# ------------------------------------------------------------------------------------------ which versions
def declared() -> Iterator[Requirement]:
    """What mixturelab imports: its dependencies, and those extras that are not for its developers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    seen = {project["name"]}
    for requirement in (Requirement(line) for group in groups for line in group):
        if requirement.name not in seen:
            seen.add(requirement.name)
            yield requirement


def lowest(requirement: Requirement) -> Requirement:
    """The requirement pinned to its lower bound.

    Raises
    ------
    SystemExit
        If pyproject.toml gives it none: then nobody knows which versions work.
    """
    bounds = [Version(part.version) for part in requirement.specifier if part.operator in {">=", "==", "~="}]
    if not bounds:
        raise SystemExit(f"pyproject.toml gives {requirement.name} no lower bound: {requirement}")
    return Requirement(f"{requirement.name}=={max(bounds)}")


def write_lowest() -> None:
    """Resolve and write requirements-lowest.txt; CUDA packages are left to torch."""
    if sys.version_info[:2] != tuple(map(int, PYTHONS[0].split("."))):
        raise SystemExit(f"run this with Python {PYTHONS[0]}, the oldest that mixturelab supports")
    tools = [str(pin) for pin in pins() if canonicalize_name(pin.name) in TOOLS]
    wanted = [*(str(lowest(requirement)) for requirement in declared()), *tools]
    found = {canonicalize_name(each.name): each for each in pip_report(["--only-binary=:all:", *wanted])}
    kept = [found[name] for name in sorted(found) if not name.startswith(CUDA_PREFIXES)]
    text = HEADER + "".join(f"{each.name}=={each.version}\n" for each in kept)
    LOWEST.write_text(text, encoding="utf-8", newline="\n")
    print(f"{LOWEST.name}: {len(kept)} packages for Python {PYTHONS[0]}")


def pinned(torch: str | None = None) -> list[str]:
    """The lines of requirements-lowest.txt, torch perhaps of another series.

    Raises
    ------
    SystemExit
        If pyproject.toml does not allow that torch, or asks for other lower bounds than the file has.
    """
    text = LOWEST.read_text(encoding="utf-8") if LOWEST.exists() else ""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if stale := drift(lines):
        raise SystemExit(
            f"{LOWEST.name} is not of this pyproject.toml ({'; '.join(stale)}): --lock writes it"
        )
    return lines if torch is None else [_with_torch(line, torch) for line in lines]


def drift(lines: list[str]) -> list[str]:
    """Where the file's lines are not at the lower bounds of pyproject.toml."""
    have = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, lines)}
    wanted = ((each, lowest(each).specifier) for each in declared())
    return [
        f"{each.name}: {have.get(canonicalize_name(each.name), 'missing')}, wanted {bound}"
        for each, bound in wanted
        if not _same(have.get(canonicalize_name(each.name)), bound)
    ]


def _same(pin: object, bound: object) -> bool:
    """Whether ==2.11.0 is meant by ==2.11."""
    return pin is not None and Version(str(pin)[2:]) == Version(str(bound)[2:])


def _with_torch(line: str, series: str) -> str:
    if Requirement(line).name != "torch":
        return line
    [declared_torch] = [each for each in declared() if each.name == "torch"]
    if not declared_torch.specifier.contains(series):
        raise SystemExit(f"--torch {series}: pyproject.toml allows torch {declared_torch.specifier}")
    return f"torch=={Version(series).major}.{Version(series).minor}.*"


# ------------------------------------------------------------------------------------------- the environment
def oldest_python() -> str:
    """A Python of the oldest supported version: for newer ones the old packages have no wheels."""
    if sys.version_info[:2] == tuple(map(int, PYTHONS[0].split("."))):
        return sys.executable
    found = shutil.which(f"python{PYTHONS[0]}")
    if found is None:
        raise SystemExit(
            f"the lowest versions are tested with Python {PYTHONS[0]}, the oldest that mixturelab supports, "
            f"and this is {sys.version.split()[0]}: put a python{PYTHONS[0]} on the PATH"
        )
    return found


def prepare(lines: list[str], folder: Path) -> Path:
    """Make the virtual environment, unless it already holds just these versions, and give its Python."""
    wanted = hashlib.sha256("\n".join([*lines, str(folder)]).encode()).hexdigest()
    venv, stamp = folder / "venv", folder / "ready"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    print(f"mixturelab: making {venv} (details in pip.log beside it)", flush=True)
    subprocess.run([oldest_python(), "-m", "venv", venv], check=True)
    install(python, lines, folder)
    # What an editable installation would write; the project's own folder stays as it is.
    packages = Path(said_by(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (packages / "mixturelab.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    print(f"mixturelab: installed in {time.perf_counter() - started:.0f} s", flush=True)
    return python


def install(python: Path, lines: list[str], folder: Path) -> None:
    """Let pip install; its words go to a file, and the end of them to a message if it fails."""
    asked = folder / "requirements.txt"
    asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
    torch_index = os.environ.get("TORCH_INDEX")
    command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--no-compile", "--only-binary=:all:", "--progress-bar", "off", "-r", asked]
    command += ["--extra-index-url", torch_index] if torch_index else []
    with (folder / "pip.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        said = (folder / "pip.log").read_text(encoding="utf-8").splitlines()
        raise SystemExit("pip could not install the lowest versions:\n" + "\n".join(said[-25:]))


def said_by(python: Path, code: str) -> str:
    """What a line of code prints in that environment."""
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def versions(python: Path) -> str:
    """What is really installed of all that mixturelab declares."""
    names = [requirement.name for requirement in declared()]
    code = f"import importlib.metadata as m; print(*(f'{{n}} {{m.version(n)}}' for n in {names}), sep=', ')"
    own = said_by(python, "import platform; print(platform.python_version())")
    return f"Python {own}, {said_by(python, code)}"


# ----------------------------------------------------------------------------------------------- the tests
def run_tests(python: Path, tests: list[str], workers: int) -> int:
    """Pytest's exit code.

    A warning is no error here: old packages warn of what newer ones beside them have deprecated.
    """
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    command += ["--disable-warnings", "-m", "not slow and not browser"]
    command += ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | threads | {"MIXTURELAB_PROGRESS": "off"}
    return subprocess.run([*command, *tests], cwd=ROOT, env=environment).returncode


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", metavar="2.12", help="this series of torch instead of the lowest")
    parser.add_argument("--lock", action="store_true", help=f"only write {LOWEST.name}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to make the environment")
    parser.add_argument("--workers", type=int, default=1, help="how many tests run at once")
    parser.add_argument("tests", nargs="*", default=list(TESTS), help="what pytest is to run")
    options = parser.parse_args()
    if options.lock:
        write_lowest()
        return
    python = prepare(pinned(options.torch), options.folder.resolve())
    print(f"mixturelab: {versions(python)}", flush=True)
    sys.exit(run_tests(python, options.tests, options.workers))


if __name__ == "__main__":
    main()
