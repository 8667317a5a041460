"""Pictures of densities and the border explorer: their numbers against slow oracles, what is drawn, words and twin."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import multivariate_normal, norm

from mixturelab import plot
from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.functional import log_joint, responsibilities
from mixturelab.plot import densities, density_extremes
from mixturelab.plot.density_widgets import (
    BorderExplorer,
    Pair,
    along,
    border_shape,
    crossings,
    log_odds,
    pair,
)

GEYSER = load_dataset("old_faithful")
WAIT = GEYSER.data[:, 1]
MIXTURE = ([0.357, 0.643], [54.5, 80.0], [5.8, 6.0])


def sizes(figure):
    return Image.open(io.BytesIO(plot.png(figure))).size


# ------------------------------------------------------------------------------------------------- histograms


@pytest.mark.parametrize("width", [0.7, 1, 6, 20, 100])
def test_a_histogram_has_area_one_and_its_edges_are_multiples_of_the_width(width):
    heights, edges = densities.histogram_density(WAIT, width)
    assert heights @ np.diff(edges) == pytest.approx(1)
    np.testing.assert_allclose(edges / width, np.round(edges / width), atol=1e-9)
    assert edges[0] <= WAIT.min() < edges[1]
    assert edges[-2] <= WAIT.max() < edges[-1]


@pytest.mark.parametrize(
    ("heights", "peaks"),
    [
        ([1, 2, 1], 1),
        ([2, 1, 2], 2),
        ([1, 1, 1], 1),
        ([1, 3, 3, 1, 2], 2),
        ([0, 1, 0, 0, 1], 2),
        ([3, 2, 1], 1),
    ],
)
def test_peaks_are_counted(heights, peaks):
    assert densities._peaks(np.array(heights, dtype=float)) == peaks


def test_the_same_rows_have_as_many_peaks_as_one_likes():
    figure = densities.bin_widths({"wait (min)": (WAIT, [1, 6, 20]), "again": (WAIT, [2, 3, 4])})
    assert len(figure.axes) == 6
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == [
        "bins of 1: 16 peaks",
        "bins of 6: 2 peaks",
        "bins of 20: 1 peak",
    ]
    assert "Peaks: 16 with bins of 1, 2 with bins of 6 and 1 with bins of 20" in figure.alt_text
    heights, edges, _ = figure.axes[1].patches[0].get_data()
    np.testing.assert_array_equal(heights, densities.histogram_density(WAIT, 6)[0])
    assert heights @ np.diff(edges) == pytest.approx(1)


# ---------------------------------------------------------------------------------- what a mixture is, and is not


def test_one_bell_and_the_sum_of_draws_are_what_sampling_gives():
    generator = np.random.default_rng(0)
    weights, means, sds = map(np.array, MIXTURE)
    z = generator.choice(2, size=400_000, p=weights)
    rows = generator.normal(means[z], sds[z])
    assert densities.one_bell(*MIXTURE) == pytest.approx((rows.mean(), rows.std()), rel=3e-3)
    totals = generator.normal(means, sds, size=(400_000, 2)) @ weights
    assert densities.weighted_sum(*MIXTURE) == pytest.approx((totals.mean(), totals.std()), rel=3e-3)


def test_all_three_readings_are_densities_and_the_mixture_alone_has_two_humps():
    figure = densities.three_readings(WAIT, *MIXTURE, label="wait (min)", width=4)
    curves = [line.get_xydata() for line in figure.axes[0].lines]
    humps = [densities._peaks(curve[:, 1]) for curve in curves]
    assert humps == [2, 1, 1]
    for curve in curves:
        assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(
            1, abs=0.04
        )  # the wide bell is cut off
    assert len({line.get_linestyle() for line in figure.axes[0].lines}) == 3
    assert "standard deviation 4.4" in figure.alt_text


def test_layers_of_drawn_rows_add_up():
    z = np.array([0, 0, 1, 1, 1])
    figure = densities.two_steps(WAIT, z, [50, 51, 80, 81, 90], label="wait (min)", width=4)
    left, right = figure.axes
    assert left.patches[0].get_data().values.sum() == 272
    layers = [patch.get_data() for patch in right.patches]
    assert [(layer.values - layer.baseline).sum() for layer in layers] == [2, 3]
    assert len({patch.get_hatch() for patch in right.patches}) == 2
    assert "5 drawn rows, 2 by component 0 and 3 by component 1" in figure.alt_text


def test_bayes_rule_in_bars():
    bells = norm.pdf(66, *MIXTURE[1:])
    figure = densities.bayes_steps(MIXTURE[0], bells, names=["short", "long"], at="at 66 minutes")
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    np.testing.assert_allclose(heights[2], np.multiply(heights[0], heights[1]))
    library = responsibilities([[66.0]], MIXTURE[0], [[54.5], [80.0]], [5.8**2, 36.0], "spherical")[0]
    np.testing.assert_allclose(heights[3], library)
    assert "posterior is 0.55 for short and 0.45 for long" in figure.alt_text


# --------------------------------------------------------------------------------------- products that vanish


def test_a_product_is_drawn_as_long_as_it_lives():
    logs = np.full(300, -10.0)
    figure = density_extremes.vanishing_product(logs)
    whole, coarse, _, fine, _ = figure.axes[0].lines
    np.testing.assert_allclose(whole.get_ydata(), logs.cumsum())
    assert len(coarse.get_xdata()) == 10  # e^-100 lives, e^-110 does not
    assert len(fine.get_xdata()) == 74
    assert "float32 ends after 10 rows, at -100 and float64 ends after 74 rows, at -740" in figure.alt_text


# ------------------------------------------------------------------------------------------------- whitening


def test_whitened_residuals_give_mahalanobis_distance_and_unit_covariance():
    rows = load_dataset("crabs").data
    mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
    y = density_extremes.whitened(rows, mean, covariance)
    away = rows - mean
    slow = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    np.testing.assert_allclose((y**2).sum(axis=1), slow, rtol=1e-6)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(5), atol=1e-8)


def test_rings_are_at_mahalanobis_distance_one_two_and_three():
    rows = load_dataset("crabs").data[:, :2]
    mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
    figure = density_extremes.whitening(rows, {"A": mean + np.array([4, 0])}, labels=["a (mm)", "b (mm)"])
    for ax, centre, shape in zip(figure.axes, (mean, [0, 0]), (covariance, np.eye(2)), strict=True):
        for radius, ring in zip((1, 2, 3), ax.lines, strict=False):
            y = density_extremes.whitened(ring.get_xydata(), centre, shape)
            np.testing.assert_allclose(np.linalg.norm(y, axis=1), radius, rtol=1e-8)
    far = np.linalg.norm(density_extremes.whitened([mean + np.array([4, 0])], mean, covariance))
    assert f"A is 4 units from the mean and Mahalanobis' distance {far:.1f} away" in figure.alt_text


# ------------------------------------------------------------------------------------------ certain far away


def test_shares_along_an_axis_are_the_library_s_however_far():
    x = np.array([-4000.0, 50.0, 66.0, 90.0, 4000.0])
    shares, logs = density_extremes.shares_of(x, *MIXTURE)
    settings = (MIXTURE[0], np.array([[54.5], [80.0]]), np.square(MIXTURE[2]), "spherical")
    np.testing.assert_allclose(shares, responsibilities(x[:, None], *settings), atol=1e-12)
    np.testing.assert_allclose(logs, np.logaddexp.reduce(log_joint(x[:, None], *settings), axis=1))


def test_both_far_ends_are_the_widest_component_s():
    figure = density_extremes.certain_far_away(
        [9.0, 21.0, 34.0],
        [0.09, 0.87, 0.04],
        [9.7, 21.4, 33.0],
        [0.4, 2.2, 0.9],
        label="velocity",
        reach=9,
    )
    upper, lower = figure.axes
    assert len(upper.lines) == 3
    np.testing.assert_allclose(sum(line.get_ydata() for line in upper.lines), 1)
    assert upper.lines[1].get_ydata()[[0, -1]] == pytest.approx([1, 1], abs=1e-3)
    assert lower.lines[0].get_ydata()[0] < -15
    assert "component 1 takes both far ends" in figure.alt_text


def test_images_stand_above_their_shares():
    images = np.arange(24.0).reshape(2, 12)
    shares = [[0.1, 0.9, 0.0], [0.5, 0.3, 0.2]]
    figure = density_extremes.image_shares(images, shares, [1, 2], shape=(3, 4))
    upper, lower = figure.axes[:2], figure.axes[2:]
    np.testing.assert_array_equal(upper[1].images[0].get_array(), images[1].reshape(3, 4))
    assert [[bar.get_height() for bar in ax.patches] for ax in lower] == shares
    assert [[k for k, bar in enumerate(ax.patches) if bar.get_hatch()] for ax in lower] == [[1], [2]]
    assert "a 2: 0.50 for component 0 and 0.30 for component 1" in figure.alt_text
    assert sizes(figure)[0] > 300


# ------------------------------------------------------------------------------------------- numbers of the widget

TIED = GaussianMixture(2, covariance_type="tied", random_state=0).fit(GEYSER.data)
BASE = Pair(TIED.weights_, TIED.means_, np.stack([TIED.covariances_] * 2))


def made(weight=0.36, spread=1.0, stretch="all ways", mean=None):
    return pair(BASE, BASE.means[0] if mean is None else mean, weight, spread, stretch)


@pytest.mark.parametrize("stretch", ["all ways", "one way", "turned"])
def test_log_odds_are_the_ratio_of_densities(stretch):
    two = made(0.2, 1.5, stretch)
    joint = [
        w * multivariate_normal(m, c).pdf(GEYSER.data)
        for w, m, c in zip(two.weights, two.means, two.covariances, strict=True)
    ]
    np.testing.assert_allclose(log_odds(two, GEYSER.data), np.log(joint[0]) - np.log(joint[1]), rtol=1e-8)


def test_stretching_does_what_it_says():
    plain, wide, one, turned = (
        made(spread=2.0, stretch="all ways").covariances,
        BASE.covariances[1] * 4,
        made(spread=2.0, stretch="one way").covariances[0],
        made(stretch="turned").covariances[0],
    )
    np.testing.assert_allclose(plain[0], wide)
    np.testing.assert_allclose(plain[1], BASE.covariances[1])
    assert np.linalg.det(one) == pytest.approx(4 * np.linalg.det(BASE.covariances[1]))
    np.testing.assert_allclose(turned, BASE.covariances[1] * [[1, -1], [-1, 1]])


@pytest.mark.parametrize(
    ("setting", "shape"),
    [
        ({}, "a line"),
        ({"weight": 0.99}, "a line"),
        ({"spread": 0.5}, "an ellipse round component 0"),
        ({"spread": 2.0}, "an ellipse round component 1"),
        ({"spread": 2.0, "stretch": "one way"}, "a parabola"),
        ({"spread": 0.5, "stretch": "one way"}, "a parabola"),
        ({"stretch": "turned"}, "a hyperbola"),
        ({"mean": BASE.means[1], "spread": 0.5, "weight": 0.1}, "none"),
        ({"mean": BASE.means[1], "spread": 0.5, "weight": 0.5}, "an ellipse round component 0"),
        ({"mean": BASE.means[1], "spread": 2.0, "weight": 0.9}, "none"),
        ({"mean": BASE.means[1]}, "none"),
    ],
)
def test_the_border_s_shape_is_what_a_search_all_round_finds(setting, shape):
    two = made(**setting)
    assert border_shape(two) == shape
    # A slow oracle: who wins far out in each direction, and does anybody else win somewhere?
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    root = np.linalg.cholesky(BASE.covariances[1])
    directions = np.column_stack([np.cos(angle), np.sin(angle)]) @ root.T
    far = log_odds(two, BASE.means[1] + 1e5 * directions) > 0
    grid = np.stack(np.meshgrid(np.linspace(-40, 40, 401), np.linspace(-40, 40, 401)), -1).reshape(-1, 2)
    near = log_odds(two, BASE.means[1] + grid @ root.T) > 0
    if shape == "none":
        assert len(set(near)) == 1
    elif "ellipse" in shape:
        assert len(set(far)) == 1
        assert near.any()
        assert not near.all()
        assert far[0] == (shape[-1] == "1")  # the other one has the far field
    else:
        turns = int((far != np.roll(far, 1)).sum())
        assert turns == {"a line": 2, "a hyperbola": 4}.get(shape, turns)


def test_a_parabola_wraps_itself_round_one_side():
    two = made(spread=2.0, stretch="one way")
    shift = np.linalg.inv(two.covariances[1]) - np.linalg.inv(two.covariances[0])
    assert np.linalg.det(shift) == pytest.approx(0, abs=1e-12)


def test_crossings_are_the_borders_on_the_line():
    t, odds = along(made())
    (zero,) = crossings(t, odds)
    two = made()
    at = two.means[0] + zero * (two.means[1] - two.means[0])
    assert log_odds(two, at[None])[0] == pytest.approx(0, abs=1e-9)
    assert crossings(np.array([0.0, 1.0, 2.0]), np.array([-1.0, 1.0, -3.0])).tolist() == [0.5, 1.25]


def test_what_the_notebook_says_of_the_weight():
    before, after = made(0.36), made(0.99)
    gain = log_odds(after, [[3.0, 60.0]]) - log_odds(before, [[3.0, 60.0]])
    assert np.exp(gain[0]) == pytest.approx(176)
    assert gain[0] == pytest.approx(5, abs=0.2)
    ends = log_odds(before, before.means)
    assert ends[0] - ends[1] == pytest.approx(43, abs=0.5)


# ---------------------------------------------------------------------------------------------------- the widget


@pytest.fixture(scope="module")
def explorer():
    return BorderExplorer(TIED, GEYSER)


def test_each_control_changes_the_picture_and_the_words(explorer):
    explorer.restart()
    assert "Border: a line. Component 0 answers for 98 of 272 rows" in explorer.words.value
    moves = {"across": 3.0, "up": 70.0, "weight": 0.9, "spread": 2.0, "stretch": "turned"}
    for name, value in moves.items():
        explorer.restart()
        before = explorer.image.value
        explorer.controls[name].value = value
        assert explorer.image.value != before
        assert f"Border: {border_shape(explorer.pair(**explorer.values))}" in explorer.words.value
    explorer.restart()
    assert explorer.values == {
        "across": 2.05,
        "up": 54.5,
        "weight": 0.36,
        "spread": 1.0,
        "stretch": "all ways",
    }


def test_a_border_that_vanishes_is_said(explorer):
    explorer.set(across=4.3, up=80.0, weight=0.05, spread=0.4, stretch="all ways")
    assert "There is no border: one component wins everywhere." in explorer.words.value


def test_the_drawn_border_is_where_both_are_equal(explorer):
    explorer.restart()
    explorer.set(spread=0.5)
    (segment,) = explorer._scene.border.get_segments()
    odds = log_odds(explorer.pair(**explorer.values), segment)
    assert abs(odds).max() < 0.2
    picture = Image.open(io.BytesIO(explorer.image.value))
    assert picture.size[0] > 800
    assert len(explorer.image.value) < 80_000


def test_the_twin_shows_six_borders(explorer):
    data, metadata = explorer._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in data
    words = metadata["image/png"]["alt"]
    assert data["text/plain"] == repr(explorer) == f"BorderExplorer: {words}"
    for shape in ["a line", "an ellipse round component 0", "round component 1", "a parabola", "a hyperbola"]:
        assert shape in words
