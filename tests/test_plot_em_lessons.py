"""Pictures and widget of notebook 02: the bound against slow sums, drawings through their data, every half step."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from mixturelab.datasets import load_dataset
from mixturelab.plot import em_lessons, em_limits, em_widgets
from mixturelab.plot.picture import png

WAITS = load_dataset("old_faithful").data[:, 1]
BELL = em_lessons.OneMean(WAITS, (0.3, 0.7), (6.0, 13.6), 70.9)


def joint(mean):
    return np.array([0.3, 0.7]) * norm.pdf(WAITS[:, None], [mean, 70.9], [6.0, 13.6])


def slow_bound(held, mean):
    q = joint(held) / joint(held).sum(axis=1, keepdims=True)
    return np.sum(q * np.log(joint(mean) / q))


# ------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("mean", [45.0, 66.0, 90.0])
def test_level_and_shares_are_the_formulas(mean):
    np.testing.assert_allclose(np.exp(BELL.log_joint(mean)), joint(mean), rtol=1e-12)
    assert BELL.log_likelihood(mean) == pytest.approx(np.log(joint(mean).sum(axis=1)).sum(), abs=1e-9)
    np.testing.assert_allclose(BELL.shares(mean), joint(mean)[:, 0] / joint(mean).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize(("held", "mean"), [(95.0, 87.0), (50.0, 53.5), (66.0, 100.0), (70.0, 70.0)])
def test_the_parabola_is_the_bound(held, mean):
    assert BELL.bound(held, mean) == pytest.approx(slow_bound(held, mean), abs=1e-8)
    assert BELL.gap(held, mean) == pytest.approx(BELL.log_likelihood(mean) - slow_bound(held, mean), abs=1e-8)


def test_the_bound_lies_below_touches_and_has_its_top_at_the_m_step():
    grid = np.linspace(30, 110, 161)
    levels = np.array([BELL.log_likelihood(mean) for mean in grid])
    for held in (45.0, 66.0, 95.0):
        curve = BELL.bound(held, grid)
        assert (curve <= levels + 1e-9).all()
        assert BELL.bound(held, held) == pytest.approx(BELL.log_likelihood(held), abs=1e-9)
        assert abs(grid[curve.argmax()] - BELL.m_step(held)) <= 0.5


def test_the_path_climbs_and_ends_on_the_hill_of_its_side():
    for start, hill in [(40.0, 52.9), (65.5, 52.9), (66.3, 81.0), (100.0, 81.0)]:
        path = BELL.path(start, 60)
        assert (np.diff([BELL.log_likelihood(mean) for mean in path]) >= -1e-9).all()
        assert path[-1] == pytest.approx(hill, abs=0.05)


def test_the_rate_is_the_share_of_missing_information_and_the_slope_of_the_m_curve():
    steps = np.diff(BELL.path(95.0, 20))
    mean = BELL.path(95.0, 60)[-1]
    gamma = BELL.shares(mean)
    share = np.sum(gamma * (1 - gamma) * (WAITS - mean) ** 2) / (36 * gamma.sum())
    slope = (BELL.m_step(mean + 1e-4) - BELL.m_step(mean - 1e-4)) / 2e-4
    assert share == pytest.approx(steps[-1] / steps[-2], abs=1e-3) == pytest.approx(0.422, abs=1e-3)
    assert slope == pytest.approx(share, abs=1e-4)


# ------------------------------------------------------------------------------------------- the pictures


def lines(picture, panel=0):
    return [np.asarray(line.get_xydata(), dtype=float) for line in picture.axes[panel].lines]


def test_jensen_s_gap_is_that_of_the_numbers():
    picture = em_lessons.jensen_chord([0.2, 1.6], [0.25, 0.75])
    gap = lines(picture)[2]
    np.testing.assert_allclose(gap[:, 0], 1.25)
    np.testing.assert_allclose(gap[:, 1], [0.25 * np.log(0.2) + 0.75 * np.log(1.6), np.log(1.25)])
    assert "1.25 the curve (0.22)" in picture.alt_text


def test_bounds_are_drawn_under_the_curve():
    picture = em_lessons.bound_curves(BELL, [95, 45])
    level, curve, touch, top, *second = lines(picture)
    assert (curve[:, 1] <= np.interp(curve[:, 0], *level.T) + 0.05).all()
    np.testing.assert_allclose(touch[0], [95, BELL.log_likelihood(95)])
    np.testing.assert_allclose(top[0], [BELL.m_step(95), BELL.bound(95, BELL.m_step(95))])
    np.testing.assert_allclose(second[1][0], [45, BELL.log_likelihood(45)])
    assert "a mean of 95 (its top at 87.1) and 45 (its top at 50.4)" in picture.alt_text


def test_half_steps_are_drawn_as_given():
    picture = em_lessons.half_steps([-5.0, -5.0, -3.0], [-7.0, -5.0, -4.0])
    level, bound = lines(picture)
    assert level[:, 1].tolist() == [-5, -5, -3]
    assert bound[:, 1].tolist() == [-7, -5, -4]
    assert [label.get_text() for label in picture.axes[0].get_xticklabels()] == ["start", "E", "M"]
    assert "2 half steps" in picture.alt_text


def test_stairs_go_up_then_across():
    held, mean = em_lessons.stairs(np.array([3.0, 2.0, 1.5]))
    assert list(zip(held, mean, strict=True)) == [(3, 3), (3, 2), (2, 2), (2, 1.5), (1.5, 1.5)]


def test_the_staircase_touches_both_curves_and_never_goes_down_in_the_bound():
    picture = em_lessons.staircase(BELL, [60, 95])
    diagonal, best, stairs, _, other, _ = lines(picture)
    np.testing.assert_allclose(diagonal[:, 0], diagonal[:, 1])
    np.testing.assert_allclose(best[10, 1], BELL.m_step(best[10, 0]))
    for way in (stairs, other):
        assert len(way) == 17
        assert (np.diff([float(BELL.bound(held, mean)) for held, mean in way]) >= -1e-9).all()
    assert "52.9 and 81.1" in picture.alt_text


def test_slowing_draws_each_distance():
    changes = {6: [1e-1, 1e-3], 3: [1e-1, 5e-2, 2.5e-2]}
    picture = em_limits.slowing(changes, {6: 0.01, 3: 0.5})
    assert [line[:, 1].tolist() for line in lines(picture)] == list(changes.values())
    assert [line[0].tolist() for line in lines(picture, 1)[:2]] == [[6, 0.01], [3, 0.5]]
    assert "0.01 at 6 and 0.50 at 3" in picture.alt_text


def test_shrinking_goes_to_the_right_as_the_bell_narrows():
    picture = em_limits.shrinking([4, 2, 1], {"here": [-9.0, -8.0, -7.0]})
    assert lines(picture)[0].tolist() == [[4, -9], [2, -8], [1, -7]]
    low, high = picture.axes[0].get_xlim()
    assert low > high
    assert "here: from −9 to −7" in picture.alt_text


def test_ends_are_ordered_and_degenerate_ones_marked():
    picture = em_limits.ends_of_starts([-10.0, -10.02, -12.0, -3.0], [False, False, False, True])
    honest, bad = lines(picture)
    assert honest[:, 1].tolist() == [-10, -10.02, -12]
    assert bad.tolist() == [[1, -3]]
    assert "2 end on the best honest level, −10.0" in picture.alt_text


# --------------------------------------------------------------------------------------------- the widget


@pytest.fixture
def climber():
    return em_widgets.BoundClimber(BELL, 95.0)


def state(climber):
    values = climber.values
    return round(values["held"], 2), round(values["mean"], 2)


def test_the_half_step_that_is_due():
    assert em_widgets.next_half_step(BELL, 95.0, 95.0) == ("M", (95.0, BELL.m_step(95.0)))
    assert em_widgets.next_half_step(BELL, 95.0, 80.0) == ("E", (80.0, 80.0))


def test_buttons_climb_and_go_back(climber):
    e_step, m_step, restart, back, forward = climber.children[1].children
    first = round(BELL.m_step(95.0), 2)
    seen = []
    for press in [m_step, e_step, back, back, back, forward, forward, restart]:
        press.click()
        seen.append(state(climber))
    start = (95.0, 95.0)
    assert seen == [
        (95.0, first),
        (first, first),
        (95.0, first),
        start,
        start,
        (95.0, first),
        (first, first),
        start,
    ]


def test_forward_alone_is_em(climber):
    for _ in range(2 * 12):
        climber.forward()
    assert climber.values["mean"] == pytest.approx(BELL.path(95.0, 12)[-1], abs=0.05)


def test_every_move_changes_the_picture_and_the_words(climber):
    pictures, words = {climber.image.value}, {climber.words.value}
    for move in [lambda: setattr(climber.mean, "value", 60.0), climber.e_step, climber.m_step]:
        move()
        pictures.add(climber.image.value)
        words.add(climber.words.value)
    assert len(pictures) == len(words) == 4
    assert Image.open(io.BytesIO(climber.image.value)).mode == "P"
    assert max(map(len, pictures)) < 60_000


@pytest.mark.parametrize(
    ("held", "mean", "words"),
    [
        (95.0, 95.0, "The bound touches here; its top is at 87.1: M-step."),
        (95.0, BELL.m_step(95.0), "On top of the bound, below ℓ: an E-step closes the gap."),
        (95.0, 100.0, "below where it touched."),
        (95.0, 90.0, "above where it touched."),
        (
            BELL.path(95.0, 60)[-1],
            BELL.path(95.0, 60)[-1],
            "The bound touches at its own top: EM stands still.",
        ),
    ],
)
def test_words_say_what_to_do_next(held, mean, words):
    said = em_widgets.climbing_words(BELL, held, mean)
    assert said.endswith(words)
    assert f"q made at {held:.1f} min. Mean {mean:.1f} min: ℓ = −" in said


def test_the_twin_has_four_panels(climber):
    twin = em_widgets.climbing_panels(BELL, 95.0)
    titles = [ax.get_title(loc="left") for ax in twin.axes]
    assert titles == [
        "Iteration 1, E-step: mean 95.0 min",
        "Iteration 1, M-step: mean 87.1 min",
        "Iteration 2, E-step: mean 87.1 min",
        "Iteration 2, M-step: mean 83.5 min",
    ]
    assert png(twin)[:4] == b"\x89PNG"
    assert repr(climber) == f"BoundClimber: {twin.alt_text}"
