"""The training loop: it makes the steps the formulas ask for, the same ones each time, watched or not."""

import math

import numpy as np
import pytest
import torch
from small_runs import N_CLASSES, N_IMAGES, PER_EPOCH, mixture, small_config, small_data
from torch.nn import functional

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.simclr.batches import Batches
from mixturelab.simclr.data import ImageSet, image_set
from mixturelab.simclr.losses import Losses
from mixturelab.simclr.run import train
from mixturelab.simclr.trainer import Trainer
from mixturelab.stream import MixtureStats

DATA = small_data()
N_STEPS = 2 * PER_EPOCH


def weights(owner) -> dict[str, torch.Tensor]:
    return owner.network.state_dict()


def assert_same_weights(one, other):
    for name, tensor in weights(one).items():
        torch.testing.assert_close(tensor, weights(other)[name], rtol=0, atol=0, msg=name)


# ----------------------------------------------------------------------------------------------------- the loop
def test_a_run_makes_every_step_once():
    seen = []
    result = train(small_config(), data=DATA, on_step=lambda step: seen.append((step.number, step.epoch)))
    assert seen == [(step, step // PER_EPOCH) for step in range(N_STEPS)]
    assert (result.status, result.step, len(result.losses)) == ("finished", N_STEPS, N_STEPS)
    assert [row["step"] for row in result.history] == list(range(N_STEPS))
    assert result.folder is None
    assert result.missing == {}


def test_equal_settings_give_equal_runs_and_other_seeds_others():
    first, second = (train(small_config(), data=DATA) for _ in range(2))
    assert_same_weights(first, second)
    np.testing.assert_array_equal(first.losses, second.losses)
    assert not np.array_equal(first.losses, train(small_config(seed=1), data=DATA).losses)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_training_is_bitwise_the_same_with_the_mixture_on_and_off(precision):
    runs = [
        train(small_config(precision=precision, **mixture(enabled=enabled)), data=DATA)
        for enabled in (True, False)
    ]
    assert_same_weights(*runs)
    np.testing.assert_array_equal(runs[0].losses, runs[1].losses)
    assert len(runs[0].history) == N_STEPS
    assert runs[1].history == []


def test_one_step_is_what_the_formulas_say():
    """The loss by loops over rows, and AdamW's first step: each weight moves by the learning rate, and decays."""
    trainer = Trainer(small_config(**mixture(enabled=False)), DATA)
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    shown = []
    trainer.network.register_forward_hook(lambda _, images, out: shown.append(out[1].detach().clone()))
    step = trainer.advance()
    assert step.loss == pytest.approx(slow_nt_xent(shown[0], trainer.config.temperature), rel=1e-5)
    rate, decay = trainer.config.learning_rate, trainer.config.weight_decay
    for name, p in trainer.network.named_parameters():
        moved = (p.detach() - before[name] * (1 - rate * decay)).abs()
        # A gradient as small as Adam's epsilon moves its weight by less.
        assert torch.all(moved <= rate * (1 + 1e-3)), name
    largest = max(
        float((p.detach() - before[name]).abs().max()) for name, p in trainer.network.named_parameters()
    )
    assert largest == pytest.approx(rate, rel=0.05)


def slow_nt_xent(z: torch.Tensor, temperature: float) -> float:
    rows = functional.normalize(z.double(), dim=1)
    n = len(rows) // 2
    total = 0.0
    for i in range(2 * n):
        terms = [math.exp(float(rows[i] @ rows[k]) / temperature) for k in range(2 * n) if k != i]
        total -= math.log(math.exp(float(rows[i] @ rows[(i + n) % (2 * n)]) / temperature) / sum(terms))
    return total / (2 * n)


def test_both_views_are_of_the_same_images_and_differ():
    trainer = Trainer(small_config(), DATA)
    passed = []
    trainer.network.register_forward_pre_hook(lambda _, images: passed.append(images[0]))
    rows = next(Trainer(small_config(), DATA).batches)
    trainer.advance()
    first, second = passed[0].chunk(2)
    assert first.shape == (8, 1, 8, 8)
    assert not torch.equal(first, second)
    for view in (first, second):
        nearest = torch.cdist(view.flatten(1), DATA.images[rows].flatten(1)).argmin(1)
        assert (DATA.labels[rows][nearest] == DATA.labels[rows]).float().mean() > 0.5


def test_without_augmentation_the_views_are_the_images():
    off = dict.fromkeys(("rotation", "scale", "shift", "shear", "warp", "contrast", "brightness", "noise"), 0)
    trainer = Trainer(small_config(augmentation=off), DATA)
    passed = []
    trainer.network.register_forward_pre_hook(lambda _, images: passed.append(images[0]))
    rows = next(Trainer(small_config(), DATA).batches)
    trainer.advance()
    torch.testing.assert_close(passed[0], DATA.images[rows].repeat(2, 1, 1, 1), rtol=0, atol=0)


def test_negatives_go_at_the_step_that_was_said():
    """Minus the mean cosine lies in [-1, 1]; NT-Xent of eight pairs begins near log 15."""
    result = train(small_config(negatives_until=3), data=DATA)
    assert (result.losses[:3] > 1).all()
    assert (np.abs(result.losses[3:]) <= 1).all()
    plain = train(small_config(), data=DATA)
    np.testing.assert_array_equal(result.losses[:3], plain.losses[:3])


def test_the_learning_rate_falls_along_half_a_cosine():
    trainer = Trainer(small_config(), DATA)
    rates = [step.learning_rate for step in trainer]
    expected = [2e-3 * (1 + math.cos(math.pi * t / N_STEPS)) / 2 for t in range(N_STEPS)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)


def test_a_trainer_can_be_left_and_taken_up_again():
    trainer = Trainer(small_config(), DATA)
    for step in trainer:
        if step.number == 3:
            break
    assert (trainer.step, len(trainer)) == (4, N_STEPS - 4)
    assert [step.number for step in trainer] == list(range(4, N_STEPS))
    assert len(trainer) == 0
    assert_same_weights(trainer, train(small_config(), data=DATA))


# ------------------------------------------------------------------------------------------- what it leaves alone
def test_the_global_generator_and_the_threads_are_put_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    before = torch.get_num_threads()
    inside = []

    def look(step):
        inside.append(torch.get_num_threads())
        return "stop"  # on a busy machine two threads wait for each other

    train(small_config(threads=2), data=DATA, on_step=look)
    assert torch.equal(torch.rand(3), expected)
    assert inside == [2]
    assert torch.get_num_threads() == before


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(small_config(**mixture(store_scores=True)), data=DATA)
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------------- the callback
def test_the_callback_can_stop_the_run():
    result = train(small_config(), data=DATA, on_step=lambda step: "stop" if step.number == 2 else None)
    assert (result.status, result.step) == ("stopped", 3)


def test_stopping_at_the_last_step_is_finishing():
    result = train(small_config(), data=DATA, on_step=lambda step: "stop" if step.number == 9 else None)
    assert result.status == "finished"


def test_what_the_callback_raises_comes_out():
    def fails(step):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        train(small_config(), data=DATA, on_step=fails)


def test_a_step_knows_its_numbers():
    steps = []
    result = train(small_config(**mixture(log_every=2)), data=DATA, on_step=steps.append)
    np.testing.assert_array_equal([step.loss for step in steps], result.losses)
    assert steps[-1].row is None  # the rows have gone on since: only that of the last step is at hand
    assert steps[0].trainer.network is result.network


def test_a_step_has_the_mixtures_row_while_it_is_the_last():
    rows = []
    train(small_config(**mixture(log_every=2)), data=DATA, on_step=lambda step: rows.append(step.row))
    assert [None if row is None else row["step"] for row in rows] == [
        0,
        None,
        2,
        None,
        4,
        None,
        6,
        None,
        8,
        None,
    ]


def test_every_row_goes_to_on_row_too():
    rows = []
    result = train(small_config(), data=DATA, on_row=rows.append)
    assert [row["step"] for row in rows] == [row["step"] for row in result.history] == list(range(N_STEPS))
    assert {"trace_B", "opnorm_B", "effective_rank", "batch_spread", "alarms"} <= set(rows[0])


def test_the_progress_bar_names_the_loss_and_the_mixture(capsys):
    result = train(small_config(**mixture(diagnostics_every=1)), data=DATA, progress=True)
    last = capsys.readouterr().err.rsplit("\r", 1)[-1]
    row = result.history[-1]
    ratio = row["opnorm_B"] / row["trace_B"]
    assert f"{N_STEPS}/{N_STEPS}" in last
    assert f"loss={result.losses[-1]:.3f}, trace_B={row['trace_B']:.3f}, op/tr={ratio:.2f}" in last
    assert f"rank={row['effective_rank']:.1f}" in last
    train(small_config(**mixture(enabled=False)), data=DATA, progress=True)
    assert f"loss={result.losses[-1]:.3f}]" in capsys.readouterr().err
    train(small_config(), data=DATA)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------------------------------------------- the result
def test_the_result_has_what_one_asks_next():
    result = train(small_config(), data=DATA)
    z = result.embeddings()
    assert z.shape == (N_IMAGES, 8)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(N_IMAGES))
    assert isinstance(result.estimator, MixtureStats)
    assert result.estimator.summary()["updates"] == N_STEPS
    assert result.losses.dtype == np.float64
    assert result.config == small_config()
    assert "finished" in repr(result)


# ------------------------------------------------------------------------------------------------------- labels
def test_labels_reach_the_mixture_where_they_assign():
    """π is the classes' share of the last batch."""
    result = train(small_config(**mixture(mode="label_supervised")), data=DATA)
    batches = Trainer(small_config(), DATA).batches
    *_, last = (next(batches) for _ in range(N_STEPS))
    counts = torch.bincount(DATA.labels[last], minlength=N_CLASSES)
    torch.testing.assert_close(result.estimator.compute().pi, counts / 8)


def test_kmeans_needs_no_labels_and_may_have_fewer_components_than_classes():
    train(small_config(**mixture(K=2)), data=DATA)
    train(small_config(), data=small_data(labels=False))


def test_labels_to_ignore_are_no_mistake():
    labels = DATA.labels.clone()
    labels[::7] = -1
    data = ImageSet(DATA.images, labels, "bars")
    result = train(small_config(**mixture(mode="label_supervised")), data=data)
    assert result.estimator.summary()["rows_ignored"] > 0


# -------------------------------------------------------------------------------------------------- before it runs
@pytest.mark.parametrize(
    ("changes", "data", "kind", "said"),
    [
        (
            {"batch_size": 41},
            DATA,
            ArgumentError,
            "batch_size is 41; the data 'bars' have 40 images: wanted 2 to 40",
        ),
        (
            mixture(mode="label_supervised"),
            small_data(labels=False),
            DataError,
            "runtime.mixture.mode is label_supervised; the data 'bars' have no labels",
        ),
        (
            mixture(assigner="label_supervised"),
            small_data(labels=False),
            DataError,
            "runtime.mixture.assigner is label_supervised; the data 'bars' have no labels",
        ),
        (
            mixture(mode="label_supervised", K=3),
            DATA,
            ArgumentError,
            "runtime.mixture.K is 3; the data 'bars' have labels up to 3: wanted K ≥ 4",
        ),
        (
            mixture(mode="label_supervised", ignore_index=99),
            ImageSet(DATA.images, DATA.labels - 1, "bars"),
            DataError,
            "the data 'bars' have the label -1; wanted labels from 0",
        ),
    ],
)
def test_what_does_not_go_together_is_said_before_any_step(tmp_path, changes, data, kind, said):
    def never(step):
        pytest.fail("a step was made")

    folder = tmp_path / "run"
    with pytest.raises(kind) as caught:
        train(small_config(**changes), folder, data=data, on_step=never)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(
        ArgumentError, match=f"device is '{device}'; torch sees no CUDA device here: wanted cpu"
    ):
        train(small_config(device=device), data=DATA)


def test_a_device_beyond_the_last_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        ArgumentError, match="device is 'cuda:2'; torch sees 2 here: wanted cpu, cuda:0, cuda:1"
    ):
        train(small_config(device="cuda:2"), data=DATA)


# ------------------------------------------------------------------------------------------------------ its parts
def test_batches_shuffle_all_rows_and_leave_the_rest_out():
    batches = Batches(11, 3, torch.Generator().manual_seed(0), torch.device("cpu"))
    epochs = [torch.cat([next(batches) for _ in range(3)]) for _ in range(50)]
    assert all(len(set(epoch.tolist())) == 9 for epoch in epochs)
    assert set(torch.cat(epochs).tolist()) == set(range(11))
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 50


@pytest.mark.parametrize("taken", range(8))
def test_batches_go_on_from_any_place(taken):
    def fresh(seed):
        return Batches(11, 3, torch.Generator().manual_seed(seed), torch.device("cpu"))

    batches, other = fresh(0), fresh(1)
    for _ in range(taken):
        next(batches)
    other.load_state_dict(batches.state_dict())
    for _ in range(7):
        assert torch.equal(next(batches), next(other))


def test_losses_are_a_sequence_whenever_they_are_read():
    losses = Losses([0.5])
    for i in range(250):
        losses.append(torch.tensor(float(i), requires_grad=True))
        if i in (3, 99, 180):
            assert losses[-1] == i
    assert len(losses) == 251
    assert losses[:3] == [0.5, 0.0, 1.0]
    np.testing.assert_array_equal(np.asarray(losses), [0.5, *range(250)])


def test_colour_images_and_larger_ones_train():
    rng = np.random.default_rng(0)
    data = image_set(rng.random((16, 3, 20, 16)), name="colour")
    assert train(small_config(), data=data).step == 4


# ------------------------------------------------------------------------------------------------------ on a GPU
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_same_code_runs_on_a_gpu_and_never_waits_for_a_step(precision):
    trainer = Trainer(small_config(device="cuda", precision=precision, **mixture(log_every=100)), DATA)
    trainer.advance()  # the first step may wait: memory is asked for, centroids are chosen
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            trainer.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(map(math.isfinite, trainer.losses))
