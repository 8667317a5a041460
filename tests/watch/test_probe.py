"""The probe leaves no trace: a run that is watched is, to the last bit, the run that is not."""

import random

import numpy as np
import pytest
import torch
from small_runs import N_IMAGES, N_STEPS, small_config, small_data
from torch import nn

from mixturelab.exceptions import StreamWarning
from mixturelab.simclr import Trainer, train
from mixturelab.simclr.evaluate import embed
from mixturelab.watch.probe import MOST_IMAGES, Probe, embeddings_of
from mixturelab.watch.view import VIEW, read_view
from mixturelab.watch.writer import Camera, ViewWriter

pytestmark = pytest.mark.usefixtures("no_pictures")
TABLES = ("losses.csv", "mixture.csv", "mixture_diagnostics.csv")


@pytest.fixture
def no_pictures(monkeypatch):
    """What a run works out at its end is another test's."""
    monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})
    monkeypatch.setattr("mixturelab.simclr.result._metrics", lambda result: {})


def everything(trainer):
    """All tensors and numbers of a state, by their place in it."""

    def leaves(value, place):
        if isinstance(value, dict):
            for name, part in value.items():
                yield from leaves(part, f"{place}.{name}")
        elif isinstance(value, list | tuple):
            for number, part in enumerate(value):
                yield from leaves(part, f"{place}[{number}]")
        else:
            yield place, value

    return dict(leaves(trainer.state_dict(), "state"))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for place, value in one.items():
        is_equal = (
            torch.equal(value, other[place]) if isinstance(value, torch.Tensor) else value == other[place]
        )
        assert is_equal, place


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_training_is_bitwise_the_same_with_a_view_after_every_step(precision, tmp_path):
    config = small_config(precision=precision)
    results = []
    for name in ("alone", "watched"):
        writer = ViewWriter(tmp_path / name, every=0.0, clock=lambda: 0.0)
        results.append(
            train(config, tmp_path / name, data=small_data(), on_step=writer if name == "watched" else None)
        )
    assert_same(*(everything(result.trainer) for result in results))
    for table in TABLES:
        assert (tmp_path / "alone" / table).read_bytes() == (tmp_path / "watched" / table).read_bytes()
    assert read_view(tmp_path / "watched").step == N_STEPS - 1


def test_modes_normalisations_random_states_and_gradients_are_left_as_they_were():
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(4)
    )
    images = torch.rand(20, 1, 8, 8)
    network(images)
    network[1].eval()  # somebody froze it
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    one, other = (embeddings_of(network, images) for _ in range(2))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not one.requires_grad
    assert [module.training for module in network.modules()] == modes
    assert_same(before, network.state_dict())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert torch.is_grad_enabled()


def test_a_network_that_draws_even_in_eval_mode_leaves_the_random_state():
    class Noisy(nn.Module):
        def forward(self, images):
            return images.flatten(1) + torch.randn(len(images), 1)

    images = torch.rand(3, 1, 2, 2)
    state = torch.get_rng_state()
    embeddings_of(Noisy(), images)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_fails_is_left_in_its_modes():
    class Failing(nn.Module):
        def forward(self, images):
            raise ValueError("no")

    network = Failing().train()
    with pytest.raises(ValueError, match="no"):
        embeddings_of(network, torch.rand(3, 1, 2, 2))
    assert network.training


def test_embeddings_are_those_of_the_evaluation():
    trainer = Trainer(small_config(), small_data())
    trainer.advance()
    h, z = embed(trainer.network, trainer.data.images)
    torch.testing.assert_close(embeddings_of(trainer.network, trainer.images), z)
    torch.testing.assert_close(embeddings_of(trainer.network.encoder, trainer.images), h)


def test_the_probe_is_the_same_images_as_they_are():
    trainer = Trainer(small_config(), small_data())
    trainer.advance()
    view = Probe.of(trainer).view(0)
    z = nn.functional.normalize(embed(trainer.network, trainer.data.images)[1], dim=1).double()
    mixture = trainer.estimator.compute()
    centre = (mixture.pi @ mixture.mu).double()
    np.testing.assert_allclose(view.points, (z - centre).numpy() @ view.axes, atol=1e-6)
    assert view.responsibilities.shape == (N_IMAGES, 4)
    assert N_IMAGES <= MOST_IMAGES


def test_of_many_images_some_are_taken_evenly():
    trainer = Trainer(small_config(), small_data())
    trainer.images = trainer.images.repeat(30, 1, 1, 1)  # 1,200
    assert len(Probe.of(trainer).view(0).points) == 400


def test_without_a_mixture_there_is_a_view_all_the_same():
    trainer = Trainer(small_config(runtime={"mixture": {"enabled": False}}), small_data())
    trainer.advance()
    assert Probe.of(trainer).view(0).responsibilities.shape == (N_IMAGES, 0)


def test_weights_that_are_no_numbers_give_no_view():
    trainer = Trainer(small_config(), small_data())
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(torch.nan)
    assert Probe.of(trainer).view(0) is None


# --------------------------------------------------------------------------------- when it is taken and written
class Clock:
    def __init__(self, per_look=0.0):
        self.now, self.per_look = 100.0, per_look

    def __call__(self):
        self.now += self.per_look
        return self.now


def test_a_view_is_taken_at_once_and_then_every_two_seconds():
    trainer, clock, taken = Trainer(small_config(), small_data()), Clock(), []
    camera = Camera(trainer, clock=clock)
    for _ in range(10):
        trainer.advance()
        clock.now += 0.5
        if (view := camera.look()) is not None:
            taken.append((view.step, view.steps_per_second))
    assert taken == [(0, 2.0), (4, 2.0), (8, 2.0)]


def test_views_that_take_long_are_taken_seldom():
    trainer = Trainer(small_config(), small_data())
    clock = Clock(per_look=1.0)  # one look before and one after
    camera = Camera(trainer, clock=clock)
    assert camera.look() is not None
    began = clock.now
    while camera.look() is None:
        pass
    assert clock.now - began >= 49


def test_a_run_s_end_is_written_with_what_became_of_it(tmp_path):
    for until, status in [(4, "interrupted"), (N_STEPS, "finished")]:
        folder = tmp_path / status
        writer = ViewWriter(folder)

        def follow(step, writer=writer, until=until):
            writer(step)
            return "stop" if step.trainer.step == until else None

        with writer:
            train(small_config(), folder, data=small_data(), on_step=follow)
        view = read_view(folder)
        assert (view.step, view.n_steps, view.status) == (until - 1, N_STEPS, status)
        assert not list(folder.glob("*.part"))


def test_a_run_that_fails_is_interrupted(tmp_path):
    with pytest.raises(ZeroDivisionError), ViewWriter(tmp_path) as writer:  # noqa: PT012
        for step in Trainer(small_config(), small_data()):
            writer(step)
            raise ZeroDivisionError
    assert read_view(tmp_path).status == "interrupted"


def test_a_run_whose_weights_are_lost_keeps_its_last_view(tmp_path):
    with ViewWriter(tmp_path) as writer:
        for step in Trainer(small_config(), small_data()):
            writer(step)
            if step.number == 2:
                with torch.no_grad():
                    next(step.trainer.network.parameters()).fill_(torch.nan)
                break
    view = read_view(tmp_path)
    assert (view.step, view.status) == (2, "interrupted")
    assert np.isfinite(view.points).all()


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path):
    writer = ViewWriter(tmp_path / "nowhere", every=0.0, clock=lambda: 0.0)
    trainer = Trainer(small_config(), small_data())
    with pytest.warns(StreamWarning, match="cannot be written") as said:
        trainer_steps = [writer(step) for step in trainer]
    assert len(trainer_steps) == N_STEPS
    assert len(said) == 1


def test_what_a_killed_writer_left_is_removed(tmp_path):
    left = tmp_path / f".{VIEW}.0123abcd.part"
    left.write_bytes(b"half")
    writer = ViewWriter(tmp_path)
    writer(next(iter(Trainer(small_config(), small_data()))))
    assert {path.name for path in tmp_path.iterdir()} == {VIEW}


def test_a_writer_that_is_not_called_writes_nothing(tmp_path):
    with ViewWriter(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
