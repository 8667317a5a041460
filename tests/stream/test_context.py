"""How embeddings reach the estimator, and that training does not notice: not a bit, not a file, not a random number."""

import asyncio
import contextvars
import os
import threading

import numpy as np
import pytest
import torch
from stream.stream_oracles import DEVICES, autocast_or_not, estimator_of, same_bits, saved
from torch import nn

from mixturelab import MixtureStats, active_mixture
from mixturelab.stream import feed, mixture_hook


def rows(seed=0, n=20, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def fail_within(estimator, **options):
    """A step that breaks off."""
    with active_mixture(estimator, **options):
        feed(rows())
        raise ZeroDivisionError


def updates(estimator):
    return estimator.summary().get("updates", 0)


# ------------------------------------------------------------------------------------------- context


def test_within_the_context_embeddings_reach_the_estimator_and_outside_nothing():
    estimator = estimator_of(K=3)
    feed(rows())
    with active_mixture(estimator) as active:
        assert active is estimator
        feed(rows())
        feed(rows(1))
    feed(rows())
    assert updates(estimator) == 2
    twin = estimator_of(K=3)
    twin.update(rows())
    assert same_bits(twin.update(rows(1)), estimator.compute())


def test_what_is_fed_is_what_update_gets_labels_too():
    a, b = (estimator_of(K=3, assigner="label_supervised") for _ in range(2))
    labels = torch.arange(20) % 3
    with active_mixture(a):
        assert feed(rows(), labels) is None
        feed(rows(1), labels=labels)
    b.update(rows(), labels)
    assert same_bits(a.compute(), b.update(rows(1), labels))


def test_contexts_nest_the_innermost_counts_and_none_switches_off():
    outer, inner = estimator_of(K=3), estimator_of(K=3)
    with active_mixture(outer):
        feed(rows())
        with active_mixture(inner):
            feed(rows())
            with active_mixture(None):
                feed(rows())
            with active_mixture(outer):
                feed(rows())
            feed(rows())
        feed(rows())
    assert (updates(outer), updates(inner)) == (3, 2)


def test_an_exception_ends_the_context_as_well_and_passes_through():
    outer, inner = estimator_of(K=3), estimator_of(K=3)
    with active_mixture(outer):
        with pytest.raises(ZeroDivisionError):
            fail_within(inner)
        feed(rows())
    feed(rows())
    assert (updates(outer), updates(inner)) == (1, 1)


def test_a_new_thread_starts_without_one_and_has_its_own():
    outer, own = estimator_of(K=3), estimator_of(K=3)
    seen = []

    def work():
        feed(rows())
        seen.append(updates(outer))
        with active_mixture(own):
            feed(rows())
            feed(rows())

    with active_mixture(outer):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        feed(rows())
    assert seen == [0]
    assert (updates(outer), updates(own)) == (1, 2)


def test_a_copied_context_takes_it_along():
    estimator = estimator_of(K=3)
    with active_mixture(estimator):
        context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(feed, rows()))
    thread.start()
    thread.join()
    assert updates(estimator) == 1


def test_tasks_that_take_turns_keep_theirs():
    estimators = [estimator_of(K=3) for _ in range(2)]

    async def train(estimator, steps):
        with active_mixture(estimator):
            for _ in range(steps):
                feed(rows())
                await asyncio.sleep(0)

    async def both():
        await asyncio.gather(train(estimators[0], 2), train(estimators[1], 5))

    asyncio.run(both())
    assert [updates(e) for e in estimators] == [2, 5]


def test_a_step_in_the_context_is_logged_at_its_end_unless_it_failed():
    logged = []
    estimator = estimator_of(K=3, on_row=logged.append)
    with active_mixture(estimator, step=3, epoch=1):
        feed(rows())
        assert logged == []
    assert [(row["step"], row["epoch"]) for row in logged] == [(3, 1)]
    with pytest.raises(ZeroDivisionError):
        fail_within(estimator, step=4)
    with active_mixture(None, step=5):
        feed(rows())
    with active_mixture(estimator_of(K=3, enabled=False, on_row=logged.append), step=6):
        feed(rows())
    assert len(logged) == 1


def test_a_bad_batch_raises_nothing_into_the_loss():
    estimator = estimator_of(K=3)
    with active_mixture(estimator):
        feed(rows())
        with pytest.warns(UserWarning, match="finite"):
            feed(torch.full((4, 3), torch.nan))
        feed(torch.empty(0, 3))
    assert updates(estimator) == 1


# ---------------------------------------------------------------------------------------------- hook


def test_a_hook_feeds_what_a_module_puts_out_while_it_trains():
    estimator, net = estimator_of(K=3), nn.Linear(4, 3)
    handle = mixture_hook(net, estimator)
    out = net(rows(0, d=4))
    assert same_bits(estimator.compute(), estimator_of(K=3).update(out))
    net.eval()
    net(rows(1, d=4))
    assert updates(estimator) == 1
    net.train()
    net(rows(1, d=4))
    assert updates(estimator) == 2
    handle.remove()
    net(rows(1, d=4))
    assert updates(estimator) == 2


def test_a_hook_without_an_estimator_feeds_the_active_one():
    estimator, net = estimator_of(K=3), nn.Linear(4, 3)
    with mixture_hook(net):
        net(rows(d=4))
        with active_mixture(estimator):
            net(rows(d=4))
        net(rows(d=4))
    net(rows(d=4))
    assert updates(estimator) == 1


def test_a_hook_may_choose_the_output_and_bring_labels():
    class Two(nn.Module):
        def forward(self, x):
            return {"h": x, "z": 2 * x}

    estimator, net = estimator_of(K=3, assigner="label_supervised"), Two()
    labels = torch.arange(20) % 3
    with mixture_hook(net, estimator, output=lambda out: out["z"], labels=lambda: labels):
        net(rows())
    twin = estimator_of(K=3, assigner="label_supervised")
    assert same_bits(estimator.compute(), twin.update(2 * rows(), labels))


def test_a_hook_of_a_disabled_estimator_asks_for_nothing():
    def never(*_):
        raise AssertionError("asked")

    net = nn.Linear(4, 3)
    with mixture_hook(net, MixtureStats(), output=never, labels=never):
        assert net(rows(d=4)).shape == (20, 3)


# ----------------------------------------------------------------------------- training does not notice


def make_net(device):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 8)).to(device)


def contrast(z, labels):
    """A small contrastive loss that feeds as real ones do."""
    z = nn.functional.normalize(z, dim=1)
    feed(z, labels)
    logits = (z @ z.mT / 0.2).masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
    return nn.functional.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z) // 2))


def train(estimator, device="cpu", autocast=None, steps=60):
    """Losses, parameters, gradients and the state of the global generators afterwards.

    Not of Python's own: the run-time type checker of these tests draws from it.
    """
    np.random.seed(0)
    net = make_net(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    data = torch.randn(64, 6, generator=torch.Generator().manual_seed(1)).to(device)
    labels = (torch.arange(24) % 4).to(device)
    losses = []
    with active_mixture(estimator):
        for step in range(steps):
            views = data[torch.randperm(64)[:12]].repeat(2, 1)
            with autocast_or_not(autocast, device):
                loss = contrast(net(views + 0.1 * torch.randn(24, 6).to(device)), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach().clone())
            if estimator is not None:
                estimator.log_step(step=step, epoch=0, stats=estimator.compute())
                estimator.alarms()
    tensors = [*losses, *net.parameters(), *(p.grad for p in net.parameters()), torch.get_rng_state()]
    return tensors, np.random.get_state()[1].tobytes()


OPTIONS = (
    {},
    {"mode": "per_batch", "group_rows": False},
    {"assigner": "label_supervised"},
    {"mode": "label_supervised", "validate_labels": False, "group_rows": False},
    {"covariance": "none"},
)


@DEVICES
@pytest.mark.parametrize(
    ("options", "autocast"), [*((o, None) for o in OPTIONS), (OPTIONS[0], torch.bfloat16)], ids=str
)
def test_training_is_the_same_to_the_last_bit_with_the_estimator_on_and_off(
    device, options, autocast, tmp_path
):
    plain, state = train(None, device, autocast)
    with estimator_of(K=4, log_dir=tmp_path, store_scores=True, **options) as estimator:
        watched, same_state = train(estimator, device, autocast)
        assert updates(estimator) == 60
    off, _ = train(MixtureStats(**options), device, autocast)
    assert all(map(torch.equal, plain, watched))
    assert all(map(torch.equal, plain, off))
    assert state == same_state
    assert (tmp_path / "mixture.csv").stat().st_size > 1000


@DEVICES
def test_no_random_number_is_drawn_from_the_global_generators(device):
    """Also not where centroids begin, and where dead ones are moved."""
    estimator = estimator_of(K=4, ema_decay=0.9)

    def states():
        parts = [torch.get_rng_state()]
        return parts + ([torch.cuda.get_rng_state()] if device == "cuda" else [])

    torch.manual_seed(3)
    before = states()
    for t in range(110):
        x = 5 * torch.eye(4)[torch.arange(24) % (4 if t < 3 else 3)] + 0.1 * rows(t, 24, 4)
        x[0] *= 20
        estimator.update(x.to(device))
        estimator.log_step(step=t)
    assert estimator.summary()["reseeded"] >= 0
    assert all(map(torch.equal, before, states()))


def test_global_torch_settings_do_not_leak_in_or_out():
    """The default dtype and the gradient mode are the user's own."""
    plain = estimator_of(K=3)
    x = rows()
    wanted = plain.update(x)
    torch.set_default_dtype(torch.float64)
    try:
        found = estimator_of(K=3).update(x)
        assert torch.get_default_dtype() is torch.float64
        assert same_bits(found, wanted)
        assert found.R.dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        estimator_of(K=3).update(rows())
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("assigner", ["kmeans_online", "label_supervised"])
@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_default_device_does_not_leak_in(path, covariance, assigner, device):
    """The embeddings' device counts, not the one that new tensors get."""
    options = {"K": 3, "group_rows": path, "covariance": covariance, "assigner": assigner}
    x, labels, estimator = rows(), torch.arange(20) % 3, estimator_of(**options)
    wanted = estimator_of(**options).update(x, labels)
    with torch.device(device):
        found = estimator.update(x, labels)
        taken = {name: found[name] for name in found}
        estimator.update(x, labels)
        estimator.summary()
    assert same_bits(found, wanted)
    assert {value.device.type for value in taken.values()} == {"cpu"}


# ------------------------------------------------------------------------------------------- disabled


def test_disabled_it_does_nothing_and_touches_no_disk(tmp_path):
    called = []
    folder = tmp_path / "run"
    estimator = MixtureStats(K=4, store_scores=True, log_dir=folder, on_row=called.append)
    assert not estimator.enabled
    for batch in (
        rows(),
        torch.full((2, 3), torch.nan),
        torch.empty(0, 3),
        torch.zeros(3, dtype=torch.int64),
        None,
    ):
        stats = estimator.update(batch)
        assert stats == {}
        assert estimator.log_step(step=0, epoch=0, stats=stats) == {}
    assert estimator.compute() == {}
    assert estimator.summary() == {}
    assert estimator.alarms() == ()
    with estimator, active_mixture(estimator):
        feed(rows(), torch.zeros(1))
    estimator.reset()
    estimator.close()
    assert called == []
    assert os.listdir(tmp_path) == []


def test_disabled_needs_no_labels():
    estimator = MixtureStats(mode="label_supervised", assigner="label_supervised")
    assert estimator.update(rows()) == {}


def test_it_is_off_by_default_and_the_defaults_are_those_of_the_settings():
    estimator = MixtureStats()
    assert estimator.K == 8
    settings = estimator.settings
    wanted = dict(
        enabled=False, K=8, mode="ema", assigner="kmeans_online", ema_decay=0.95, store_scores=False,
        scores_mode="append", cross_rank=False, max_assign_iters=2,
    )  # fmt: skip
    assert {name: getattr(settings, name) for name in wanted} == wanted


@pytest.mark.parametrize(("options", "said"), [
    ({"k": 3}, "K"),
    ({"K": 0}, "K"),
    ({"K": 2.5}, "K"),
    ({"mode": "batch"}, "per_batch"),
    ({"assigner": "kmeans"}, "kmeans_online"),
    ({"ema_decay": 0.0}, "ema_decay"),
    ({"ema_decay": 1.0}, "ema_decay"),
    ({"ema_decay": float("nan")}, "ema_decay"),
    ({"scores_mode": "all"}, "per_step"),
    ({"max_assign_iters": 0}, "max_assign_iters"),
    ({"covariance": "tied"}, "diag"),
    ({"on_error": "ignore"}, "raise"),
    ({"enabled": "maybe"}, "enabled"),
    ({"decay": 0.9}, "ema_decay"),
])  # fmt: skip
@pytest.mark.parametrize("enabled", [True, False])
def test_unknown_options_and_values_are_refused_before_training(options, said, enabled, tmp_path):
    with pytest.raises(ValueError, match=said):
        MixtureStats(**{"enabled": enabled, "log_dir": tmp_path / "run", **options})
    assert os.listdir(tmp_path) == []


# --------------------------------------------------------------------------------- the promised surface


def test_the_surface_as_it_is_promised(tmp_path):
    run_dir, embeddings, labels = tmp_path / "run", rows(0, 40), torch.arange(40) % 8
    estimator = MixtureStats(
        K=8, assigner="kmeans_online", mode="ema", enabled=True, log_dir=run_dir, is_main=True
    )
    stats = estimator.update(embeddings)
    estimator.log_step(step=0, epoch=0, stats=stats)
    stats = estimator.update(embeddings, labels=labels)
    estimator.log_step(step=1, epoch=0, stats=stats)
    estimator.close()
    estimator.close()
    lines = (run_dir / "mixture.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,K,pi_min,pi_max,trace_B,opnorm_B"
    assert len(lines) == 3
    values = lines[2].split(",")
    assert values[:3] == ["1", "0", "8"]
    np.testing.assert_allclose(float(values[3]), float(stats["pi"].min()), rtol=1e-6)
    np.testing.assert_allclose(float(values[5]), float(stats["B"].trace()), rtol=1e-5)
    np.testing.assert_allclose(float(values[6]), np.linalg.norm(stats.B.numpy(), 2), rtol=1e-5)


def test_an_estimator_can_be_made_from_its_settings():
    a = estimator_of(K=3, ema_decay=0.5, seed=4)
    b = MixtureStats.from_settings(a.settings)
    a.update(rows())
    b.update(rows())
    assert same_bits(a.compute(), b.compute())
    assert a.settings == b.settings
    assert saved(a)["K"] == 3
