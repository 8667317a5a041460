"""Time and memory of `mixturelab score`, against reading and writing the same files alone.

Reading and writing alone is what the same library does with the same file and the same columns of the output, with the
same options of the writer, without a model in between: piece by piece, one after the other, until the bytes are on the
disk. Beside it stands what the arithmetic alone takes, with one thread, of rows that are in memory: where that takes
longer than reading and writing, as with .npy files, which are copied as they are, no overlap can bring scoring near
them. All take turns in one process; the table has medians. Memory is the highest resident size of a process of its own.
Run it on a quiet machine:

    python benchmarks/score.py [--rows 1000000] [--rounds 5] [--no-memory] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from em_iteration import machine
from pyarrow import csv, parquet

from mixturelab import GaussianMixture
from mixturelab.persistence import load, save
from mixturelab.scoring import Job, Scorer, run
from mixturelab.scoring.parquet_encoder import options

SIZES = [(8, 5), (16, 16)]
PATHS = [("csv", "csv"), ("parquet", "parquet"), ("npy", "npy"), ("npy", "parquet")]
PIECE = 2**16  # rows


# ------------------------------------------------------------------------------------------- what is scored
def prepare(folder: Path, n: int, d: int, k: int) -> None:
    """A model, and its input in every format, written piece by piece."""
    rng = np.random.default_rng(n + d + k)
    centres = 2 * rng.normal(size=(k, d))
    names = [f"x{i}" for i in range(d)]
    array = np.lib.format.open_memmap(folder / "in.npy", "w+", np.float64, (n, d))
    schema = pa.schema([(name, pa.float64()) for name in names])
    with (
        csv.CSVWriter(folder / "in.csv", schema) as text,
        parquet.ParquetWriter(folder / "in.parquet", schema) as file,
    ):
        for start in range(0, n, PIECE):
            rows = min(PIECE, n - start)
            x = rng.normal(size=(rows, d)) + centres[rng.integers(0, k, rows)]
            array[start : start + rows] = x
            table = pa.table({name: x[:, i] for i, name in enumerate(names)})
            text.write_table(table)
            file.write_table(table)
    array.flush()
    save(fitted(array[:5000], names, k), folder / "model.safetensors")


def fitted(x: np.ndarray, names: list[str], k: int) -> GaussianMixture:
    """A few iterations: how good the model is does not matter here."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixture(k, random_state=0, max_iter=3).fit(pd.DataFrame(np.array(x), columns=names))


# ------------------------------------------------------------------------------- reading and writing alone
def read(path: Path) -> int:
    """All of a file, piece by piece; the number of rows."""
    if path.suffix == ".csv":
        options = csv.ReadOptions(block_size=2**23)
        return sum(batch.num_rows for batch in csv.open_csv(path, options))
    if path.suffix == ".parquet":
        return sum(batch.num_rows for batch in parquet.ParquetFile(path).iter_batches(PIECE))
    array = np.load(path, mmap_mode="r")
    return sum(len(np.array(array[start : start + PIECE])) for start in range(0, len(array), PIECE))


class Writing:
    """The columns of an output, in memory, to be written again piece by piece."""

    def __init__(self, path: Path):
        self._path = path
        self._again = path.with_name(f"again{path.suffix}")
        if path.suffix == ".npy":
            whole = np.load(path)
            self._pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
        else:
            table = csv.read_csv(path) if path.suffix == ".csv" else parquet.read_table(path)
            self._pieces = [
                table.slice(start, PIECE).combine_chunks() for start in range(0, len(table), PIECE)
            ]

    def __call__(self) -> None:
        """Write it, and wait until it is on the disk: a scored table is when the job says so."""
        self._write()
        with self._again.open("rb+") as file:
            os.fsync(file.fileno())

    def _write(self) -> None:
        if self._path.suffix == ".npy":
            with self._again.open("wb") as file:
                for piece in self._pieces:
                    piece.tofile(file)
            return
        schema = self._pieces[0].schema
        with (
            csv.CSVWriter(self._again, schema)
            if self._path.suffix == ".csv"
            else parquet.ParquetWriter(self._again, schema, **options(schema))
        ) as writer:
            for piece in self._pieces:
                writer.write_table(piece)


class Arithmetic:
    """The scores of rows in memory, with one thread."""

    def __init__(self, folder: Path):
        self._scorer = Scorer(load(folder / "model.safetensors"))
        self._x = np.load(folder / "in.npy")

    def __call__(self) -> None:
        """Compute them, piece by piece."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        for start in range(0, len(self._x), PIECE):
            self._scorer.at(self._x[start : start + PIECE], start)
        torch.set_num_threads(threads)


# ------------------------------------------------------------------------------------------------ measuring
def medians(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taking turns, after a round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            os.sync()  # what another side has left to be written is not this one's work
            began = time.perf_counter()
            side()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare(folder: Path, source: str, target: str, rounds: int) -> dict[str, float]:
    """Seconds of scoring, of reading alone and of writing alone."""
    given, out = folder / f"in.{source}", folder / f"out.{target}"
    job = Job(folder / "model.safetensors", given, out)
    run(job)
    sides = {
        "score": lambda: run(job),
        "read": lambda: read(given),
        "write": Writing(out),
        "arithmetic": Arithmetic(folder),
    }
    return medians(sides, rounds)


PROGRAM = r"""
import re, sys
from mixturelab.scoring import Job, run
from mixturelab.scoring.parquet_encoder import options
run(Job(*sys.argv[1:]))
# Of this program alone: getrusage would begin with what its parent held.
print(int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def memory(folder: Path, source: str, target: str) -> int:
    """The highest resident size of a process that scores, in MiB."""
    command = [sys.executable, "-c", PROGRAM, folder / "model.safetensors", folder / f"in.{source}"]
    done = subprocess.run([*command, folder / f"peak.{target}"], capture_output=True, text=True, check=True)
    return int(done.stdout)


# -------------------------------------------------------------------------------------------------- tables
def times(n: int, rounds: int) -> list[str]:
    """Markdown, also shown as it is made."""
    lines = [
        "| input → output | N | D, K | score, s | reading + writing alone, s | ratio | arithmetic alone, s "
        "| rows a second |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for d, k in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), n, d, k)
            for source, target in PATHS:
                found = compare(Path(folder), source, target, rounds)
                ours, alone = found["score"], found["read"] + found["write"]
                parts = f"{found['read']:.2f} + {found['write']:.2f}"
                arithmetic = f"{found['arithmetic']:.2f} | {n / ours:,.0f}"
                case = f"{source} → {target} | {n:,} | {d}, {k}"
                lines.append(f"| {case} | {ours:.2f} | {parts} | {ours / alone:.2f} | {arithmetic} |")
                print(lines[-1], flush=True)
    return lines


def peaks(sizes: list[int]) -> list[str]:
    """Highest memory for each number of rows."""
    lines = [
        "| input → output | " + " | ".join(f"{n:,} rows, MiB" for n in sizes) + " |",
        "|---|" + "---|" * len(sizes),
    ]
    found: dict[tuple[str, str], list[int]] = {path: [] for path in PATHS}
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), n, *SIZES[0])
            for path in PATHS:
                found[path].append(memory(Path(folder), *path))
    for (source, target), values in found.items():
        lines.append(f"| {source} → {target} | " + " | ".join(map(str, values)) + " |")
    print("\n".join(lines), flush=True)
    return lines


def main() -> None:
    """Parse the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="leave out the table of memory")
    parser.add_argument("--out", type=Path, help="also write the tables here")
    given = parser.parse_args()
    lines = [f"Scoring files. {machine()}.", ""]
    print("\n".join(lines))
    lines += times(given.rows, given.rounds)
    if not given.no_memory:
        print()
        lines += ["", *peaks([given.rows // 10, given.rows, 5 * given.rows])]
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
