"""Damaged and foreign model files: every one is refused in one line, and none is waited for."""

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from persistence.forging import encoded, refused, taken_apart

from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import load, read_header, source
from mixturelab.persistence.header import TENSORS, checksum


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# -------------------------------------------------------------------------------------- damaged and foreign
def test_every_truncation_is_refused(path):
    whole = encoded()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_bytes_after_the_end_are_refused(path):
    path.write_bytes(encoded() + b"x")
    refused(path, "is damaged")


_ENCODED = encoded()
_CHECKSUM = re.search(rb'sha256\\": \\"([0-9a-f]{64})', _ENCODED)[1].decode()


def refused_or_the_same(path: Path, content: bytes) -> bool:
    """Whether a damaged file is refused; if it is not (an E for an e, say) it must be the same in all it says."""
    path.write_bytes(content)
    try:
        header = read_header(path)
    except ModelFileError:  # any other error is a failure
        return True
    loaded = load(path)
    assert checksum(header, {name: getattr(loaded, f"{name}_") for name in TENSORS}) == _CHECKSUM
    return False


@settings(max_examples=400)
@given(position=st.integers(0), value=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path_factory, position, value):
    whole = bytearray(_ENCODED)
    whole[position % len(whole)] ^= value
    refused_or_the_same(tmp_path_factory.getbasetemp() / "changed.safetensors", bytes(whole))


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(path):
    rng = np.random.default_rng(0)
    start = 8 + int.from_bytes(_ENCODED[:8], "little")
    for position, bit in enumerate(rng.integers(8, size=len(_ENCODED))):
        whole = bytearray(_ENCODED)
        whole[position] ^= 1 << bit
        is_refused = refused_or_the_same(path, bytes(whole))
        assert is_refused or position < start, f"bit {bit} of byte {position}, in the numbers, went unseen"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"{}", "not a mixturelab model file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a mixturelab model file"),
        (b"a,b\n1,2\n3,4\n5,6\n", "not a mixturelab model file"),
        (b"PK\x03\x04" + bytes(100), "not a mixturelab model file"),
        (struct.pack("<Q", 1 << 62) + b"{" + bytes(100), "not a mixturelab model file"),
        (struct.pack("<Q", 5000) + b"{" + bytes(100), "cut short"),
        (struct.pack("<Q", 6) + b"{nope}" + bytes(100), "damaged header: it is not JSON"),
        (struct.pack("<Q", 2) + b"{}", "of another program"),
        (struct.pack("<Q", 9) + b"{\xff\xfe\x00}    " + bytes(10), "damaged header"),
    ],
)
def test_foreign_files_are_refused(path, content, match):
    path.write_bytes(content)
    refused(path, match)


def test_a_header_nested_without_end_is_refused(path):
    deep = b'{"__metadata__": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    refused(path, "damaged header")


def test_safetensors_of_another_program_are_refused(path):
    path.write_bytes(safetensors.numpy.save({"means": np.zeros((2, 2))}, {"format": "pt"}))
    refused(path, "safetensors file of another program")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    refused(tmp_path / "nope.safetensors", "does not exist")
    refused(tmp_path, "is a folder")


def test_a_file_that_cannot_be_read_is_named(path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(b"x" * 20)
    monkeypatch.setattr(source.os, "open", denied)
    refused(path, "cannot be read: Permission denied")


def test_a_file_too_large_is_refused_unread(path, monkeypatch):
    path.write_bytes(bytes(2000))
    monkeypatch.setattr(source, "MAX_BYTES", 1999)
    monkeypatch.setattr(source.os, "open", lambda *_: pytest.fail("it was opened"))
    refused(path, "is larger than")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.timeout(20)
def test_what_would_be_waited_for_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(tmp_path / "pipe.safetensors", "is a pipe, a device or a socket")
    for device in ("/dev/zero", "/dev/null", "/dev/tty"):
        refused(Path(device), "is a pipe, a device or a socket|cannot be read|does not exist")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refused(tmp_path / "a", "cannot be read: Too many levels of symbolic links")
    (tmp_path / "link").symlink_to("/dev/zero")
    refused(tmp_path / "link", "is a pipe, a device or a socket")


def test_a_link_to_a_model_is_followed(tmp_path, path):
    path.write_bytes(encoded())
    (tmp_path / "link").symlink_to(path)
    assert load(tmp_path / "link").n_components == 2


def test_a_path_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="holds a null character"):
        load("model\0.safetensors")
    refused(tmp_path / ("x" * 300), "cannot be read: File name too long")


def test_archives_of_other_programs_are_refused(path):
    np.savez(path.with_suffix(".npz"), means=np.zeros((2, 2)))
    torch.save({"means": torch.zeros(2, 2)}, path)
    for archive in (path.with_suffix(".npz"), path):
        refused(archive, "is a zip archive")
        with pytest.raises(ModelFileError, match="is a zip archive"):
            load(archive, trust=True)


def test_a_safetensors_file_of_another_layout_reads_the_same(path):
    """What our reader makes of the bytes is what the library makes of them."""
    for family in ("full", "tied", "diag", "spherical"):
        for is_bayesian in (False, True):
            content = encoded(family, is_bayesian)
            theirs, ours = safetensors.numpy.load(content), taken_apart(content)[2]
            path.write_bytes(content)
            loaded = load(path)
            for name in theirs:
                np.testing.assert_array_equal(theirs[name], ours[name])
            np.testing.assert_array_equal(theirs["means"], loaded.means_)
            np.testing.assert_array_equal(theirs["covariances"], loaded.covariances_)
