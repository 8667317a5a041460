"""Write requirements.txt: one version of every package that mixturelab can need, for Linux, macOS and Windows.

    python scripts/lock.py             keep the versions that are pinned, add what pyproject.toml newly asks for
    python scripts/lock.py --upgrade   take the newest versions that pyproject.toml allows
    python scripts/lock.py --check     ask whether each pin has a wheel for every system and Python (needs the network)

pip resolves for the oldest Python that mixturelab supports, so the versions suit the newer ones too. The markers
come from walking the resolved graph once for each system and Python. torch's CUDA packages are left to torch itself:
which of them are wanted depends on the machine.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux": {"platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "darwin": {"platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "win32": {"platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}
WHEEL_TAGS = {
    "linux": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17)] + ["manylinux2014_x86_64"],
    "darwin": ["macosx_14_0_arm64", "macosx_14_0_universal2"],
    "win32": ["win_amd64"],
}
# torch's own choice for the machine at hand; none of them is imported by mixturelab.
CUDA_PREFIXES = ("nvidia-", "cuda-", "triton")
HEADER = """\
# The lock: every package that mixturelab needs, one version each. Made from pyproject.toml by scripts/lock.py.
# For a CPU-only torch on Linux: pip install -r requirements.txt --extra-index-url https://download.pytorch.org/whl/cpu
"""


@dataclass(frozen=True)
class Target:
    """One system and Python to lock for."""

    platform: str
    python: str

    def environment(self, extra: str) -> dict[str, str]:
        """The values that an environment marker can ask for."""
        return {
            **PLATFORMS[self.platform],
            "sys_platform": self.platform,
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
            "extra": extra,
        }


@dataclass(frozen=True)
class Resolved:
    """A package at the version that pip chose, and what it asks for."""

    name: str
    version: str
    requires: tuple[Requirement, ...]


Graph = dict[str, Resolved]
TARGETS = [Target(platform, python) for platform in PLATFORMS for python in PYTHONS]


def wanted() -> list[Requirement]:
    """All that pyproject.toml asks for: dependencies, every extra, and what builds the package."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    groups = [
        project["dependencies"],
        pyproject["build-system"]["requires"],
        *project["optional-dependencies"].values(),
    ]
    requirements = [Requirement(line) for line in itertools.chain.from_iterable(groups)]
    return [requirement for requirement in requirements if requirement.name != project["name"]]


def pip_report(arguments: Iterable[str]) -> list[Resolved]:
    """What `pip install` would install, without installing it."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--report",
        "-",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pip could not resolve:\n{done.stderr.strip()}")
    return [_resolved(item["metadata"]) for item in json.loads(done.stdout)["install"]]


def _resolved(metadata: dict) -> Resolved:
    public_version = metadata["version"].partition("+")[0]  # 2.13.0+cpu and 2.13.0 are one release
    requires = tuple(Requirement(line) for line in metadata.get("requires_dist", []))
    return Resolved(metadata["name"], public_version, requires)


def elsewhere(requirement: Requirement, target: Target) -> list[Resolved]:
    """A package that only another system or Python needs: its newest wheel there."""
    tags = itertools.chain.from_iterable(("--platform", tag) for tag in WHEEL_TAGS[target.platform])
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--target",
        "unused",
        "--python-version",
        target.python,
        *tags,
    ]
    return pip_report([*options, f"{requirement.name}{requirement.specifier}"])


def asked_for(
    requires: Iterable[Requirement], extras: frozenset[str], target: Target
) -> Iterator[Requirement]:
    """Those requirements whose marker holds on the target."""
    for requirement in requires:
        marker = requirement.marker
        holds = marker is None or any(marker.evaluate(target.environment(extra)) for extra in extras | {""})
        if holds and not canonicalize_name(requirement.name).startswith(CUDA_PREFIXES):
            yield requirement


def walk(graph: Graph, roots: list[Requirement], target: Target) -> tuple[set[str], list[Requirement]]:
    """The packages that the target reaches from the roots, and those that the graph does not know."""
    seen: set[tuple[str, frozenset[str]]] = set()
    missing = []
    queue = list(asked_for(roots, frozenset(), target))
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        if name in graph:
            queue.extend(asked_for(graph[name].requires, key[1], target))
        else:
            missing.append(requirement)
    return {name for name, _ in seen}, missing


def complete(graph: Graph, roots: list[Requirement]) -> dict[str, set[Target]]:
    """Add what other systems need to the graph, and say which target reaches which package."""
    reached: dict[str, set[Target]] = {}
    for target in TARGETS:
        names, missing = walk(graph, roots, target)
        while missing:
            for requirement in missing:
                graph.update(
                    {canonicalize_name(found.name): found for found in elsewhere(requirement, target)}
                )
            names, missing = walk(graph, roots, target)
        for name in names:
            reached.setdefault(name, set()).add(target)
    return reached


def marker_for(targets: set[Target]) -> str:
    """The shortest marker that holds on these targets (and perhaps on a few more, which does no harm)."""
    platforms = {target.platform for target in targets}
    pythons = {target.python for target in targets}
    parts = []
    if platforms == {"linux", "darwin"}:
        parts.append('sys_platform != "win32"')
    elif platforms != set(PLATFORMS):
        parts.append(" or ".join(f'sys_platform == "{platform}"' for platform in sorted(platforms)))
    if len(platforms) * len(pythons) == len(targets) and pythons != set(PYTHONS):
        newest = max(PYTHONS.index(python) for python in pythons)
        oldest = min(PYTHONS.index(python) for python in pythons)
        if oldest > 0:
            parts.append(f'python_version >= "{PYTHONS[oldest]}"')
        if newest < len(PYTHONS) - 1:
            parts.append(f'python_version < "{PYTHONS[newest + 1]}"')
    return " and ".join(parts)


def pins() -> list[Requirement]:
    """The lock's lines as they stand."""
    if not LOCK.exists():
        return []
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def write_lock(upgrade: bool) -> None:
    """Resolve and write requirements.txt."""
    if sys.version_info[:2] != tuple(map(int, PYTHONS[0].split("."))):
        raise SystemExit(f"run this with Python {PYTHONS[0]}, the oldest that mixturelab supports")
    roots = wanted()
    arguments = [str(requirement) for requirement in roots]
    with tempfile.TemporaryDirectory() as folder:
        if not upgrade:
            kept = Path(folder, "kept.txt")
            kept.write_text("\n".join(f"{pin.name}{pin.specifier}" for pin in pins()), encoding="utf-8")
            arguments += ["--constraint", str(kept)]
        # The first patch release: on Debian 12 Python 3.11 is 3.11.2, and some newest wheels ask for more.
        oldest = ["--python-version", f"{PYTHONS[0]}.0", "--only-binary=:all:", "--target", "unused"]
        graph = {canonicalize_name(found.name): found for found in pip_report([*oldest, *arguments])}
    reached = complete(graph, roots)
    lines = [_line(graph[name], marker_for(reached[name])) for name in sorted(reached)]
    LOCK.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{LOCK.name}: {len(lines)} packages for {', '.join(PLATFORMS)} and Python {', '.join(PYTHONS)}")


def _line(package: Resolved, marker: str) -> str:
    return f"{package.name}=={package.version}" + (f" ; {marker}" if marker else "")


def check_wheels() -> None:
    """Ask pip, for each system and Python, whether every pin has a wheel there."""
    for target in TARGETS:
        environment = target.environment("")
        wanted_here = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(environment)]
        tags = itertools.chain.from_iterable(("--platform", tag) for tag in WHEEL_TAGS[target.platform])
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--target",
            "unused",
            "--python-version",
            target.python,
            *tags,
        ]
        pip_report([*options, *(f"{pin.name}{pin.specifier}" for pin in wanted_here)])
        print(
            f"{target.platform}, Python {target.python}: a wheel for each of {len(wanted_here)} packages",
            flush=True,
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows"
    )
    parser.add_argument(
        "--check", action="store_true", help="only ask whether each pin has a wheel everywhere"
    )
    options = parser.parse_args()
    if options.check:
        check_wheels()
    else:
        write_lock(upgrade=options.upgrade)


if __name__ == "__main__":
    main()
