"""The lowest supported versions: they are those of pyproject.toml, and the file that pins them keeps up with it.

`make test-lowest` installs them and runs the package's tests with them; here it is tested that it takes the right ones.
"""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


def load():
    """The script as a module; those beside it can be imported meanwhile."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        spec = importlib.util.spec_from_file_location("lowest", ROOT / "scripts" / "lowest.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return module


lowest = load()


def lines():
    text = (ROOT / "requirements-lowest.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("torch>=2.11,<2.14", "==2.11"),
        ("numpy>=2.0,>=2.1", "==2.1"),
        ("rich~=13.4", "==13.4"),
        ("tqdm==4.66", "==4.66"),
    ],
)
def test_a_requirement_is_pinned_to_its_lower_bound(requirement, pin):
    assert lowest.lowest(Requirement(requirement)).specifier == SpecifierSet(pin)


@pytest.mark.parametrize("requirement", ["torch", "torch<2.14", "torch!=2.12"])
def test_a_requirement_without_a_lower_bound_is_refused(requirement):
    with pytest.raises(SystemExit, match="gives torch no lower bound"):
        lowest.lowest(Requirement(requirement))


# The declared package that is imported under another name, or that cannot be installed without bringing it.
BROUGHT_BY = {
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
    "IPython": "ipykernel",
    "PIL": "matplotlib",
    "annotated_types": "pydantic",
    "starlette": "fastapi",
}


def imported_by(path):
    """The top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_all_that_the_package_imports_is_declared_with_a_lower_bound():
    declared = {requirement.name: lowest.lowest(requirement) for requirement in lowest.declared()}
    imported = {name for path in (ROOT / "mixturelab").rglob("*.py") for name in imported_by(path)}
    imported -= {*sys.stdlib_module_names, "mixturelab"}
    assert {"torch", "sklearn", "matplotlib"} <= imported
    assert {BROUGHT_BY.get(name, name) for name in imported} <= set(declared)


def test_the_file_is_of_this_pyproject():
    assert lowest.drift(lines()) == []
    assert lowest.pinned() == lines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines())
    assert not [line for line in lines() if line.startswith(lowest.CUDA_PREFIXES)]


def test_a_file_that_has_fallen_behind_is_named(monkeypatch, tmp_path):
    old = tmp_path / "requirements-lowest.txt"
    old.write_text("\n".join(line for line in lines() if not line.startswith("rich==")), encoding="utf-8")
    monkeypatch.setattr(lowest, "LOWEST", old)
    with pytest.raises(SystemExit, match=r"rich: missing, wanted ==\S+\): --lock writes it"):
        lowest.pinned()


def test_another_torch_of_the_supported_ones_can_be_asked_for():
    changed = set(lowest.pinned("2.12")) ^ set(lines())
    assert "torch==2.12.*" in changed
    assert len(changed) == 2
    with pytest.raises(SystemExit, match=r"--torch 2\.10: pyproject\.toml allows torch"):
        lowest.pinned("2.10")


def test_a_python_that_the_old_wheels_are_not_for_is_refused(monkeypatch):
    monkeypatch.setattr(lowest.sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(lowest.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=rf"put a python{re.escape(lowest.PYTHONS[0])} on the PATH"):
        lowest.oldest_python()


def test_the_tests_that_it_runs_exist():
    assert all((ROOT / path).exists() for path in lowest.TESTS)


def test_its_tools_are_pinned_as_in_the_lock():
    locked = {pin.name: str(pin.specifier) for pin in lowest.pins()}
    here = {pin.name: str(pin.specifier) for pin in map(Requirement, lines())}
    assert {name: here.get(name) for name in lowest.TOOLS} == {name: locked[name] for name in lowest.TOOLS}
