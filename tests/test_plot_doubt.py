"""Pictures and widgets of doubt: their numbers by brute force, what they draw through its data, and their words."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest, chi2, entropy
from sklearn.cluster import KMeans

from mixturelab import GaussianMixture, load_dataset
from mixturelab.exceptions import ArgumentError
from mixturelab.plot import (
    alt_text,
    doubt,
    doubt_claims,
    doubt_hardening,
    doubt_outlier,
    doubt_rows,
    doubt_widgets,
    mix,
    png,
)


@pytest.fixture(scope="module")
def bills():
    penguins = load_dataset("penguins")
    frame = penguins.frame[["bill_length", "bill_depth"]]
    model = GaussianMixture(3, tol=1e-6, max_iter=1000, random_state=0).fit(frame.to_numpy())
    return model, frame, penguins


@pytest.fixture(scope="module")
def geyser():
    table = load_dataset("old_faithful")
    return GaussianMixture(2, random_state=0).fit(table.data), table


# ------------------------------------------------------------------------------- numbers


def test_entropy_share_is_scipy_s_and_safe_at_zero():
    gamma = np.random.default_rng(0).dirichlet(np.ones(4), size=20)
    assert np.allclose(doubt.entropy_share(gamma), entropy(gamma, axis=1) / np.log(4))
    assert doubt.entropy_share([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]).tolist() == [0.0, 1.0, 0.0]
    assert doubt.entropy_share(np.ones((3, 1))).tolist() == [0.0, 0.0, 0.0]


def test_rows_are_sorted_by_leader_and_then_by_certainty():
    gamma = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert doubt_rows.sorted_rows(gamma).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_squared_distances_row_by_row(family):
    X = load_dataset("iris").data
    model = GaussianMixture(3, covariance_type=family, random_state=0).fit(X)
    found = doubt.squared_distances(model, X)
    for n in (0, 70, 140):
        k = model.predict(X[n : n + 1])[0]
        precision = model.precisions_ if family == "tied" else model.precisions_[k]
        dense = precision if family in ("full", "tied") else np.eye(4) * precision
        assert found[n] == pytest.approx((X[n] - model.means_[k]) @ dense @ (X[n] - model.means_[k]))


def test_reliability_bin_by_bin():
    generator = np.random.default_rng(1)
    confidence = np.r_[generator.uniform(0.4, 1, 200), 1.0, 0.9, 0.6]
    correct = generator.random(203) < confidence
    found = doubt_claims.reliability(confidence, correct)
    edges = doubt_claims.EDGES
    chosen = [(confidence > low) & (confidence <= high) for low, high in pairwise(edges)]
    chosen = [each for each in chosen if each.any()]
    assert found.count.tolist() == [each.sum() for each in chosen]
    assert np.allclose(found.claimed, [confidence[each].mean() for each in chosen])
    assert np.allclose(found.right, [correct[each].mean() for each in chosen])
    gaps = [each.mean() * abs(confidence[each].mean() - correct[each].mean()) for each in chosen]
    assert found.gap == pytest.approx(sum(gaps))


def test_intervals_are_wilson_s():
    confidence, correct = np.full(40, 0.95), np.arange(40) < 33
    found = doubt_claims.reliability(confidence, correct)
    wanted = binomtest(33, 40).proportion_ci(0.95, method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(wanted), abs=1e-4)
    assert doubt_claims.reliability(confidence, np.ones(40)).high[0] == pytest.approx(1.0)


def test_reliability_wants_as_many_rights_as_claims():
    with pytest.raises(ArgumentError, match="correct has shape"):
        doubt_claims.reliability([0.9, 0.8], [True])


def test_a_row_judged_ten_times_is_counted_once_by_the_intervals():
    confidence, correct = np.full(40, 0.95), np.arange(40) < 33
    once = doubt_claims.reliability(confidence, correct)
    often = doubt_claims.reliability(np.tile(confidence, 10), np.tile(correct, 10), repeats=10)
    assert often.count.tolist() == [400]
    assert (often.low[0], often.high[0], often.gap) == pytest.approx((once.low[0], once.high[0], once.gap))
    with pytest.raises(ArgumentError, match="repeats is 0"):
        doubt_claims.reliability(confidence, correct, repeats=0)


def test_groups_are_renumbered_and_stay_the_same_groups():
    labels, like = np.array([2, 2, 0, 1, 1, 1, 0]), np.array([0, 0, 1, 2, 2, 1, 1])
    assert doubt.renumbered(labels, like).tolist() == [0, 0, 1, 2, 2, 2, 1]
    assert doubt.renumbered([1, 1, 0], [0, 0, 0]).tolist() == [0, 0, 1]


# ------------------------------------------------------------------------------- pictures


def test_hard_and_soft_show_the_same_rows_and_only_one_mixes(bills):
    model, frame, _ = bills
    picture = doubt.hard_and_soft(model, frame, units=["mm", "mm"])
    left, right = picture.axes
    places = [np.vstack([c.get_offsets() for c in ax.collections]) for ax in (left, right)]
    assert [len(each) for each in places] == [342, 342]
    assert np.allclose(np.sort(places[0], axis=0), np.sort(places[1], axis=0))
    assert all(len(np.unique(c.get_facecolors(), axis=0)) == 1 for c in left.collections)
    assert sum(len(np.unique(c.get_facecolors(), axis=0)) for c in right.collections) > 20
    assert left.get_xlabel() == "bill length (mm)"
    assert "One fit drawn twice" in alt_text(picture)


def test_the_entropy_map_is_dark_between_and_light_far_away(bills):
    model, frame, _ = bills
    picture = doubt.entropy_map(model, frame, units=["mm", "mm"])
    assert doubt.entropy_share(model.predict_proba([[45.8, 18.9], [25.0, 22.0]])) == pytest.approx(
        [0.63, 0], abs=0.02
    )
    assert picture.axes[0].get_xlim()[0] < 25
    assert "13 rows lie where the entropy is above half" in alt_text(picture)


def test_bars_have_the_heights_of_the_responsibilities():
    gamma = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    picture = doubt_rows.responsibility_bars(gamma, ["short", "long"])
    tops = [c.get_paths()[0].vertices for c in picture.axes[0].collections]
    assert {0.9, 0.6, 0.2} <= set(tops[0][:, 1].round(6))
    assert len({c.get_hatch() for c in picture.axes[0].collections}) == 2
    assert "2 led by short and 1 led by long" in alt_text(picture)
    assert [text.get_text() for text in picture.axes[0].texts] == ["short leads 2", "long leads 1"]


def test_the_similarity_map_is_sorted():
    gamma = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    matrix = gamma @ gamma.T
    image = doubt_rows.similarity_map(matrix, gamma).axes[0].images[0].get_array()
    assert np.allclose(image, matrix[np.ix_([1, 2, 0], [1, 2, 0])])


def test_label_panels_draw_to_scale():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.5]])
    panels = [doubt.Panel("a", points, np.array([0, 1, 1])), doubt.Panel("b", points, np.zeros(3, dtype=int))]
    picture = doubt.label_panels(panels, "Two panels with three rows each, for a test of the drawing.")
    assert [len(ax.collections) for ax in picture.axes] == [2, 1]
    assert all(ax.get_aspect() == 1.0 for ax in picture.axes)
    assert alt_text(picture).startswith("Two panels")


def test_the_reliability_diagram_draws_the_bins():
    confidence, correct = np.array([0.55, 0.95, 0.97, 1.0]), np.array([False, True, False, True])
    picture = doubt_claims.reliability_diagram({"one": (confidence, correct), "two": (confidence, ~correct)})
    lines = [
        line for line in picture.axes[0].lines if len(line.get_xdata()) == 3 and line.get_marker() in "os"
    ]
    assert [line.get_ydata().tolist() for line in lines] == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    assert "one: of the 1 surest rows, claimed 1.00, 1.00 are right" in alt_text(picture)


def test_the_distance_map_rings_what_is_far(bills):
    model, frame, _ = bills
    picture = doubt.distance_map(model, frame)
    ringed = picture.axes[0].collections[-1].get_offsets()
    assert len(ringed) == 4
    assert ringed[:, 1].min() > chi2.ppf(0.99, 2)
    assert ringed[:, 0].max() < 0.001
    assert "4 of them have an uncertainty below 0.1" in alt_text(picture)


# ------------------------------------------------------------------------- refusing


def test_answers_are_counted():
    doubts, correct = [0.0, 0.3, 0.3, 0.9], [True, False, True, False]
    assert doubt_widgets.answers(doubts, correct, 0.3) == (3, 2)
    assert doubt_widgets.answers(doubts, correct, -1.0) == (0, 0)
    assert doubt_widgets.answers(doubts, correct, 1.0) == (4, 2)


@pytest.fixture(scope="module")
def refusal(bills):
    model, frame, penguins = bills
    correct = np.array([1, 2, 0])[model.predict(frame.to_numpy())] == penguins.target
    return doubt_widgets.RefusalExplorer(model, frame, correct, units=["mm", "mm"])


def is_png(data):
    return Image.open(io.BytesIO(data)).format == "PNG"


def test_refusing_moves_rows_from_crossed_to_hollow(refusal):
    refusal.set(threshold=1.0)
    before = refusal.image.value
    assert len(refusal.rows.wrong.get_xdata()) == 12
    assert len(refusal.rows.refused.get_xdata()) == 0
    refusal.set(threshold=0.2)
    assert len(refusal.rows.wrong.get_xdata()) == 2
    assert len(refusal.rows.refused.get_xdata()) == 32
    assert refusal.dot.get_xdata()[0] == pytest.approx(100 * 310 / 342)
    assert 58.0 in refusal.rows.wrong.get_xdata()
    assert refusal.image.value != before
    assert is_png(refusal.image.value)
    assert "32 rows of 342 refused, 310 answered. Of these, 308 are right, 99.4 %" in refusal.words.value


def test_one_mistake_stays_as_the_notebook_says(refusal):
    refusal.set(threshold=0.02)
    assert refusal.rows.wrong.get_xdata().tolist() == [58.0]


def test_nothing_answered_is_no_division_by_zero():
    assert "none can be wrong" in doubt_widgets.refusal_words(np.ones(3), np.ones(3, bool), 0.5)


def test_the_labels_have_to_fit_the_rows(bills):
    model, frame, _ = bills
    with pytest.raises(ArgumentError, match="correct has shape"):
        doubt_widgets.RefusalExplorer(model, frame, [True])


# ------------------------------------------------------------------------- hardening


@pytest.fixture(scope="module")
def path(bills):
    X = bills[1].to_numpy()
    return doubt_hardening.harden((X - X.mean(axis=0)) / X.std(axis=0), 3)


def test_the_narrow_end_is_k_means(path):
    k_means = KMeans(3, n_init=10, random_state=0).fit(path.rows)
    assert (path.responsibilities[-1].argmax(axis=1) == k_means.labels_).all()
    assert np.allclose(path.means[-1], k_means.cluster_centers_, atol=1e-3)
    assert path.responsibilities[-1].max(axis=1).min() > 0.99


def test_centres_take_over_the_numbers_of_given_means(path):
    like = path.means[-1][[2, 0, 1]] + 0.1
    again = doubt_hardening.harden(path.rows, 3, path.sigmas[-2:], like=like)
    assert np.allclose(again.means[-1], path.means[-1][[2, 0, 1]], atol=1e-4)


def test_above_the_critical_width_there_is_one_centre(path):
    wide = np.array(path.sigmas) > 1.05 * path.critical
    assert path.critical == pytest.approx(1.11, abs=0.005)
    assert np.abs(path.means[wide]).max() < 1e-3
    narrow = np.array(path.sigmas) < 0.95 * path.critical
    assert all(doubt_hardening._n_centres(means) == 3 for means in path.means[narrow])


def test_the_entropy_falls_with_the_width(path):
    assert (np.diff(path.entropy) < 1e-6).all()
    assert path.entropy[0] == pytest.approx(1.0, abs=1e-6)
    assert path.entropy[-1] < 0.005


def test_each_state_is_a_fixed_point_of_em(path):
    for step in (12, 20, 30):
        sigma, means, gamma = path.sigmas[step], path.means[step], path.responsibilities[step]
        model = GaussianMixture.from_parameters(np.full(3, 1 / 3), means, np.full(3, sigma**2), "spherical")
        assert np.allclose(model.predict_proba(path.rows), gamma, atol=1e-8)
        assert np.allclose(gamma.T @ path.rows / gamma.sum(axis=0)[:, None], means, atol=1e-4)


@pytest.mark.parametrize("sigmas", [(1.0, 2.0), (1.0, 0.0), (), (0.5, 0.5)])
def test_sigmas_have_to_fall_and_be_positive(sigmas):
    with pytest.raises(ArgumentError, match="falling numbers above 0"):
        doubt_hardening.harden(np.zeros((4, 2)), 2, sigmas)


def test_the_hardening_widget_follows_its_slider(path):
    explorer = doubt_hardening.HardeningExplorer(path, ["a", "b"])
    first = explorer.image.value
    explorer.set(step=30)
    assert explorer.image.value != first
    assert "342 of 342 rows are certain" in explorer.words.value
    group = explorer.balls.groups[0]
    leader = path.responsibilities[30].argmax(axis=1)
    assert np.allclose(group.get_offsets(), path.rows[leader == 0])
    assert np.allclose(group.get_facecolors()[:, :3], mix(path.responsibilities[30])[leader == 0])
    ring = np.column_stack(explorer.balls.circles[1].get_data()) - path.means[30, 1]
    assert np.allclose(np.linalg.norm(ring, axis=1), path.sigmas[30])


# -------------------------------------------------------------------------- outliers


def test_a_row_put_in_swells_its_component_and_leaves_the_other_alone(geyser):
    model, table = geyser
    again = doubt_outlier.refit_with(model, table.data, [6.5, 40.0])
    k = again.predict([[6.5, 40.0]])[0]
    assert np.sqrt(again.covariances_[k, 1, 1] / model.covariances_[k, 1, 1]) > 1.08
    assert np.allclose(again.covariances_[1 - k], model.covariances_[1 - k], rtol=0.01)
    assert np.allclose(again.means_[1 - k], model.means_[1 - k], rtol=0.01)


def test_many_equal_rows_hide_one_another(geyser):
    model, table = geyser
    point = np.array([[6.5, 40.0]])
    found = [
        doubt.squared_distances(doubt_outlier.refit_with(model, table.data, point[0], n), point)[0]
        for n in (1, 5, 25)
    ]
    assert found == pytest.approx([69.9, 26.8, 6.5], abs=0.1)
    assert doubt.squared_distances(model, point)[0] == pytest.approx(117.1, abs=0.1)
    assert found[-1] < chi2.ppf(0.99, 2) < found[1]


@pytest.fixture(scope="module")
def outlier(geyser):
    return doubt_outlier.OutlierExplorer(*geyser)


@pytest.mark.parametrize("n", [4, 10, 30])
def test_no_row_is_further_than_the_rows_allow(n):
    rows = np.r_[np.zeros(n - 1), 1e6]
    assert (rows[-1] - rows.mean()) ** 2 / rows.var() == pytest.approx(n - 1)
    wild = np.random.default_rng(n).standard_cauchy((n, 2))
    away = wild - wild.mean(axis=0)
    assert (
        np.einsum("ni,ij,nj->n", away, np.linalg.inv(np.cov(wild.T, bias=True)), away).max() <= n - 1 + 1e-6
    )


def test_copies_are_at_least_one(geyser):
    with pytest.raises(ArgumentError, match="copies is 0"):
        doubt_outlier.refit_with(geyser[0], geyser[1].data, [1.0, 2.0], 0)


def test_the_outlier_widget_follows_its_controls(outlier):
    explorer = outlier
    explorer.set(x=6.5, y=40.0, copies=1)
    first = explorer.image.value
    assert (explorer.fit.point.get_xdata()[0], explorer.fit.point.get_ydata()[0]) == (6.5, 40.0)
    assert explorer.without.get_xdata()[0] == pytest.approx(117.1, abs=0.1)
    assert explorer.seen.get_xdata()[0] == pytest.approx(69.9, abs=0.1)
    explorer.set(copies=25)
    assert explorer.image.value != first
    assert explorer.seen.get_xdata()[0] == pytest.approx(6.5, abs=0.1)
    assert "25 rows at (6.5, 40)" in explorer.words.value


@pytest.mark.parametrize("copies", [1, 5, 25])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)])
def test_the_outlier_may_go_anywhere(outlier, corner, copies):
    explorer = outlier
    x, y = (explorer.controls[name] for name in "xy")
    explorer.set(x=x.min + corner[0] * (x.max - x.min), y=y.min + corner[1] * (y.max - y.min), copies=copies)
    assert "nan" not in explorer.words.value
    assert is_png(explorer.image.value)


# ------------------------------------------------------------------------------ twins


@pytest.mark.parametrize("name", ["refusal", "hardening", "outlier"])
def test_twins_are_pictures_with_words(name, refusal, path, outlier):
    makers = {
        "refusal": lambda: refusal,
        "hardening": lambda: doubt_hardening.HardeningExplorer(path, ["a", "b"]),
        "outlier": lambda: outlier,
    }
    explorer = makers[name]()
    data, metadata = explorer._repr_mimebundle_()
    assert len(metadata["image/png"]["alt"]) > 100
    assert data["text/plain"].startswith(type(explorer).__name__)
    assert is_png(png(explorer.panels()))
