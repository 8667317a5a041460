"""What one process of a group does in the tests of several ranks: every scenario in turn, results into a file.

python rank_worker.py RANK SIZE RENDEZVOUS FOLDER
"""

import sys
import warnings
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

from mixturelab import MixtureStats
from mixturelab.exceptions import ArgumentError, DataError, RankError, StreamWarning

D, K = 5, 3
KMEANS, LABELS = {}, {"assigner": "label_supervised"}

# name: (options, from equal centroids). The single process of the tests runs the same ones on the union batches.
STREAMS = {
    "kmeans": (KMEANS, True),
    "kmeans_per_batch": ({"mode": "per_batch"}, True),
    "kmeans_one_iteration": ({"max_assign_iters": 1}, True),
    "labels": (LABELS, False),
    "labels_per_batch": (LABELS | {"mode": "per_batch"}, False),
    "label_supervised": ({"mode": "label_supervised"}, False),
    "diag": (LABELS | {"covariance": "diag"}, False),
    "none": ({"covariance": "none"}, True),
    "float64": (LABELS | {}, False),
    # The others take the path of a device, whose values the host may not read; these sort the rows instead.
    "kmeans_sorted": ({"group_rows": None}, True),
    "labels_sorted": (LABELS | {"group_rows": None}, False),
}


def union_batches(double: bool = False) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches far from zero, of three clusters; some rows not finite, some without a label; the last has none."""
    made = torch.Generator().manual_seed(5)
    centres = 4 * torch.randn(K, D, generator=made) + 50
    batches = []
    for number, n in enumerate((40, 31, 24, 37, 12, 40, 16)):
        labels = torch.randint(K, (n,), generator=made)
        if number == 3:
            labels = labels.clamp(max=K - 2)  # a component stays away
        x = centres[labels] + torch.randn(n, D, generator=made)
        x[::7] = torch.nan if number % 2 else torch.inf
        labels[3::9] = -1
        batches.append((x.double() if double else x, labels))
    return [*batches, (torch.full_like(batches[-1][0], torch.nan), batches[-1][1])]


def parts_of(n: int, size: int, number: int) -> list[slice]:
    """How a batch is shared out: unevenly, and every third time one process gets nothing."""
    ends = [n * (rank + 1) ** 2 // size**2 for rank in range(size)]
    if number % 3 == 2:
        ends[number % size] = ends[number % size - 1] if number % size else 0
    starts = [0, *ends[:-1]]
    return [slice(start, end) for start, end in zip(starts, [*ends[:-1], n], strict=True)]


def estimator_of(name: str, **more: object) -> MixtureStats:
    options, _ = STREAMS[name]
    return MixtureStats(**{"K": K, "enabled": True, "group_rows": False, **options, **more})


def begun(name: str, folder: Path | None = None, **more: object) -> MixtureStats:
    """An estimator, after a first batch that all processes have seen alone where centroids are to be equal."""
    estimator = estimator_of(name, **more)
    if STREAMS[name][1]:
        alone = estimator_of(name)
        alone.update(*union_batches()[0])
        estimator.load_state_dict(alone.state_dict())
    return estimator


def kept(snapshot) -> dict[str, torch.Tensor]:
    return {
        key: snapshot[key].clone()
        for key in ("pi", "mu", "Sigma", "B", "R", "valid")
        if snapshot[key] is not None
    }


def stream(name: str, rank: int, size: int) -> list[dict]:
    estimator, out = begun(name, cross_rank=True), []
    for number, (x, labels) in enumerate(union_batches(name == "float64")[1:]):
        mine = parts_of(len(x), size, number)[rank]
        out.append(kept(estimator.update(x[mine], labels[mine])) | {"summary": estimator.summary()})
    return out


def own_start(rank: int, size: int) -> list[dict]:
    """Centroids that the group begins by itself; the lowest process has nothing at first."""
    estimator, out = MixtureStats(K=K, enabled=True, cross_rank=True, seed=3), []
    for number, (x, _) in enumerate(union_batches()):
        mine = parts_of(len(x), size, number)[rank]
        rows = x[:0] if number == 0 and rank == 0 else x[mine]
        out.append(kept(estimator.update(rows)))
    return out


def few_rows(rank: int, size: int) -> list[dict]:
    """Fewer rows than components, in one process only."""
    estimator = MixtureStats(K=K, enabled=True, cross_rank=True)
    rows = torch.eye(D)[:2] if rank == size - 1 else torch.empty(0, D)
    return [kept(estimator.update(rows))]


def refused(rank: int, size: int) -> dict[str, object]:
    """One process has what cannot be used, another has no row: an error everywhere, and the state as it was."""
    estimator = estimator_of("labels", cross_rank=True)
    x, labels = union_batches()[0]
    part = parts_of(len(x), size, 0)[rank]
    estimator.update(x[part], labels[part])
    before, said = kept(estimator.compute()), {}
    bad = {
        "label": (x[part], torch.full_like(labels[part], 7)),
        "missing": (x[part], None),
        "features": (torch.zeros(4, D + 1), torch.zeros(4, dtype=torch.int64)),
        "kind": (x[part].double(), labels[part]),
        "words": (x[part], ["one"] * len(labels[part])),
    }
    for name, wrong in bad.items():
        given = wrong if rank == size - 1 else (x[:0], labels[:0]) if rank == 0 else (x[part], labels[part])
        try:
            estimator.update(*given)
        except ArgumentError as error:
            said[name] = str(error)
    said["same"] = all(torch.equal(before[key], value) for key, value in kept(estimator.compute()).items())
    strict = MixtureStats(K=K, enabled=True, cross_rank=True, on_error="raise")
    try:
        strict.update(torch.full((rank, D), torch.nan))
    except DataError as error:
        said["no rows"] = str(error)
    said["after"] = kept(estimator.update(x[part], labels[part]))
    return said


def scores(rank: int, size: int, folder: Path) -> None:
    """The main process stores the responsibilities of all rows, in the order of the processes."""
    with begun("kmeans", cross_rank=True, store_scores=True, log_dir=folder, is_main=rank == 0) as estimator:
        for step, (x, _) in enumerate(union_batches()[1:4]):
            stats = estimator.update(x[parts_of(len(x), size, step)[rank]])
            estimator.log_step(step=step, epoch=0, stats=stats)


def leaves(rank: int, size: int) -> str:
    """The last process dies; what the others are told."""
    estimator = MixtureStats(K=K, enabled=True, cross_rank=True)
    estimator.update(torch.randn(8, D))
    if rank == size - 1:
        return ""
    try:
        while True:
            estimator.update(torch.randn(8, D))
    except RankError as error:
        return str(error)


def main() -> None:
    rank, size, rendezvous, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", StreamWarning)  # of the rows that are not finite
    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size, timeout=timedelta(seconds=20)
    )
    found = {name: stream(name, rank, size) for name in STREAMS}
    found |= {
        "own_start": own_start(rank, size),
        "few_rows": few_rows(rank, size),
        "refused": refused(rank, size),
    }
    scores(rank, size, folder / "scores")
    distributed.barrier()
    found["leaves"] = leaves(rank, size)
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    main()
