"""The project itself: its files agree, its layers hold, its style and types pass, and its README tells the truth."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import mixturelab

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYTHONS = [line.split(" :: ")[-1] for line in PYPROJECT["project"]["classifiers"] if ":: Python ::" in line]
posix = pytest.mark.skipif(os.name == "nt", reason="make and sh are not part of Windows")


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, **{"cwd": ROOT, **options})


def passes(*command: str | Path) -> None:
    done = run(*command)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def files() -> list[Path]:
    """The files that are, or would be, under version control."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z") if shutil.which("git") else None
    if listed is not None and listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    left_out = re.compile(
        r"(^|/)(\.(?!ci/|github/|gitignore)|artifacts/|build/|__pycache__/|[^/]*\.egg-info/)"
    )
    names = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in names if not left_out.search(path.relative_to(ROOT).as_posix())]


# ------------------------------------------------------------------------------------------ what is installed
def pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned_names() -> set[str]:
    return {canonicalize_name(pin.name) for pin in pins()}


def of_torch_alone(name: str) -> bool:
    """Whether a package is one of the CUDA libraries, which torch chooses for the machine."""
    return canonicalize_name(name).startswith(("nvidia-", "cuda-", "triton"))


def asked_for() -> list[Requirement]:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], PYPROJECT["build-system"]["requires"]]
    groups += project["optional-dependencies"].values()
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name != project["name"]]


def test_the_lock_pins_one_version_of_each_package():
    assert all(re.fullmatch(r"==[0-9][0-9A-Za-z.]*", str(pin.specifier)) for pin in pins())
    assert len(pins()) == len(pinned_names())
    assert not [name for name in pinned_names() if of_torch_alone(name)]


@pytest.mark.parametrize("requirement", asked_for(), ids=str)
def test_the_lock_satisfies_pyproject(requirement):
    [pin] = [pin for pin in pins() if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    [version] = [specifier.version for specifier in pin.specifier]
    assert requirement.specifier.contains(version)
    for system in ("linux", "darwin", "win32"):
        wanted, pinned = (applies_on(system, line) for line in (requirement, pin))
        assert pinned or not wanted, system


def applies_on(system: str, requirement: Requirement) -> bool:
    environment = {
        "sys_platform": system, "os_name": "nt" if system == "win32" else "posix", "extra": "",
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
    }  # fmt: skip
    return requirement.marker is None or requirement.marker.evaluate(environment)


def test_the_lock_holds_what_its_packages_need():
    """Nothing is left for pip to choose: also the needs of the needs are pinned."""
    looked_at, unpinned = 0, set()
    for pin in pins():
        try:
            needs = importlib.metadata.requires(pin.name) or []
        except importlib.metadata.PackageNotFoundError:  # another system's
            continue
        looked_at += 1
        for need in map(Requirement, needs):
            applies = need.marker is None or need.marker.evaluate({"extra": ""})
            if (
                applies
                and not of_torch_alone(need.name)
                and canonicalize_name(need.name) not in pinned_names()
            ):
                unpinned.add(f"{pin.name} needs {need.name}")
    assert not unpinned
    assert looked_at > 100


def test_the_conda_environment_takes_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    from_conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    [from_pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    [python] = [entry.removeprefix("python=") for entry in from_conda if entry.startswith("python")]
    assert environment["name"] == PYPROJECT["project"]["name"]
    assert python in PYTHONS
    # All but Python and pip comes from the lock, so that the two cannot differ.
    assert [entry for entry in from_conda if not entry.startswith("python=")] == ["pip"]
    assert [line for line in from_pip if not line.startswith("--")] == ["-r requirements.txt", "-e ."]


def test_the_same_pythons_everywhere():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import lock
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    assert list(lock.PYTHONS) == PYTHONS
    supported = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert all(python in supported for python in PYTHONS)
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert set(jobs["linux"]["strategy"]["matrix"]["python"]) == {PYTHONS[0], PYTHONS[-1]}
    assert all(python in README for python in PYTHONS)


def test_one_version_number():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([^\s\]]+)", changes, re.MULTILINE)[1]
    version = PYPROJECT["project"]["version"]
    assert (citation["version"], newest, mixturelab.__version__) == (version, version, version)
    assert f"version {version}" in README


# ------------------------------------------------------------------------------------- style, layers and types
def tool(name: str) -> str:
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def test_style():
    passes(sys.executable, "-m", "ruff", "check")


def test_format():
    passes(sys.executable, "-m", "ruff", "format", "--check")


def test_layers():
    passes(tool("lint-imports"))


def test_types():
    passes(sys.executable, "-m", "mypy")


BLOCKED = "import sys; sys.modules.update(dict.fromkeys({names!r})); import {module}"


@pytest.mark.parametrize(
    ("module", "names"),
    [
        # scikit-learn imports pandas by itself where it is installed: blocked, it shows whether we do.
        (
            "mixturelab",
            ["matplotlib", "seaborn", "ipywidgets", "IPython", "fastapi", "typer", "pandas", "pyarrow"],
        ),
        (
            "mixturelab.cli",
            ["matplotlib", "seaborn", "ipywidgets", "IPython", "fastapi", "jupyterlab", "pyarrow"],
        ),
    ],
)
def test_importing_needs_no_optional_package(module, names):
    passes(sys.executable, "-c", BLOCKED.format(names=names, module=module))


# -------------------------------------------------------------------------------------------------- the files
def test_every_file_says_what_lives_there():
    silent = []
    for path in files():
        commented = {".py", ".sh", ".toml", ".yml", ".yaml", ".cff"}
        if path.suffix not in commented and path.name not in {
            "Makefile",
            "run",
            ".gitignore",
            "requirements.txt",
        }:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        first = next((line for line in lines if not line.startswith("#!")), "")
        words = re.match(r'(?:r?"""|# )(.*)', first)
        if words is None or len(words[1].split()) < 3:
            silent.append(f"{path.relative_to(ROOT).as_posix()}: {first}")
    assert not silent


def test_no_file_names_a_place_on_one_machine():
    # In pieces, so that this file does not hold what it looks for.
    places = "|".join(("work", "tmp", "root", "home", "Users", "opt", "farm"))
    pattern = re.compile(rf"(?<![\w.}}\]):/])/(?:{places})/\w")
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture
            continue
        name = path.relative_to(ROOT).as_posix()
        found += [
            f"{name}: {text[max(0, hit.start() - 20) : hit.end() + 20]!r}" for hit in pattern.finditer(text)
        ]
    assert not found


@pytest.mark.slow
def test_the_wheel_holds_the_tables_and_says_that_it_is_typed(tmp_path):
    source = tmp_path / "source"  # building leaves folders behind, which are not for the project's own folder
    for path in files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    passes(*build, "--wheel-dir", tmp_path, source)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix() for path in files() if path.is_relative_to(ROOT / "mixturelab")
    }
    assert modules <= names
    assert {"mixturelab/py.typed", "mixturelab/data/dataset.csv", "mixturelab/data/README.md"} <= names
    assert {name.split("/")[0] for name in names} == {
        "mixturelab",
        f"mixturelab-{mixturelab.__version__}.dist-info",
    }


# ------------------------------------------------------------------------------------------------ the commands
TARGETS = (
    "lab", "test", "test-fast", "test-browser", "test-lowest", "torture", "lint", "demo", "notebooks", "book", "slides",
    "classroom", "wheelhouse", "bench", "bench-serve", "lock",
)  # fmt: skip


def recipe(*arguments: str) -> list[str]:
    """What make would do, also when make runs this test."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    done = run("make", "--dry-run", *arguments, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@posix
@pytest.mark.parametrize("target", TARGETS)
def test_each_make_target_does_its_own_setup(target):
    assert recipe(target)[0] == "sh scripts/setup.sh"
    assert f"make {target}" in MAKEFILE


@posix
def test_make_test_runs_the_tests_and_every_notebook():
    assert recipe("test", "WORKERS=3")[-1].endswith(
        "-m pytest -n 3 --dist loadfile tests notebooks --nbval --nbval-current-env --nbval-cell-timeout=300"
    )


@posix
@pytest.mark.parametrize("python", ["exit 1", "echo Python 2.7.18; exit 1"])
def test_setup_says_in_one_line_that_python_is_too_old(tmp_path, python):
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python-old"
    old.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
    old.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(old)}
    done = subprocess.run(
        ["sh", str(tmp_path / "scripts/setup.sh")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert re.fullmatch(r"mixturelab: PYTHON=\S+ is not a Python 3\.11 or newer.*\n", done.stderr)
    assert not (tmp_path / ".venv").exists()


# -------------------------------------------------------------------------------------------------- the README
def test_the_ten_lines_of_the_readme_run(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(code.splitlines()) <= 10
    code += "print(gamma.shape, gamma.sum(axis=1).round(9).min())\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run(sys.executable, "-W", "error", "-c", code, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    *_table, means, last = done.stdout.splitlines()
    assert "tied" in done.stdout
    assert means.endswith("2314.3")
    assert last == "(272, 3) 1.0"
    assert (tmp_path / "geyser.png").stat().st_size > 10_000
    assert mixturelab.load(tmp_path / "geyser.safetensors").means_.shape == (3, 2)


def test_the_training_loop_of_the_readme_runs(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[-1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run(sys.executable, "-W", "error", "-c", code, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "run" / "mixture.csv").read_text().splitlines()
    assert rows[0] == "step,epoch,K,pi_min,pi_max,trace_B,opnorm_B"
    assert len(rows) == 51
    assert "tensor([" in done.stdout


def test_the_readme_says_which_notebooks_are_here():
    rows = re.findall(r"^\| `(\d\d_\w+)` \|.*\| (here|coming) \|$", README, re.MULTILINE)
    assert len(rows) == 11
    for name, status in rows:
        for folder in ("notebooks", "notebooks/solutions"):
            assert (ROOT / folder / f"{name}.ipynb").is_file() == (status == "here"), name


def test_what_the_readme_points_to_exists():
    layout = re.search(r"## Where things are\n\n(.*?)\n\n", README, re.DOTALL)[1]
    inside = ""
    for indent, name in re.findall(r"^ {4}( *)(\S+) ", layout, re.MULTILINE):
        inside = inside if indent else (name if name.endswith("/") else "")
        assert (ROOT / (inside + name if indent else name)).exists(), name
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target
    for target in re.findall(
        r"\bmake ([a-z-]+)\b(?=[`\s]* (?:#|leaves|fits|lists|makes|TORCH|PYTHON))", README
    ):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
