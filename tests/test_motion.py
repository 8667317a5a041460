"""Pictures of mixtures in motion, and the decay explorer: numbers against slow oracles, words, frames and twins."""

import io
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from mixturelab import MixtureStats, plot
from mixturelab.datasets import make_drifting_stream, stream_digits
from mixturelab.plot.motion import _alarm_spans, _running_mean, letter
from mixturelab.plot.motion_widgets import MEMORIES, MOVING, DecayExplorer, decay_of, track, tracking_words

SPEEDS = {"slow": 0.002, "medium": 0.006, "fast": 0.016}


def streams(n_steps=400):
    return {name: list(make_drifting_stream(n_steps, 12, 2, speed=v)) for name, v in SPEEDS.items()}


def drawn(figure):
    return Image.open(io.BytesIO(plot.png(figure)))


@pytest.fixture(scope="module")
def logged():
    """The last 90 batches of a stream whose camera sticks, with a warm-up; logged rows and weights."""
    rows, pi = [], []
    estimator = MixtureStats(K=10, enabled=True, on_row=rows.append)
    for batch in list(stream_digits())[210:]:
        pi.append(estimator.update(torch.from_numpy(batch.data)).pi)
        estimator.log_step(step=batch.step)
    return rows, torch.stack(pi)


# ------------------------------------------------------------------------------------------------- rows that fade


def test_the_words_of_fading_rows_hold_both_variances():
    batches = np.arange(40.0)[:, None] + np.array([-1.0, 1.0])  # each batch has variance 1
    figure = plot.fading_rows(batches, 0.5)
    assert "variance 3.00" in figure.alt_text  # 1 + 0.5/0.25
    assert "variance 1.00" in figure.alt_text
    assert "decay 0.5" in figure.alt_text


def test_both_bells_and_the_histogram_have_area_one():
    figure = plot.fading_rows(np.random.default_rng(0).normal(size=(50, 40)), 0.9)
    right = figure.axes[1]
    bells = [line.get_xydata() for line in right.lines if len(line.get_xdata()) > 2]
    assert len(bells) == 2
    for bell in bells:
        assert np.trapezoid(bell[:, 0], bell[:, 1]) == pytest.approx(1, abs=0.01)
    heights, edges, _ = right.patches[0].get_data()
    assert heights @ np.diff(edges) == pytest.approx(1)


# --------------------------------------------------------------------------------------------------------- tiles


def test_each_mean_is_drawn_as_its_image():
    means = np.random.default_rng(1).random((3, 12))
    figure = plot.component_images({"first": means, "later": means[::-1]}, shape=(3, 4))
    tiles = [np.asarray(image.get_array()) for image in figure.axes[0].images]
    assert len(tiles) == 6
    np.testing.assert_array_equal(tiles[1], means[1].reshape(3, 4))
    np.testing.assert_array_equal(tiles[3], means[2].reshape(3, 4))
    assert "3 components, A to C" in figure.alt_text
    assert f"differs from that by {np.abs(means - means[::-1]).mean():.2f}" in figure.alt_text


def test_letters_do_not_run_out():
    assert [letter(k) for k in (0, 25, 26, 51, 52)] == ["A", "Z", "A2", "Z2", "A3"]


# ------------------------------------------------------------------------------------------------------- monitor


def test_curves_are_the_logged_numbers(logged):
    rows, pi = logged
    figure = plot.stream_curves(rows, pi, marks={255: "it sticks"})
    between = figure.axes[1]
    np.testing.assert_array_equal(between.lines[0].get_ydata(), [row["trace_B"] for row in rows])
    np.testing.assert_array_equal(between.lines[1].get_ydata(), [row["opnorm_B"] for row in rows])
    assert len(figure.axes) == 4
    assert "At batch 255: it sticks." in figure.alt_text
    assert "Alarm, complete collapse, from batch 271 to 299." in figure.alt_text
    assert "weights of 10 components" in figure.alt_text


def test_without_weights_there_is_a_panel_less_and_quiet_is_said(logged):
    figure = plot.stream_curves(logged[0][:40])
    assert len(figure.axes) == 3
    assert figure.alt_text.endswith("No alarm.")
    assert drawn(figure).size[0] > 800


def test_a_drift_that_is_not_known_is_left_out():
    values = np.array([np.nan, 2.0, np.nan, 4.0])
    np.testing.assert_allclose(_running_mean(values), [0, 2, 2, 3])
    long = np.arange(40.0)
    assert _running_mean(long)[-1] == pytest.approx(long[-15:].mean())


def test_alarms_are_spans_of_steps():
    alarms = [[""], ["a"], ["a", "b"], ["b"], [""], ["a"]]
    assert _alarm_spans(np.arange(6.0) * 10, alarms) == (("a", 10, 20), ("a", 50, 50), ("b", 20, 30))


# ---------------------------------------------------------------------------------------------- numbers of the widget


def test_tracking_is_what_the_estimator_keeps():
    batches = streams(60)["fast"]
    found = track(batches, (2, 20))
    for position, memory in enumerate(found.memories):
        estimator = MixtureStats(K=3, assigner="label_supervised", ema_decay=1 - 1 / memory, enabled=True)
        for batch in batches:
            stats = estimator.update(torch.from_numpy(batch.data), labels=batch.labels)
        np.testing.assert_allclose(found.means[position], stats.mu, rtol=1e-9)
        np.testing.assert_allclose(found.covariances[position], stats.Sigma, rtol=1e-9, atol=1e-12)


def test_tracking_is_the_rows_with_their_weights():
    batches = streams(30)["medium"]
    found = track(batches, (5,))
    rows = np.concatenate([batch.data for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    weights = np.repeat(0.8 ** np.arange(29.0, -1, -1), 12)
    for k in range(3):
        own = labels == k
        mean = np.average(rows[own], axis=0, weights=weights[own])
        np.testing.assert_allclose(found.means[0, k], mean, rtol=1e-10)
        covariance = np.cov(rows[own].T, aweights=weights[own], bias=True)
        np.testing.assert_allclose(found.covariances[0, k], covariance, rtol=1e-9)


def test_the_error_is_that_of_the_moving_mean_in_the_second_half():
    batches = streams(40)["fast"]
    ends = [track(batches[: t + 1], (8,)).means[0, MOVING] for t in range(20, 40)]
    away = [((end - b.truth.means[MOVING]) ** 2).sum() for end, b in zip(ends, batches[20:], strict=True)]
    assert track(batches, (8,)).errors[0] == pytest.approx(np.sqrt(np.mean(away)))


def test_a_faster_drift_asks_for_a_shorter_memory_by_the_power_two_thirds():
    best = {name: MEMORIES[track(batches).best] for name, batches in streams().items()}
    assert best == {"slow": 20, "medium": 12, "fast": 5}
    for found in map(track, streams().values()):  # a U: down to the best, up from there
        assert (np.diff(found.errors[: found.best + 1]) < 0).all()
        assert (np.diff(found.errors[found.best :]) > 0).all()


def test_words_of_a_memory():
    assert [decay_of(memory) for memory in (1, 2, 12, 20, 200)] == ["0", "0.5", "0.917", "0.95", "0.995"]
    found = track(streams(20)["slow"])
    assert tracking_words(found, 0, 1).startswith("Memory 1 batch (g = 0): the moving mean is off by")
    assert tracking_words(found, 6, 3).endswith("3 of 12 memories tried at this speed.")


# -------------------------------------------------------------------------------------------------------- the widget


@pytest.fixture
def explorer():
    return DecayExplorer(streams(40))


def test_each_move_draws_another_small_picture_and_says_so(explorer):
    seen = [explorer.image.value]
    for memory in (3, 6, 11):
        explorer.memory.value = memory
        seen.append(explorer.image.value)
        assert f"Memory {MEMORIES[memory]} batches" in explorer.words.value
    explorer.speed.value = "fast"
    seen.append(explorer.image.value)
    explorer.all.value = True
    seen.append(explorer.image.value)
    assert len(set(seen)) == len(seen)
    pictures = [Image.open(io.BytesIO(frame)) for frame in seen]
    assert len({picture.size for picture in pictures}) == 1
    assert max(map(len, seen)) < 60_000


@pytest.mark.parametrize("memory", [0, 3, 7, 11])
def test_names_of_speeds_do_not_cover_each_other(explorer, memory):
    for speed in ("slow", "medium", "fast"):
        explorer.speed.value = speed
        explorer.memory.value = memory
    names = [name.get_window_extent() for name in explorer._frames.errors.names if name.get_text()]
    assert len(names) == 3
    assert not any(one.overlaps(other) for one, other in combinations(names, 2))


def test_what_was_tried_is_kept_for_each_speed(explorer):
    explorer.memory.value = 4
    explorer.speed.value = "fast"
    explorer.memory.value = 2
    assert explorer.tried == {"slow": {0, 4}, "medium": set(), "fast": {4, 2}}
    assert "2 of 12 memories tried" in explorer.words.value


def test_the_same_place_is_the_same_picture(explorer):
    explorer.all.value = True
    explorer.memory.value = 7
    before = explorer.image.value
    explorer.speed.value = "medium"
    explorer.speed.value = "slow"
    assert explorer.image.value == before


def test_it_can_begin_elsewhere():
    explorer = DecayExplorer(streams(20), start=20)
    assert "Memory 20 batches" in explorer.words.value


def test_the_output_carries_the_widget_and_its_twin(explorer):
    data, metadata = explorer._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"]
    words = metadata["image/png"]["alt"]
    assert data["text/plain"] == repr(explorer) == f"DecayExplorer: {words}"
    assert "one moves (fast)" in words
    assert "0x" not in words
