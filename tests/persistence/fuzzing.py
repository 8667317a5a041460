"""Thousands of broken model files, loaded: ``python tests/persistence/fuzzing.py [COUNT] [SEED]`` says what came of it.

A file may be refused (one line) or, if what was changed says nothing of the mixture, loaded, and then it must work. Any
other exception, more than 100 MiB of address space beyond what is in use before the first, or a second of processor
time for one file ends the run. Linux only.
"""

import copy
import json
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from time import process_time

import numpy as np
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from persistence.forging import encoded, packed, put_together, taken_apart

from mixturelab.exceptions import MixtureLabError, ModelFileError
from mixturelab.persistence import load
from mixturelab.persistence.header import KEY
from mixturelab.pipeline import describe_file

GOLDEN = Path(__file__).parents[1] / "golden"
MOST_MEMORY, MOST_SECONDS = 100 << 20, 1.0
VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 1.5, -0.0, 1e-320, 1e308, -1e308, 10**19, 2**63, -(2**63), 10**400,
    float("nan"), float("inf"), "", "a", "<x>", "full", "tied", "diag", "spherical", "GaussianMixture",
    "BayesianGaussianMixture", "float32", "inf", "-inf", "\ud800", "\x00", "\x1b[2J", "é😀", "x" * 3000, [], {},
    [[]], [None], [1, 2],
    [[1, 2], [3, 4]], {"tensor": "settings.means_init"}, {"tensor": "means"}, {"a": {"b": []}}, ["a", "b"], [0] * 1000,
    "dirichlet_process", "dirichlet_distribution", 100_000, 100_001, 1_000_000, "../../etc/passwd", "__import__('os')",
]  # fmt: skip
NUMBERS = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    -1.0,
    1.0,
    2.0,
    1e-12,
    1e12,
    1e-320,
    1e308,
    -1e308,
    5e-324,
    0.5,
]


# ------------------------------------------------------------------------------------------------- mutations
def spots(value, found=None):
    """Every container within, with every key of it."""
    found = [] if found is None else found
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        spots(value[key], found)
    return found


def header_value(rng, parts, _):
    """Other values in the header, and a checksum that fits."""
    header, _, tensors = parts
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        container, key = rng.choice(spots(header))
        container[key] = copy.deepcopy(rng.choice(VALUES))
    return put_together(header, tensors)


def header_key(rng, parts, _):
    """Entries taken out, put elsewhere, added."""
    header, _, tensors = parts
    container, key = rng.choice([spot for spot in spots(header) if isinstance(spot[0], dict)])
    value = container.pop(key)
    if rng.random() < 0.6:
        other = rng.choice([spot[0] for spot in spots(header) if isinstance(spot[0], dict)] or [header])
        other[rng.choice([key, str(key).upper(), "schema", "__metadata__", ""])] = value
    return put_together(header, tensors)


def tensor_value(rng, parts, _):
    """Other numbers, and a checksum that fits."""
    header, _, tensors = parts
    for _ in range(rng.choice([1, 1, 2, 5])):
        flat = tensors[rng.choice(list(tensors))].reshape(-1)
        with np.errstate(over="ignore"):
            index = rng.randrange(len(flat))
            flat[index] = rng.choice([*NUMBERS, flat[index] * (1 + 1e-5), -flat[index]])
    return put_together(header, tensors)


def tensor_form(rng, parts, _):
    """Other shapes, types and names, and a table and checksum that fit."""
    header, _, tensors = parts
    name = rng.choice(list(tensors))
    value = tensors.pop(name)
    changes = [
        lambda: value.T, lambda: value.reshape(-1), lambda: value[None], lambda: np.atleast_1d(value)[:1],
        lambda: np.atleast_1d(value)[:0],
        lambda: np.concatenate([np.atleast_1d(value)] * 2), lambda: value.astype(np.int64),
        lambda: value.astype(np.float16),
        lambda: value.astype(np.float32), lambda: value.astype(bool), lambda: np.zeros(10_000), lambda: np.float64(1),
    ]  # fmt: skip
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors[rng.choice([name, name, name, "x", "weights"])] = np.asarray(rng.choice(changes)())
    if rng.random() < 0.5:
        header["dtypes"] = {key: held.dtype.name for key, held in tensors.items()}
    return put_together(header, tensors)


def sizes(rng, parts, _):
    """K, D, family or estimator of another model."""
    header, _, tensors = parts
    for key in rng.sample(
        ["n_components", "n_features", "covariance_type", "estimator", "schema_version"], 2
    ):
        header[key] = copy.deepcopy(rng.choice(VALUES))
    header["feature_names"] = None if rng.random() < 0.5 else header["feature_names"]
    return put_together(header, tensors)


def table(rng, parts, _):
    """Other offsets, shapes and types in the table."""
    header, entries, tensors = parts
    for _ in range(rng.choice([1, 1, 2])):
        container, key = rng.choice(spots(entries))
        numbers = [
            0,
            8,
            16,
            32,
            64,
            96,
            128,
            -8,
            2**63,
            2**64,
            10**30,
            1.0,
            True,
            "F32",
            "F64",
            "BF16",
            None,
            [],
            {},
        ]
        container[key] = rng.choice(numbers)
    return put_together(header, tensors, entries)


def byte_level(rng, parts, content):
    """Bits flipped, bytes put in and taken out, pieces repeated, the end cut off."""
    raw = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(max(1, len(raw)))
        kind = rng.randrange(6)
        if kind == 0 and raw:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            raw[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 2:
            del raw[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            raw[at:at] = raw[at : at + rng.randrange(64)]
        elif kind == 4:
            del raw[at:]
        else:
            raw[at : at + 8] = rng.randbytes(8)
    return bytes(raw)


def text_level(rng, parts, content):
    """The JSON changed as text, its length made to fit."""
    length = int.from_bytes(content[:8], "little")
    text, body = content[8 : 8 + length].decode(), content[8 + length :]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(text))
        piece = rng.choice(["", '"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e9", "NaN", "null", "\\u0000", " ",
                            "\\ud83d", "/*", "'", "9" * 5000, "[" * 2000, "é", text[at : at + 40]])  # fmt: skip
        text = text[:at] + piece + text[at + rng.choice([0, 0, 1, 5]) :]
    return packed(text.encode(), body)


def splice(rng, parts, content):
    """The beginning of one file and the end of another; the header of one and the tensors of another."""
    other = rng.choice(bases())
    if rng.random() < 0.5:
        return put_together(parts[0], taken_apart(other)[2])
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


def foreign(rng, parts, content):
    """What is no file of ours at all."""
    noise = rng.randbytes(rng.randrange(300))
    starts = [b"", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b", b"\x93NUMPY", b"{", content[:8], content[:9]]
    made = [
        packed({}),
        packed({"__metadata__": {}}),
        packed({"__metadata__": {KEY: json.dumps(copy.deepcopy(rng.choice(VALUES)))}}),
    ]
    return rng.choice([rng.choice(starts) + noise, rng.choice(made), packed(b"{" + noise, noise)])


KINDS = (
    header_value,
    header_key,
    tensor_value,
    tensor_form,
    sizes,
    table,
    byte_level,
    text_level,
    splice,
    foreign,
)
_BASES: list[bytes] = []


def bases() -> list[bytes]:
    """Honest files of every kind."""
    if not _BASES:
        _BASES.extend(path.read_bytes() for path in sorted(GOLDEN.glob("v*.safetensors")))
        _BASES.extend([encoded(means_init=((2, 54), (4.3, 80))), encoded("tied", True)])
    return _BASES


# --------------------------------------------------------------------------------------------------- the run
def tried(path: Path) -> str:
    """Refused, or loaded and of use."""
    try:
        model = load(path)
    except ModelFileError as error:
        said = str(error)
    else:
        return _used(model, path)
    assert "\n" not in said, said
    assert len(said) < 1000, said
    return "refused"


def _used(model, path: Path) -> str:
    with np.errstate(all="ignore"):
        kind = torch.float32 if isinstance(model.means_, torch.Tensor) else None
        rows = np.zeros((3, model.n_features_in_))
        model.predict_proba(rows if kind is None else torch.tensor(rows, dtype=kind))
    describe_file(path)
    return "loaded"


def run(count: int, seed: int) -> tuple[Counter, float]:
    """What came of so many files of each kind in turn, and the most seconds that one took."""
    rng, found, slowest = random.Random(seed), Counter(), 0.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "fuzzed.safetensors"
        for content in bases():  # warm, so that only what broken files take is counted
            path.write_bytes(content)
            assert tried(path) == "loaded"
        limit = _address_space() + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
        for number in range(count):
            kind, content = KINDS[number % len(KINDS)], rng.choice(bases())
            path.write_bytes(kind(rng, taken_apart(content), content))
            began = process_time()
            try:
                found[kind.__name__, tried(path)] += 1
            except (Exception, AssertionError) as error:
                if isinstance(error, MixtureLabError) and not isinstance(error, ModelFileError):
                    found[kind.__name__, "loaded"] += (
                        1  # its settings were changed: it says so when it is used
                    )
                    continue
                kept = Path(tempfile.gettempdir()) / f"fuzzed_{seed}_{number}.safetensors"
                kept.write_bytes(path.read_bytes())
                raise AssertionError(
                    f"file {number} of seed {seed} ({kind.__name__}), kept as {kept}"
                ) from error
            seconds = process_time() - began
            assert seconds < MOST_SECONDS, f"file {number} of seed {seed} took {seconds:.2f} s"
            slowest = max(slowest, seconds)
    return found, slowest


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return pages * resource.getpagesize()


def main() -> None:
    """Print a line for each kind."""
    torch.set_num_threads(1)
    count, seed = (int(text) for text in (*sys.argv[1:], *("10000", "0")[len(sys.argv) - 1 :]))
    found, slowest = run(count, seed)
    for kind in KINDS:
        refused, loaded = (found[kind.__name__, outcome] for outcome in ("refused", "loaded"))
        print(f"{kind.__name__:14} {refused + loaded:6} files, {refused:6} refused, {loaded:6} loaded")
    print(f"{count:,} files, seed {seed}: the slowest took {slowest * 1000:.0f} ms")


if __name__ == "__main__":
    main()
