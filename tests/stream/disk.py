"""What tests of files share: every byte of a folder, and a disk that is full."""

import os
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte under a folder, by the file's name in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class FullDisk:
    """``os.write``, or any other function of `os`, that takes so many bytes and then finds the disk full."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, descriptor: int, content: bytes | memoryview = b"") -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = self.write(descriptor, bytes(content[: self.room]))
        self.room -= taken
        return taken
