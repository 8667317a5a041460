"""Several processes: they find what one finds on all rows, hold the same bits, and hear of each other's errors."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from stream import rank_worker as worker
from stream.stream_oracles import QUIET

from mixturelab.stream.writers import read_scores

STATISTICS = ("pi", "mu", "Sigma", "B", "valid")
SCRIPT = Path(__file__).with_name("rank_worker.py")
pytestmark = [
    QUIET,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch knows no process groups"),
]


@pytest.fixture(scope="module", params=[2, 3, pytest.param(4, marks=pytest.mark.slow)])
def group(request, tmp_path_factory):
    """What each process of a group found; each runs all scenarios."""
    size, folder = request.param, tmp_path_factory.mktemp(f"group{request.param}")
    command = [sys.executable, "-W", "error", str(SCRIPT)]
    running = [
        subprocess.Popen(
            [*command, str(rank), str(size), str(folder / "rendezvous"), str(folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    errors = [process.communicate(timeout=500)[1] for process in running]
    assert [process.returncode for process in running] == [0] * size, "\n".join(errors)[-3000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)], folder


def single(name):
    """What one process that has all rows finds."""
    estimator = worker.begun(name)
    batches = worker.union_batches(name == "float64")[1:]
    return [
        worker.kept(estimator.update(x, labels)) | {"summary": estimator.summary()} for x, labels in batches
    ]


@pytest.mark.parametrize("name", worker.STREAMS)
def test_several_processes_find_what_one_finds_on_all_rows(group, name):
    found, _ = group
    for step, wanted in enumerate(single(name)):
        got = found[0][name][step]
        scale = float(wanted["summary"]["trace_B"] + wanted["summary"]["trace_W"])
        tolerance = (1e-12 if name == "float64" else 1e-5) * scale
        for key in STATISTICS:
            assert (key in got) == (key in wanted)
            if key in wanted:
                torch.testing.assert_close(got[key], wanted[key], rtol=0, atol=tolerance)
        for key in ("updates", "rows_dropped", "rows_ignored", "collapsed_for", "valid_components"):
            assert got["summary"][key] == wanted["summary"][key], key


@pytest.mark.parametrize("name", [*worker.STREAMS, "own_start", "few_rows"])
def test_all_processes_hold_the_same_bits(group, name):
    found, _ = group
    for results in zip(*(one[name] for one in found), strict=True):
        for left, right in itertools.pairwise(results):
            for key in set(STATISTICS) & set(left):
                assert torch.equal(left[key], right[key]), key


@pytest.mark.parametrize("name", ["labels", "labels_sorted", "label_supervised"])
def test_the_batch_s_own_nc1_is_that_of_a_process_s_own_rows(group, name):
    """Not of its rows about the means of all."""
    found, _ = group
    size, compared = len(found), 0
    for step, (x, labels) in enumerate(worker.union_batches()[1:]):
        for part, results in zip(worker.parts_of(len(x), size, step), found, strict=True):
            wanted = nc1(x[part].double(), labels[part])
            if math.isfinite(wanted):
                assert results[name][step]["summary"]["batch_nc1"] == pytest.approx(wanted, rel=1e-3)
                compared += 1
    assert compared >= size


def nc1(x, labels):
    """tr(Σ_W B⁺)/K, written as it stands; unknown where the classes' means lie in one point."""
    used = x.isfinite().all(1) & (labels >= 0)
    x, labels = x[used], labels[used]
    if len(labels.unique()) < 2:
        return math.nan
    groups = [x[labels == k] for k in range(worker.K)]
    spread = lambda rows, centre: (rows - centre).T @ (rows - centre) / len(x)  # noqa: E731
    within = sum(spread(rows, rows.mean(0)) for rows in groups if len(rows))
    means = torch.cat([rows.mean(0).expand_as(rows) for rows in groups if len(rows)])
    between = spread(means, x.mean(0))
    return float(torch.trace(within @ torch.linalg.pinv(between, rtol=1e-9))) / worker.K


@pytest.mark.parametrize("name", worker.STREAMS)
def test_responsibilities_are_each_process_s_own(group, name):
    found, _ = group
    size = len(found)
    for step, wanted in enumerate(single(name)):
        parts = worker.parts_of(len(wanted["R"]), size, step)
        for one, part in zip(found, parts, strict=True):
            assert torch.equal(one[name][step]["R"], wanted["R"][part])


def test_centroids_are_begun_by_the_group_itself(group):
    found, _ = group
    last = found[0]["own_start"][-2]
    assert last["valid"].all()
    assert last["pi"].min() > 0.1
    assert torch.cdist(last["mu"], last["mu"]).fill_diagonal_(torch.inf).min() > 1


def test_fewer_rows_than_components_make_no_twins(group):
    found, _ = group
    (only,) = found[0]["few_rows"]
    assert only["valid"].sum() == 2
    assert sorted(only["pi"].tolist()) == [0, 0.5, 0.5]


def test_what_one_process_refuses_is_an_error_everywhere_and_changes_nothing(group):
    found, _ = group
    size = len(found)
    for rank, one in enumerate(found):
        said = one["refused"]
        assert said["same"]
        assert "have no row that is finite" in said["no rows"]
        for name, own in {
            "label": "wanted 0 to 2",
            "missing": "labels is None",
            "words": "labels is list",
        }.items():
            elsewhere = f"embeddings or labels of process {size - 1} were refused"
            assert (own if rank == size - 1 else elsewhere) in said[name]
        assert (
            "embeddings has D = 6" in said["features"]
            or f"process {size - 1} were refused" in said["features"]
        )
        assert f"embeddings of process {size - 1} have D = 5 and are float64" in said["kind"]
        assert torch.equal(said["after"]["pi"], found[0]["refused"]["after"]["pi"])


def test_the_main_process_stores_the_scores_of_all_rows_in_the_order_of_the_processes(group):
    _, folder = group
    entries, wanted = read_scores(folder / "scores"), single("kmeans")[:3]
    assert len(entries) == 3
    for entry, step in zip(entries, wanted, strict=True):
        scores = entry["R"] if "R" in entry else entry["responsibilities"]
        assert torch.equal(scores.float(), step["R"])


def test_a_process_that_is_gone_is_said_in_words(group):
    found, _ = group
    for one in found[:-1]:
        assert "a process of the group is gone or did not answer in time" in one["leaves"]
