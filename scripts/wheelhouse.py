"""Make a wheelhouse: a folder from which laptops without a network install mixturelab and its notebooks.

    python scripts/wheelhouse.py                                                       for this system and Python
    python scripts/wheelhouse.py --platforms linux win32 darwin --pythons 3.11 3.12    for these
    python scripts/wheelhouse.py --solutions                                           with the teacher's notebooks too

It holds what a learner needs at the versions of requirements.txt, and none of the developers' tools. Which packages
those are is read from the wheels themselves, for each system and Python, with the functions of scripts/lock.py.
torch is the CPU build: on Linux, where PyPI has the CUDA build, name another index with TORCH_INDEX.
"""

import argparse
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from lock import (
    CUDA_PREFIXES,
    PLATFORMS,
    PYTHONS,
    ROOT,
    WHEEL_TAGS,
    Graph,
    Resolved,
    Target,
    pip_report,
    walk,
)
from lock import pins as locked
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from wheelhouse_pages import write_pages

FOLDER = ROOT / "artifacts" / "wheelhouse"
FILES = Path(__file__).resolve().parent / "wheelhouse_files"
OWN = "mixturelab"
EXTRAS = ("notebooks", "mnist")
# What of the project lies beside the wheels: the learner's notebooks, and what they name.
COURSE = ("notebooks/*.ipynb", "notebooks/reference/*.md", "data/*", "configs/*.yaml")
SOLUTIONS = ("notebooks/solutions/*.ipynb",)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass
class Shelf:
    """The wheels for one system and Python, or why there are none."""

    target: Target
    wheels: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------- what a wheel says
def read_wheel(path: Path) -> Resolved:
    """A wheel's name, version and needs."""
    with zipfile.ZipFile(path) as archive:
        # One folder deep: some wheels carry others inside.
        [name] = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        text = archive.read(name).decode("utf-8")
    header = HeaderParser().parsestr(text)
    needs = tuple(Requirement(line) for line in header.get_all("Requires-Dist", []))
    return Resolved(header["Name"], header["Version"], needs)


def installed() -> Graph:
    """The packages of this environment: a first guess at what is needed, which the wheels then correct."""
    found = ((canonicalize_name(each.name), each) for each in metadata.distributions())
    return {
        name: Resolved(each.name, each.version, tuple(map(Requirement, each.requires or [])))
        for name, each in found
    }


def roots() -> list[Requirement]:
    """What a learner installs."""
    return [Requirement(f"{OWN}[{','.join(EXTRAS)}]")]


def needed(graph: Graph, target: Target) -> set[str]:
    """The names of all packages that a learner on the target needs, as far as the graph knows them."""
    names, _ = walk(graph, roots(), target)
    return names - {OWN}


def pinned(names: Iterable[str]) -> dict[str, str]:
    """The lock's line for each name.

    Raises
    ------
    SystemExit
        If requirements.txt does not have one of them.
    """
    lines = {canonicalize_name(pin.name): f"{pin.name}{pin.specifier}" for pin in locked()}
    if unknown := sorted(set(names) - set(lines)):
        raise SystemExit(f"requirements.txt does not pin {', '.join(unknown)}: run `make lock` first")
    return {name: lines[name] for name in sorted(names)}


# -------------------------------------------------------------------------------------------- downloading
def pip_options(target: Target) -> list[str]:
    """How pip is asked for another system's or Python's wheels."""
    tags = itertools.chain.from_iterable(("--platform", tag) for tag in WHEEL_TAGS[target.platform])
    index = os.environ.get("TORCH_INDEX")
    extra = ["--extra-index-url", index] if index else []
    return ["--no-deps", "--only-binary=:all:", "--python-version", target.python, *tags, *extra]


def pip_download(lines: Iterable[str], target: Target, folder: Path) -> str:
    """Download these; an empty string, or pip's last words."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--quiet",
    ]
    options = ["--progress-bar", "off", "--dest", str(folder)]
    done = subprocess.run(
        [*command, *pip_options(target), *options, *lines], capture_output=True, text=True, errors="replace"
    )
    if done.returncode == 0:
        return ""
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return (said or done.stderr.splitlines() or ["pip failed without a word"])[-1].removeprefix("ERROR: ")


def download(lines: Iterable[str], target: Target, folder: Path) -> list[str]:
    """Download all at once; if that fails, one by one, so that each package that is missing is named."""
    lines = list(lines)
    if not pip_download(lines, target, folder):
        return []
    reasons = ((line, pip_download([line], target, folder)) for line in lines)
    return [f"{line}: {reason}" for line, reason in reasons if reason]


def cuda_needs(torch: Resolved, target: Target) -> list[str]:
    """The CUDA packages that a build of torch asks for on the target; none, and it is the CPU build."""
    asked = (need for need in torch.requires if canonicalize_name(need.name).startswith(CUDA_PREFIXES))
    return [
        need.name for need in asked if need.marker is None or need.marker.evaluate(target.environment(""))
    ]


def torch_problem(line: str, target: Target) -> str:
    """Why there is no CPU build of torch for the target; an empty string if there is one.

    Only the metadata is fetched: the CUDA build alone has half a gigabyte.
    """
    try:
        [found] = pip_report([*pip_options(target), "--target", "unused", line])
    except SystemExit as error:
        return f"{line}: {str(error).splitlines()[-1].removeprefix('ERROR: ')}"
    needs = cuda_needs(found, target)
    if not needs:
        return ""
    return (
        f"{line}: only the CUDA build was found, which needs {len(needs)} more packages and some gigabytes; "
        f"name an index of CPU builds: make wheelhouse TORCH_INDEX={CPU_INDEX}"
    )


def probe() -> None:
    """Find out whether packages can be had at all, before a hundred are tried."""
    line = pinned(["packaging"])["packaging"]
    with tempfile.TemporaryDirectory() as folder:
        reason = pip_download([line], Target(sys.platform, PYTHONS[0]), Path(folder))
    if reason:
        raise SystemExit(f"no package index can be reached: {reason}")


def fill(target: Target, own: Path, folder: Path) -> Shelf:
    """Download until the wheels themselves ask for nothing more."""
    shelf = Shelf(target)
    graph = installed() | {OWN: read_wheel(own)}
    torch = pinned(["torch"])["torch"]
    if problem := torch_problem(torch, target):
        shelf.problems.append(problem)
        return shelf
    wanted, fetched = needed(graph, target), set[str]()
    while wanted - fetched and not shelf.problems:
        shelf.problems = download(pinned(wanted - fetched).values(), target, folder)
        fetched |= wanted
        found = (read_wheel(path) for path in folder.glob("*.whl"))
        graph = {OWN: graph[OWN]} | {canonicalize_name(each.name): each for each in found}
        wanted = needed(graph, target)
    kept = {canonicalize_name(name) for name in wanted}
    shelf.wheels = [
        path for path in sorted(folder.glob("*.whl")) if parse_wheel_filename(path.name)[0] in kept
    ]
    return shelf


def build_own(folder: Path) -> Path:
    """Mixturelab's own wheel, built from a copy: building leaves folders behind."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, OWN)
        copy.mkdir()
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy / name)
        unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for name in ("mixturelab", "data"):
            shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
        command = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "wheel",
            "--quiet",
            "--no-deps",
        ]
        options = ["--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"mixturelab's own wheel could not be built:\n{done.stderr.strip()}")
    [wheel] = folder.glob(f"{OWN}-*.whl")
    return wheel


# ------------------------------------------------------------------------------------------- the wheelhouse
def sha256(path: Path) -> str:
    """A file's checksum."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def requirements(wheels: Iterable[Path]) -> str:
    """Pip's list of these wheels, in its mode that compares checksums."""
    lines = []
    for wheel in sorted(wheels):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        extras = f"[{','.join(EXTRAS)}]" if name == OWN else ""
        lines.append(f"{name}{extras}=={version} --hash=sha256:{sha256(wheel)}")
    return "\n".join(lines) + "\n"


def copy_course(folder: Path, solutions: bool) -> None:
    """The notebooks and tables, in the folders in which the project has them."""
    for pattern in COURSE + (SOLUTIONS if solutions else ()):
        for path in sorted(ROOT.glob(pattern)):
            target = folder / "course" / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def copy_installer(folder: Path) -> None:
    """The scripts that install, with the line ends of their system."""
    for name in ("install.py", "install.sh", "install.bat"):
        text = (FILES / name).read_text(encoding="utf-8")
        ends = "\r\n" if name.endswith(".bat") else "\n"
        (folder / name).write_text(text, encoding="utf-8", newline=ends)
    (folder / "install.sh").chmod(0o755)


def write_sums(folder: Path) -> None:
    """The checksum of every file, in the form that sha256sum reads."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")


def make(targets: list[Target], folder: Path, solutions: bool) -> list[Shelf]:
    """Make the wheelhouse anew; the old one stays until the new one is whole."""
    probe()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".wheelhouse-") as scratch:
        new = Path(scratch, "new")
        (new / "wheels").mkdir(parents=True)
        own = build_own(new / "wheels")
        shelves = [_shelve(target, own, new, Path(scratch)) for target in targets]
        if not any(shelf.wheels for shelf in shelves):
            raise SystemExit("no wheelhouse was made:\n" + _problems(shelves))
        copy_course(new, solutions)
        copy_installer(new)
        write_pages(new, FILES / "README.txt", shelves, version=read_wheel(own).version)
        write_sums(new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return shelves


def _shelve(target: Target, own: Path, new: Path, scratch: Path) -> Shelf:
    staged = scratch / f"{target.platform}-{target.python}"
    staged.mkdir()
    print(f"mixturelab: wheels for {target.platform}, Python {target.python}", flush=True)
    shelf = fill(target, own, staged)
    if shelf.problems:
        shelf.wheels = []
        print(_problems([shelf]), flush=True)
        return shelf
    shelf.wheels = [path.replace(new / "wheels" / path.name) for path in shelf.wheels] + [own]
    listed = new / "requirements" / f"{target.platform}-{target.python}.txt"
    listed.parent.mkdir(exist_ok=True)
    listed.write_text(requirements(shelf.wheels), encoding="utf-8", newline="\n")
    return shelf


def _problems(shelves: Iterable[Shelf]) -> str:
    return "\n".join(
        f"  {shelf.target.platform}, Python {shelf.target.python}: {problem}"
        for shelf in shelves
        for problem in shelf.problems
    )


def main() -> None:
    """Read the command line."""
    here = "{}.{}".format(*sys.version_info[:2])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--platforms", nargs="+", choices=PLATFORMS, default=[sys.platform])
    parser.add_argument("--pythons", nargs="+", choices=PYTHONS, default=[here], metavar="PYTHON")
    parser.add_argument("--solutions", action="store_true", help="with the teacher's notebooks")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to make it")
    options = parser.parse_args()
    targets = [Target(platform, python) for platform in options.platforms for python in options.pythons]
    shelves = make(targets, options.folder.resolve(), options.solutions)
    print((options.folder / "SIZES.md").read_text(encoding="utf-8"))
    if any(shelf.problems for shelf in shelves):
        sys.exit("mixturelab: the wheelhouse lacks what is named above; the rest of it is whole")
    print(f"mixturelab: {options.folder} is ready: its README.txt says how laptops install from it")


if __name__ == "__main__":
    main()
