"""Loads the model files of a folder in a process of its own: ``python probe.py FOLDER [FORBIDDEN]``.

Prints a line of JSON for each: what came of it, seconds of processor time, and by how many bytes the process's memory
grew at the peak. With FORBIDDEN, an audit hook ends the process when anything is unpickled, compiled or started.
"""

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from time import process_time

import torch

from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import encode, load, load_described, read_header

FORBIDDEN = ("pickle.find_class", "exec", "compile", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen",
             "ctypes.dlopen", "socket.connect")  # fmt: skip


def forbid(event: str, arguments: tuple) -> None:
    """An audit hook: none of these happens while a file is loaded."""
    if event in FORBIDDEN:
        os.write(2, f"forbidden: {event} {str(arguments)[:200]}\n".encode())
        os._exit(66)


def memory(what: str) -> int:
    """VmRSS (now) or VmHWM (the most since it was last reset), in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) << 10
    raise OSError(f"no {what} in /proc/self/status")


def watched(path: Path) -> dict:
    """What comes of loading one file."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is from here on
    before, began = memory("VmRSS"), process_time()
    try:
        load(path)
        outcome = "loaded"
    except ModelFileError as error:
        outcome = str(error)
    seconds = process_time() - began
    return {"name": path.name, "outcome": outcome, "seconds": seconds, "grown": memory("VmHWM") - before}


def apart(path: Path) -> dict:
    """The same in a process of its own: what one file leaves behind shall not hide what the next one takes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, 60)  # of processor time: what hangs is ended
        os.write(writing, json.dumps(watched(path)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (
        json.loads(told)
        if code == 0
        else {"name": path.name, "outcome": f"exit {code}", "seconds": 0, "grown": 0}
    )


def main() -> None:
    """Warm up with honest files, so that only what the others take is counted."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # a forked process has no other threads
    folder = Path(sys.argv[1])
    for name in ("gaussian", "bayesian"):
        honest = folder.parent / f"{name}.safetensors"
        load_described(honest)[1].predict([[2.0, 60.0]])
        read_header(honest)
        encode(load(honest))
    if "FORBIDDEN" in sys.argv:
        sys.addaudithook(forbid)
    for path in sorted(folder.iterdir()):
        sys.stdout.write(json.dumps(apart(path)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
