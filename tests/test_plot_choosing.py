"""Choosing K: the curves, the needle, the simulation against slow oracles, and the explorer with its static twin."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest
from sklearn.mixture import GaussianMixture as Theirs

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.plot import choosing_rates
from mixturelab.plot.choosing import (
    CRITERIA,
    criteria_curves,
    named_fit,
    needle_map,
    overfit_curves,
    sentence,
)
from mixturelab.plot.choosing_rates import (
    Choices,
    choice_rates,
    draw_tables,
    fit_common_variance,
    simulate_choices,
    wilson,
)
from mixturelab.plot.choosing_widgets import ChoiceExplorer, choice_panels

GEYSER = load_dataset("old_faithful")


# ------------------------------------------------------------------------------------------------------- curves
def test_overfit_curves_draw_the_means_and_ring_the_best_unseen():
    train = np.array([[-5.0, -4.0, -3.0], [-5.2, -4.2, -3.2]])
    unseen = np.array([[-5.1, -4.3, -4.5], [-5.3, -4.1, -4.9]])
    figure = overfit_curves([1, 2, 3], train, unseen)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_allclose(lines["rows it was fitted to"].get_ydata(), train.mean(0))
    np.testing.assert_allclose(lines["rows kept back"].get_ydata(), unseen.mean(0))
    ring = figure.axes[0].get_lines()[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2, pytest.approx(-4.2))
    assert "rises to K = 2 (ringed)" in figure.alt_text
    assert lines["rows kept back"].get_marker() != lines["rows it was fitted to"].get_marker()


def test_criteria_curves_ring_each_lowest():
    curves = {"AIC": [5.0, 3.0, 1.0], "BIC": [5.0, 4.0, 6.0], "ICL": [5.0, 7.0, 9.0]}
    figure = criteria_curves([1, 2, 3], curves, "title")
    lines = figure.axes[0].get_lines()
    for line, (name, values) in zip(lines[0::2], curves.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), values)
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines[1::2]]
    assert rings == [(3, 1.0), (2, 4.0), (1, 5.0)]
    assert "AIC at K = 3, BIC at K = 2 and ICL at K = 1" in figure.alt_text


# ------------------------------------------------------------------------------------------------------- needle
def needle_model():
    return GaussianMixture.from_parameters(
        [0.6, 0.4], [[3.5, 71.0], [4.2, 83.0]], [[1.2, 170.0], [0.2, 1e-6]], "diag"
    )


def test_the_needle_s_rows_are_marked_in_both_panels():
    figure = needle_map(needle_model(), GEYSER)
    assert len(figure.axes) == 2
    for ax in figure.axes:
        offsets = np.asarray(ax.collections[1].get_offsets())
        assert len(offsets) == 14
        assert set(offsets[:, 1]) == {83.0}
        assert len(ax.collections[0].get_offsets()) == 272 - 14
    low, high = figure.axes[1].get_ylim()
    assert low < 82 < 84 < high
    assert "all of its 14 rows lie on it, at waiting (min) = 83" in figure.alt_text


def test_the_needle_is_found_by_its_thinnest_direction():
    tilted = np.array([[1.0, 0.9999999], [0.9999999, 1.0]])
    model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0, 0.0], [9.0, 9.0]], [tilted, 0.1 * np.eye(2)])
    rows = np.array([[-1.0, -1.0], [0.5, 0.5], [1.0, 1.0], [9.0, 9.1], [9.1, 9.0]])
    offsets = needle_map(model, rows).axes[0].collections[1].get_offsets()
    np.testing.assert_array_equal(offsets, rows[:3])


# -------------------------------------------------------------------------------------------------- simulation
def expanded(values, counts):
    return np.repeat(values, counts.astype(int))[:, None]


def test_tables_have_their_rows_and_their_distance():
    values, table = draw_tables(np.random.default_rng(0), 4.0, 300, 40)
    assert (table.sum(axis=1) == 300).all()
    rows = np.concatenate([expanded(values, counts) for counts in table])
    assert rows.mean() == pytest.approx(0, abs=0.1)
    assert rows.var() == pytest.approx(1 + 4, abs=0.2)  # within and between: 1 + (4/2)²


@pytest.mark.parametrize("k", [1, 2, 3])
def test_many_tables_at_once_are_fitted_as_scikit_learn_fits_one(k):
    values, table = draw_tables(np.random.default_rng(3), 3.0, 150, 6)
    level, doubt = fit_common_variance(values, table, k, tol=1e-9, max_iter=20_000)
    for r in range(6):
        rows = expanded(values, table[r])
        start = values[np.searchsorted(table[r].cumsum() / 150, (np.arange(k) + 0.5) / k)]
        theirs = Theirs(
            k,
            covariance_type="tied",
            means_init=start[:, None],
            weights_init=np.full(k, 1 / k),
            precisions_init=[[k / rows.var()]],
            tol=1e-11,
            max_iter=20_000,
            reg_covar=0,
        ).fit(rows)
        gamma = theirs.predict_proba(rows)
        assert level[r] == pytest.approx(theirs.score(rows) * 150, abs=1e-4)
        assert doubt[r] == pytest.approx(-(gamma * np.log(gamma)).sum(), abs=0.02)


def test_a_table_s_result_does_not_depend_on_its_company():
    values, table = draw_tables(np.random.default_rng(3), 2.0, 80, 5)
    together, _ = fit_common_variance(values, table, 3)
    alone = [fit_common_variance(values, table[r : r + 1], 3)[0][0] for r in range(5)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_iterations_may_run_out():
    values, table = draw_tables(np.random.default_rng(0), 3.0, 100, 4)
    level, doubt = fit_common_variance(values, table, 3, max_iter=3)
    assert np.isfinite(level).all()
    assert (doubt > 0).all()


def test_choices_are_those_of_the_criteria():
    values, table = draw_tables(np.random.default_rng([7, 30, 60]), 3.0, 60, 25)
    found = simulate_choices([3.0], [60], 25, random_state=7)
    slow = np.zeros((3, 3), dtype=int)
    for counts in table:
        fits = [fit_common_variance(values, counts[None], k) for k in (1, 2, 3)]
        ell, doubt = np.array([f[0][0] for f in fits]), np.array([f[1][0] for f in fits])
        p = np.array([2, 4, 6])  # K means, K − 1 weights, one variance
        bic = -2 * ell + p * np.log(60)
        for c, values_of in enumerate((-2 * ell + 2 * p, bic, bic + 2 * doubt)):
            slow[c, values_of.argmin()] += 1
    np.testing.assert_array_equal(found.counts[0, 0], slow)
    assert found.n_tables == 25
    assert found.share("BIC", 2)[0, 0] == slow[1, 1] / 25


def test_wilson_s_interval():
    for successes in (0, 3, 144, 200):
        low, high = wilson(successes, 200)
        theirs = binomtest(successes, 200).proportion_ci(method="wilson")
        assert (float(low), float(high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


# What the notebook's table says: per cent of 2000 tables for which K = 2 was chosen; at 2, 3, 4 sd with N = 100, 800.
TABLE = {
    "AIC": [[36, 88], [83, 90], [90, 91]],
    "BIC": [[10, 68], [76, 100], [99, 100]],
    "ICL": [[0, 0], [5, 0], [85, 100]],
}


@pytest.mark.slow
def test_the_notebook_s_table_of_rates():
    runs = [simulate_choices(sizes=(100, 800), random_state=seed) for seed in range(10)]
    counts = sum(run.counts for run in runs)
    pooled = Choices(runs[0].separations, (100, 800), runs[0].ks, counts)
    assert pooled.n_tables == 2000
    for name, told in TABLE.items():
        np.testing.assert_allclose(100 * pooled.share(name), told, atol=0.75)
        low, high = wilson(2000 * pooled.share(name), 2000)
        assert (100 * (high - low) / 2).max() < 2.2  # "known to about 2 per cent"
        apart = np.abs(runs[0].share(name) - pooled.share(name))  # the picture has the first run
        assert (apart < 4 * np.sqrt(0.25 / 200)).all()
    third = counts[:, :, CRITERIA.index("AIC"), 2] / 2000
    assert (abs(third - 0.11) < 0.035).all()  # "in about one table of ten it takes a third one"


def test_what_the_notebook_says_of_its_picture_of_rates():
    found = simulate_choices()
    assert (np.diff(found.share("BIC")[1:], axis=1) > -0.02).all()  # consistency
    assert (found.share("AIC", 3)[:, 2:] > 0.05).all()  # a third one, however many rows
    assert found.share("BIC")[0, -1] < 0.85  # where the bells merge, 800 rows are not yet enough
    assert (np.diff(found.share("ICL")[2]) > 0).all()  # only where the gap is wide
    assert found.share("ICL")[1, 0] > found.share("ICL")[1, -1]  # worse with more rows
    assert found.counts.sum() == 3 * 3000


def test_the_picture_of_rates_has_the_shares_and_their_intervals():
    counts = np.zeros((1, 2, 3, 3), dtype=int)
    counts[0, :, 0] = [[5, 15, 0], [0, 16, 4]]
    counts[0, :, 1] = [[10, 10, 0], [0, 20, 0]]
    counts[0, :, 2] = [[20, 0, 0], [20, 0, 0]]
    figure = choice_rates(Choices((3.0,), (50, 200), (1, 2, 3), counts))
    truth, panel = figure.axes
    assert "3 sd apart" in truth.get_title(loc="left")
    for container, name in zip(panel.containers, CRITERIA, strict=True):
        line, _, (bars,) = container
        share = counts[0, :, CRITERIA.index(name), 1] / 20
        np.testing.assert_allclose(line.get_ydata(), share)
        low, high = wilson(share * 20, 20)
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, np.column_stack([np.minimum(low, share), np.maximum(high, share)]))
    assert "With 200 rows: 3 sd apart, AIC mostly, BIC nearly always and ICL hardly ever" in figure.alt_text


def test_shares_in_words():
    words = [choosing_rates._banded(share) for share in (0.0, 0.2, 0.5, 0.85, 1.0)]
    assert words == ["hardly ever", "seldom", "half the time", "mostly", "nearly always"]


# ---------------------------------------------------------------------------------------------------- the sweep
@pytest.fixture(scope="module")
def explorer():
    return ChoiceExplorer(
        GEYSER,
        range(1, 6),
        ["tied", "diag"],
        n_init=2,
        random_state=18,
        shown=[("tied", 3, False), ("diag", 5, True)],
    )


@pytest.fixture(scope="module")
def found(explorer):
    return explorer.found


def test_the_sweep_keeps_the_best_honest_fit_and_a_degenerate_one_that_beats_it(found):
    assert set(found.degenerate) == {("diag", 5)}
    assert len(found.honest) == 10
    assert not any(fit.reasons for fit in found.honest.values())
    needle = found.degenerate["diag", 5]
    assert needle.criteria["BIC"] == pytest.approx(2220.7, abs=0.1)
    assert needle.responsibilities.shape == (272, 5)
    assert needle.covariances.shape == (5, 2, 2)
    for fit in found.honest.values():
        model = fit.model
        wanted = {
            "AIC": model.aic(GEYSER.data),
            "BIC": model.bic(GEYSER.data),
            "ICL": model.icl(GEYSER.data),
        }
        assert dict(fit.criteria) == pytest.approx(wanted, rel=1e-12)


def test_best_and_gap(found):
    best = found.best("BIC")
    assert named_fit(best) == "tied, K = 3"
    assert found.gap(best, "BIC") == 0
    assert min(found.gap(fit, "BIC") for fit in found.honest.values()) == 0
    assert found.best("BIC", allow=True).key == ("diag", 5)
    assert found.gap(found.best("BIC", allow=True), "BIC") == pytest.approx(-93.6, abs=0.1)
    assert found.fit("diag", 5, allow=False) is found.honest["diag", 5]
    assert found.fit("diag", 5, allow=True) is found.degenerate["diag", 5]
    assert found.fit("tied", 3, allow=True) is found.honest["tied", 3]
    assert found.fit("tied", 99, allow=True) is None


def test_sentences(found):
    assert sentence(found, "tied", 3, "BIC", False) == "tied, K = 3: BIC 2314.3, the best honest fit of all."
    told = sentence(found, "tied", 2, "BIC", False)
    assert told == "tied, K = 2: BIC 2325.2, 10.9 above the best honest fit, tied, K = 3."
    told = sentence(found, "diag", 5, "BIC", True)
    assert told.startswith(
        "diag, K = 5: BIC 2220.7, 93.6 below the best honest fit, tied, K = 3. Degenerate: "
    )
    assert "14.0 rows" in told
    assert "every start ended in a degenerate fit" in sentence(found, "tied", 99, "BIC", False)


NOTEBOOK = """
import json
from mixturelab import load_dataset
from mixturelab.plot.choosing import CRITERIA, sweep
families = ["full", "tied", "diag", "spherical"]
found = sweep(load_dataset("old_faithful").data, range(1, 7), families, n_init=1, more={("diag", 5): 3})
keys = {name: found.best(name).key for name in CRITERIA}
gaps = sorted(found.gap(fit, "BIC") for fit in found.honest.values())
print(json.dumps({"keys": keys, "gaps": gaps, "degenerate": list(found.degenerate)}))
"""


def test_the_notebook_s_explorer_chooses_what_its_text_says():
    """In a process of its own: the shape checks of these tests make a sweep slow."""
    run = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["keys"] == {"AIC": ["full", 6], "BIC": ["tied", 3], "ICL": ["full", 2]}
    assert found["degenerate"] == [["diag", 5]]
    assert found["gaps"][1:3] == pytest.approx([5.8, 7.9], abs=0.06)


# ----------------------------------------------------------------------------------------------------- explorer
def size(data):
    return Image.open(io.BytesIO(data)).size


def test_every_control_moves_the_picture_and_the_words(explorer):
    explorer.set(K=1, family="tied", criterion="BIC", allow=False)
    seen = [explorer.image.value]
    for name, value in [("K", 5), ("family", "diag"), ("criterion", "ICL"), ("allow", True)]:
        explorer.controls[name].value = value
        assert explorer.image.value not in seen
        seen.append(explorer.image.value)
    assert len({size(data) for data in seen}) == 1
    assert "Degenerate: component" in explorer.words.value
    assert 'aria-live="polite"' in explorer.words.value
    explorer.set(K=1, family="tied", criterion="BIC", allow=False)
    assert explorer.image.value == seen[0]


def test_the_explorer_draws_the_fit_and_the_distances(explorer):
    panels = explorer._draw.__wrapped__.__self__
    scene, curves = panels.scene, panels.curves
    fit = explorer.found.honest["tied", 3]
    scene.draw(fit)
    curves.draw("tied", 3, "BIC", allow=True)
    shown = [len(dots.get_offsets()) for dots in scene.dots if dots.get_visible()]
    assert shown == np.bincount(fit.responsibilities.argmax(axis=1)).tolist()
    assert sum(edge.get_visible() for edge in scene.edges) == 3
    tied = curves.lines[curves.families.index("tied")].get_ydata()
    np.testing.assert_allclose(
        tied, [explorer.found.gap(explorer.found.honest["tied", k], "BIC") for k in range(1, 6)]
    )
    assert (curves.ring.get_xdata()[0], curves.ring.get_ydata()[0]) == (3, 0)
    assert list(curves.crosses.get_xdata()) == [5]
    curves.draw("diag", 5, "BIC", allow=False)
    assert list(curves.crosses.get_xdata()) == []


def test_a_needle_is_drawn_apart(explorer):
    scene = explorer._draw.__wrapped__.__self__.scene
    scene.draw(explorer.found.degenerate["diag", 5])
    edges = scene.edges
    widths = [edge.get_linewidth() for edge in edges]
    needle = explorer.found.degenerate["diag", 5].covariances[:, 1, 1].argmin()
    assert int(np.argmax(widths)) == needle
    assert sorted(widths)[-2] < widths[needle]


def test_the_static_twin_tells_the_story(explorer):
    words = explorer.still.alt_text
    assert "tied, K = 3 and diag, K = 5 (degenerate: one ellipse is a needle)" in words
    assert words.endswith("Lowest of all is a degenerate one, diag, K = 5.")
    figure = choice_panels(explorer.found, GEYSER, [("tied", 3, False), ("diag", 5, True)])
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[:2] == ["tied, K = 3: BIC 2314.3", "diag, K = 5: BIC 2220.7 ✗"]
    lines = {line.get_label(): line for line in figure.axes[2].get_lines()}
    np.testing.assert_allclose(lines["degenerate"].get_ydata(), [-93.6], atol=0.1)
    assert figure.axes[0].get_xlabel() == "eruptions (min)"
    data, metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == f"ChoiceExplorer: {words}"
    assert metadata["image/png"]["alt"] == words


def test_rows_without_names_and_a_family_without_an_honest_fit():
    rows = np.r_[np.zeros((9, 2)), [[5.0, 5.0], [6.0, 5.0], [5.0, 6.5], [7.0, 5.5]]]
    made = ChoiceExplorer(rows, [1, 2], ["diag"], n_init=1, shown=[("diag", 1, False), ("diag", 2, False)])
    assert ("diag", 2) not in made.found.honest
    made.set(K=2)
    assert "every start ended in a degenerate fit" in made.words.value
    assert "under diag, K = 1." in made.still.alt_text
