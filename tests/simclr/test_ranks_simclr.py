"""SimCLR on several processes: the steps of one, one voice and one writer, and an end for all whatever ends one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from simclr import rank_run as worker
from small_runs import N_STEPS, mixture, small_config, small_data

from mixturelab.exceptions import RankError
from mixturelab.simclr.augment import Augmentation, views
from mixturelab.simclr.batch_norm import BatchNorm2d, share_moments
from mixturelab.simclr.checkpoint import read_checkpoint
from mixturelab.simclr.edge import processes
from mixturelab.simclr.folder import RunFolder
from mixturelab.simclr.processes import exchange_errors
from mixturelab.simclr.run import train
from mixturelab.watch.stopping import interrupts_as_wishes

SIZES, TABLES = [2, 3], ("losses.csv", "mixture.csv")
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("rank_run.py")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    "OMP_NUM_THREADS": "1",
}
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch knows no process groups"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked"),
]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They are slow, and not what is asked here."""
    monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """Where the processes of two groups, of two and of three, have left what they found."""
    place = tmp_path_factory.mktemp("groups")
    write_config(place)
    for size in SIZES:
        begin(place / str(size) / "begun")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), str(place), *map(str, SIZES)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    # The last of each was killed.
    wanted = [f"{size} {[0] * (size - 1) + [-signal.SIGKILL]}" for size in SIZES]
    assert done.stdout.splitlines() == wanted, done.stderr[-3000:]
    return place


@pytest.fixture(params=SIZES)
def group(request, groups):
    """What each process of a group found, and their folder."""
    folder = groups / str(request.param)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(request.param)], folder


def write_config(place, **changes):
    """A config whose images are in a file."""
    data = small_data()
    np.savez(place / "bars.npz", images=data.images.numpy(), labels=data.labels.numpy())
    config = small_config(**worker.LABELLED, data=str(place / "bars.npz"), **changes)
    (place / "run.yaml").write_text(config.to_yaml())
    return config


def begin(folder):
    """Three steps of one process: from there on all have the same centroids."""
    train(kmeans(), folder, data=small_data(), on_step=lambda step: "stop" if step.number == 2 else None)


def kmeans():
    return small_config(**mixture(assigner="kmeans_online"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run that one process makes."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixturelab.simclr.result._pictures", lambda result: {})
        worker.run(folder)
    return folder


def table(path):
    return np.genfromtxt(path, delimiter=",", skip_header=1)


def assert_near(found, wanted, relative):
    scale = float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=relative * scale)


# ----------------------------------------------------------------------------------------------------- one step
@pytest.mark.parametrize("name", worker.GRADIENTS)
def test_loss_and_gradients_are_those_of_one_process_on_the_whole_batch(group, name):
    found, _ = group
    # bfloat16 rounds to 0.4 %, at other places where a part is multiplied alone.
    relative = 0.1 if name == "bf16" else 1e-10 if "64" in name else 1e-5
    wanted = worker.gradients(name)
    assert max(float(gradient.abs().max()) for gradient in wanted["weights"].values()) > 0
    for one in found:
        assert_near(one[name]["loss"], wanted["loss"], relative)
        assert_near(one[name]["B"], wanted["B"], relative)
        for key in ("weights", "kept"):
            assert set(one[name][key]) == set(wanted[key])
            for weight, value in wanted[key].items():
                assert_near(one[name][key][weight], value, relative)


def test_all_processes_hold_the_same_bits(group):
    found, _ = group
    for one in found[1:]:
        for name in ("whole", "stop", "SIGTERM"):
            assert torch.equal(one[name]["losses"], found[0][name]["losses"])
            assert torch.equal(one[name]["B"], found[0][name]["B"])
            for key, value in found[0][name]["weights"].items():
                assert torch.equal(one[name]["weights"][key], value), key


def test_views_of_a_part_are_those_of_the_whole_batch():
    images = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = views(images, Augmentation(), torch.Generator().manual_seed(1))
    for part in (slice(0, 2), slice(2, 7)):
        found = views(images[part], Augmentation(), torch.Generator().manual_seed(1), (part.start, 7))
        torch.testing.assert_close(found, whole[part], rtol=0, atol=1e-6)


class Alone:
    """A group of one, whose exchanges change nothing."""

    def gather(self, tensor):
        return tensor[None]

    def sum(self, tensor):
        return tensor


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_normalisation_over_processes_is_torchs_layer(dtype):
    """Forth, back, and in what it keeps; without processes it is the layer itself, to the last bit."""
    generator = torch.Generator().manual_seed(0)
    x, g = (3 + torch.randn(6, 5, 3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    x, g, found = x.to(dtype).requires_grad_(), g.to(dtype), []
    for layer in (torch.nn.BatchNorm2d(5), BatchNorm2d(5), BatchNorm2d(5)):
        layer.to(torch.float64 if dtype == torch.float64 else torch.float32)
        layer.load_state_dict(layer.state_dict() | {"weight": torch.arange(5) - 1.5, "bias": torch.arange(5)})
        share_moments(layer, Alone() if len(found) == 2 else None)
        y = layer(x)
        found.append([y, *torch.autograd.grad(y, [x, layer.weight, layer.bias], g), *layer.buffers()])
    for wanted, same, over in zip(*found, strict=True):
        assert torch.equal(same, wanted)
        torch.testing.assert_close(over, wanted)


def test_other_errors_of_torch_are_left_as_they_are():
    with pytest.raises(RuntimeError, match="inconsistent tensor size") as caught, exchange_errors():
        torch.ones(2) @ torch.ones(3)
    assert not isinstance(caught.value, RankError)
    with pytest.raises(RankError, match=r"another process of the run is gone .* \(\[gloo"), exchange_errors():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:537] Connection reset by peer\nmore")


def test_one_process_under_torchrun_needs_no_group(monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "nowhere", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    with processes(1.0, pytest.fail) as group:
        assert group is None
        assert not torch.distributed.is_initialized()


def test_sigterm_only_asks_and_its_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with interrupts_as_wishes(patience=0, also=[signal.SIGTERM]) as wish:
        assert not wish.made
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert wish.made
        signal.raise_signal(signal.SIGINT)  # the first interrupt only asks, too
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


# --------------------------------------------------------------------------------------------------- whole runs
def test_a_run_ends_as_that_of_one_process(group, alone):
    found, folder = group
    for name in TABLES:
        np.testing.assert_allclose(table(folder / "whole" / name), table(alone / name), rtol=1e-4)
    assert {path.name for path in (folder / "whole").iterdir()} == {path.name for path in alone.iterdir()}
    wanted = read_checkpoint(alone / "checkpoint.pt")["state"]["network"]
    for key, value in wanted.items():
        torch.testing.assert_close(found[0]["whole"]["weights"][key], value, rtol=1e-3, atol=1e-4)


def test_only_the_main_process_writes(group):
    found, _ = group
    assert [one["whole"]["writes"] for one in found] == [True] + [False] * (len(found) - 1)
    assert [one["whole"]["rows"] for one in found] == [N_STEPS] + [0] * (len(found) - 1)


def test_a_collapse_is_told_in_every_process_and_at_the_step_at_which_one_tells_it(group, tmp_path):
    found, folder = group
    assert all("complete_collapse" in one["collapse"]["alarms"] for one in found)
    worker.run(tmp_path / "alone", changes=worker.COLLAPSING)
    told = [
        ["complete_collapse" in row["alarms"] for row in RunFolder(place).rows()]
        for place in (folder / "collapse", tmp_path / "alone")
    ]
    assert told[0] == told[1]
    assert told[0].index(True) == 29  # the first that may have one


def test_a_run_begun_by_one_process_is_gone_on_with_by_several(group, tmp_path):
    """From equal centroids k-means, too, finds what one process finds."""
    found, folder = group
    train(kmeans(), tmp_path / "run", data=small_data())
    assert [one["resumed"] for one in found] == [N_STEPS] * len(found)
    for name in TABLES:
        np.testing.assert_allclose(table(folder / "begun" / name), table(tmp_path / "run" / name), rtol=1e-4)


@pytest.mark.parametrize(("name", "steps"), [("stop", 4), ("term", 6), ("callback", 3), ("killed", 4)])
def test_what_several_left_is_gone_on_with_by_one(group, alone, tmp_path, name, steps):
    _, folder = group
    left = shutil.copytree(folder / name, tmp_path / "left")
    assert read_checkpoint(left / "checkpoint.pt")["state"]["step"] == steps
    assert worker.run(left, resume=True)["step"] == N_STEPS
    for file in TABLES:
        np.testing.assert_allclose(table(left / file), table(alone / file), rtol=1e-4)


# ----------------------------------------------------------------------------------------------- what ends a run
def test_one_that_is_told_to_stop_stops_all_after_the_same_step(group):
    found, _ = group
    for one in found:
        assert (one["stop"]["status"], one["stop"]["step"]) == ("stopped", 4)
        assert (one["SIGTERM"]["status"], one["SIGTERM"]["step"]) == ("interrupted", 6)


def test_a_callback_that_fails_ends_all_after_the_same_step(group):
    found, _ = group
    assert found[-1]["callback"]["error"] == "KeyError: 'the picture broke'"
    for one in found[:-1]:
        assert (
            "on_step raised an error in another process; the run has ended after 3"
            in one["callback"]["error"]
        )


def test_a_process_that_is_killed_ends_the_others_soon_and_in_words(group):
    found, folder = group
    killed_at = (folder / "killed" / "losses.csv").stat().st_mtime
    for one in found[:-1]:
        assert "RankError: " in one["killed"]["error"]
        assert "process" in one["killed"]["error"]
        assert "is gone or did not answer in time" in one["killed"]["error"]
        assert one["ended"] < killed_at + 30


# --------------------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other data", "data: 'bars' are not the images that the main process has"),
        (
            "bad data",
            "DataError: process {last}: runtime.mixture.assigner is label_supervised; the data 'bars' have no",
        ),
        ("other settings", "ArgumentError: process {last}: epochs is 3; the main process has 2"),
        ("taken", "ArgumentError: {folder} already holds a run"),
    ],
)
def test_what_one_cannot_use_is_an_error_in_all(group, name, said):
    found, folder = group
    for one in found:
        wanted = said.format(last=len(found) - 1, folder=folder / "whole")
        assert wanted in one[name]["error"]
    assert not (folder / "refused").exists()


def test_a_process_without_an_image_is_refused_and_so_is_one_gpu_for_several(group):
    found, _ = group
    two = "device is 'cuda:0'; with 2 processes wanted cuda (each takes the GPU of its number) or cpu"
    three = "batch_size is 2; there are 3 processes: wanted an image for each"
    for one in found:
        assert one["too small"]["error"] == "ArgumentError: " + (two if len(found) == 2 else three)


def test_a_bad_config_is_one_line(group):
    found, folder = group
    assert [one["bad config"]["code"] for one in found] == [2] * len(found)
    said = [one["bad config"]["errors"] for one in found]
    assert said[0].startswith(f"mixturelab: {folder / 'nope.yaml'} cannot be read")
    assert said[0].count("\n") == 1
    assert said[1:] == [""] * (len(found) - 1)


def test_the_command_ends_in_one_report(group, alone):
    found, folder = group
    assert [one["command"]["code"] for one in found] == [0] * len(found)
    said = " ".join(found[0]["command"]["said"].split())
    assert f"finished after {N_STEPS} of {N_STEPS} steps" in said
    assert "k-means ARI" in said
    assert "alarms none" in said
    assert [one["command"]["said"] for one in found[1:]] == [""] * (len(found) - 1)
    assert [one["command"]["errors"] for one in found] == [""] * len(found)
    np.testing.assert_allclose(
        table(folder / "command" / "losses.csv"), table(alone / "losses.csv"), rtol=1e-4
    )


# -------------------------------------------------------------------------------------------------- with torchrun
@pytest.mark.slow
def test_ctrl_c_on_torchrun_leaves_a_run_that_goes_on(tmp_path):
    """Two processes stop after the same step, with one report; one goes on, and ends as one process by itself does."""
    config, out = write_config(tmp_path, epochs=40, checkpoint_every=1000), tmp_path / "run"
    program = torchrun(2, "--config", tmp_path / "run.yaml", "--out", out)
    wait_for_rows(out / "losses.csv", 20)
    program.send_signal(signal.SIGINT)
    said, lines = program.communicate(timeout=120)
    assert said.count("interrupted after") == 1
    assert f"torchrun --nproc-per-node 2 -m mixturelab simclr --resume --out {out}" in lines
    stopped_at = read_checkpoint(out / "checkpoint.pt")["state"]["step"]
    assert 20 <= stopped_at < 200
    assert [len(table(out / name)) for name in TABLES] == [stopped_at] * 2
    resumed = train(config, out, resume=True)
    assert (resumed.status, resumed.resumed_at) == ("finished", stopped_at)
    train(config, tmp_path / "alone")
    for name in TABLES:
        found, wanted = table(out / name), table(tmp_path / "alone" / name)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found[:30], wanted[:30], rtol=1e-3)


def torchrun(size, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    return subprocess.Popen(
        [*command, "-m", "mixturelab", "simclr", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def wait_for_rows(path, count):
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_text().count("\n") <= count:
        assert time.monotonic() < deadline, f"{path} never had {count} rows"
        time.sleep(0.01)
