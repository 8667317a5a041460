"""Install mixturelab and its notebooks from this folder, without any network.

    python install.py                                    into mixturelab-course in your home folder
    python install.py FOLDER                             into another folder
    python install.py --from http://192.168.1.10:8000    from a teacher's computer in the same network

Nothing outside that folder is changed. What is already in it, and yours, is kept. Every file is compared with its
SHA-256 checksum before it is used.
"""

import argparse
import hashlib
import os
import platform
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = "SHA256SUMS"
COURSE = "course/"
# The processors that the wheels of each system are for.
MACHINES = {"linux": ("x86_64",), "darwin": ("arm64",), "win32": ("AMD64", "x86_64")}
NAMES = {"linux": "Linux (x86-64)", "darwin": "macOS (Apple silicon)", "win32": "Windows (x86-64)"}
START = {
    "start.sh": "#!/bin/sh\n# Open the notebooks in JupyterLab.\n"
    'cd "$(dirname "$0")" && exec .venv/bin/python -m mixturelab lab\n',
    "start.bat": '@echo off\r\ncd /d "%~dp0"\r\n.venv\\Scripts\\python -m mixturelab lab\r\npause\r\n',
}


class Refused(Exception):
    """The installation cannot go on; the message is for the learner."""


def say(text):
    """One line for the learner, at once."""
    print("mixturelab: " + text, flush=True)


# ------------------------------------------------------------------------------------- where files come from
class Folder:
    """A wheelhouse on this computer or on a stick."""

    def __init__(self, path):
        self.path = path
        self.pip_options = ["--find-links", str(path / "wheels")]
        self.hosts = []

    def read(self, name):
        """A file's bytes; OSError if it is not there."""
        return (self.path / name).read_bytes()

    def checks_wheels(self):
        """Whether wheels are compared here: pip does so again."""
        return True


class Server:
    """A wheelhouse that a teacher's computer shows with `python -m http.server`."""

    def __init__(self, address):
        self.address = address.rstrip("/") + "/"
        host = urllib.parse.urlsplit(self.address).hostname or ""
        self.pip_options = ["--find-links", self.address + "wheels/", "--trusted-host", host]
        self.hosts = [host]
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read(self, name):
        """A file's bytes; OSError if the server does not give it."""
        with self.opener.open(self.address + urllib.parse.quote(name), timeout=30) as answer:
            return answer.read()

    def checks_wheels(self):
        """Wheels are fetched once only, by pip, which compares them itself."""
        return False


# ---------------------------------------------------------------------------------------- what is in there
def checksums(source):
    """The list of all files: name to SHA-256."""
    try:
        lines = source.read(SUMS).decode("utf-8").splitlines()
    except OSError as error:
        where = getattr(source, "address", None) or source.path
        raise Refused(
            f"{SUMS} cannot be read from {where} ({error}): is this the whole wheelhouse?"
        ) from error
    return dict(reversed(line.split(None, 1)) for line in lines)


def targets(sums):
    """The systems and Pythons that the wheelhouse is for, such as ("linux", "3.12")."""
    found = (re.match(r"requirements/(\w+)-([\d.]+)\.txt$", name) for name in sums)
    return [match.groups() for match in found if match]


def target_here(sums):
    """The name of the requirements for this Python, or Refused with what is needed instead."""
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    python = "{}.{}".format(*sys.version_info[:2])
    machine, width = platform.machine(), 64 if sys.maxsize > 2**32 else 32
    available = targets(sums)
    listed = "; ".join(
        "{} with Python {}".format(NAMES[name], ", ".join(p for n, p in available if n == name))
        for name in sorted({name for name, _ in available})
    )
    if (system, python) in available and machine in MACHINES[system] and width == 64:
        return f"requirements/{system}-{python}.txt"
    raise Refused(
        f"this is {platform.system()} {machine}, {width}-bit Python {python} ({sys.executable}), "
        f"and the wheelhouse is for {listed}"
    )


def verified(source, sums, name):
    """A file's bytes, or Refused if it is missing or is not what the list says."""
    try:
        data = source.read(name)
    except OSError as error:
        raise Refused(f"{name} is missing ({error}): copy the wheelhouse again") from error
    if hashlib.sha256(data).hexdigest() != sums.get(name):
        raise Refused(f"{name} is damaged (its SHA-256 is not that of {SUMS}): copy the wheelhouse again")
    return data


def check_wheels(source, sums, requirements):
    """Compare each wheel that will be installed."""
    wanted = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements))
    files = [name for name, digest in sums.items() if digest in wanted]
    absent = wanted - {sums[name] for name in files}
    if absent:
        raise Refused(
            f"{len(absent)} wheels of the requirements are not in {SUMS}: copy the wheelhouse again"
        )
    for name in files:
        verified(source, sums, name)
    say(f"{len(files)} wheels are whole")


# ------------------------------------------------------------------------------------------------ installing
def environment_of_pip(source):
    """No setting of this computer may lead pip elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("PIP_")}
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        kept.pop(name, None)
    kept["PIP_CONFIG_FILE"] = os.devnull
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = ",".join([kept.get(name, ""), *source.hosts]).strip(",")
    return kept


def run(command, log, environment, failure):
    """Run a command with its words in the log; Refused with the last of them if it fails."""
    with log.open("ab") as file:
        done = subprocess.run(
            [str(word) for word in command], stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        raise Refused("{} ({} has all of it):\n{}".format(failure, log, "\n".join(last)))


def make_environment(folder, log, environment):
    """A fresh virtual environment in the folder, and its Python."""
    run(
        [sys.executable, "-m", "venv", "--clear", folder / ".venv"],
        log,
        environment,
        "no virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)",
    )
    return folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(source, sums, name, folder):
    """Make the environment, install the wheels, and see whether they can be imported."""
    log = folder / "install.log"
    log.write_bytes(b"")
    requirements = verified(source, sums, name).decode("utf-8")
    if source.checks_wheels():
        check_wheels(source, sums, requirements)
    environment = environment_of_pip(source)
    python = make_environment(folder, log, environment)
    copy = folder / ".venv" / "requirements.txt"
    copy.write_text(requirements, encoding="utf-8")
    count = requirements.count("==")
    say("installing {} packages into {} (a minute or two)".format(count, folder / ".venv"))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
    options = ["--no-index", "--only-binary=:all:", "--require-hashes", *source.pip_options]
    run([*pip, "install", *options, "-r", copy], log, environment, "pip could not install the wheels")
    run([*pip, "check"], log, environment, "the installed packages do not fit together")
    imports = "import mixturelab.lab, mixturelab.plot, torch, jupyterlab"
    run([python, "-W", "ignore", "-c", imports], log, environment, "the packages cannot be imported")


def unpack_course(source, sums, folder):
    """Copy notebooks and tables that are not there yet; what the learner has changed stays."""
    kept = 0
    for name in sorted(name for name in sums if name.startswith(COURSE)):
        target = folder / name[len(COURSE) :]
        if target.exists():
            kept += hashlib.sha256(target.read_bytes()).hexdigest() != sums[name]
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(verified(source, sums, name))
    if kept:
        say(f"{kept} files in {folder} are not those of the wheelhouse, and were kept")
    for name, text in START.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    if os.name != "nt":
        (folder / "start.sh").chmod(0o755)


def refuse_foreign(folder):
    """Nobody's project may lose its environment."""
    if (folder / "pyproject.toml").exists() or (
        (folder / ".venv").exists() and not (folder / "start.bat").exists()
    ):
        raise Refused(f"{folder} already holds something else: name another folder")


def how_to_start(folder):
    """The last lines, which a learner acts on."""
    python = ".venv\\Scripts\\python" if os.name == "nt" else ".venv/bin/python"
    start = "start.bat (or a double click on it)" if os.name == "nt" else "./start.sh"
    say("ready. Start the notebooks with")
    print(f'\n    cd "{folder}"\n    {python} -m mixturelab lab\n\nor with {start} in that folder.')


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path.home() / "mixturelab-course")
    parser.add_argument("--from", dest="address", metavar="URL", help="where a teacher shows the wheelhouse")
    parser.add_argument("--fits", action="store_true", help="only say whether this Python can install it")
    options = parser.parse_args()
    source = Server(options.address) if options.address else Folder(HERE)
    try:
        sums = checksums(source)
        name = target_here(sums)
        if options.fits:
            return
        folder = options.folder.expanduser().resolve()
        refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        unpack_course(source, sums, folder)
        install(source, sums, name, folder)
    except Refused as refusal:
        sys.exit(f"mixturelab: {refusal}")
    how_to_start(folder)


if __name__ == "__main__":
    main()
