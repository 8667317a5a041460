"""The pictures of the capstone, through their data and their words."""

import numpy as np
import pandas as pd
import pytest

from mixturelab import GaussianMixture, plot
from mixturelab.exceptions import ArgumentError
from mixturelab.plot.own_table import MOST, pairs, stability, surprise
from mixturelab.plot.own_table_widgets import TableExplorer, marginal, table_panels

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    RNG.normal(size=(60, 3)), columns=["width_mm", "length_mm", "mass_g"], index=range(100, 160)
)


def visible(ax):
    return [dots for dots in ax.collections if dots.get_alpha() != 0]


def test_every_two_features_are_drawn_against_each_other():
    drawn = pairs(TABLE)
    grid = np.array(drawn.axes[:9]).reshape(3, 3)
    for row in range(3):
        for column in range(3):
            if row != column:
                (dots,) = visible(grid[row, column])
                assert np.allclose(dots.get_offsets(), TABLE.to_numpy()[:, [column, row]])
    histograms = drawn.axes[9:]
    assert len(histograms) == 3
    assert [sum(bar.get_height() for bar in ax.patches) for ax in histograms] == [60, 60, 60]
    assert [ax.get_xlabel() for ax in grid[2]] == ["width mm", "length mm", "mass g"]
    assert [ax.get_ylabel() for ax in grid[:, 0]] == ["width mm", "length mm", "mass g"]


def test_groups_have_a_colour_and_a_marker_each_and_a_legend():
    groups = np.repeat(["b", "a"], 30)
    drawn = pairs(TABLE, units=["mm", "mm", "g"], groups=groups)
    first, second = visible(drawn.axes[1])
    assert len(first.get_offsets()) == len(second.get_offsets()) == 30
    assert not np.allclose(first.get_facecolor(), second.get_facecolor())
    assert len(first.get_paths()[0].vertices) != len(second.get_paths()[0].vertices)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["a", "b"]
    assert "coloured by a and b" in plot.alt_text(drawn)


@pytest.mark.parametrize("columns", [1, 2, MOST + 2])
def test_any_number_of_columns_has_a_picture(columns):
    table = pd.DataFrame(RNG.normal(size=(30, columns))).rename(columns=str)
    drawn = pairs(table)
    assert len(drawn.axes) == min(columns, MOST) ** 2 + min(columns, MOST)
    assert ("2 more columns not drawn" in plot.alt_text(drawn)) == (columns > MOST)


def test_surprising_rows_are_ringed_and_named_by_their_index():
    rows = TABLE.copy()
    rows.iloc[7] = [30.0, 0.0, 0.0]
    model = GaussianMixture(2, covariance_type="tied", random_state=0).fit(TABLE)
    drawn = surprise(model, rows, count=3)
    (ax,) = drawn.axes
    named = [text.get_text() for text in ax.texts]
    assert named[0] == "107"
    assert len(named) == 3
    density = np.sort(model.score_samples(rows))
    assert sorted(float(line.get_xdata()[0]) for line in ax.lines) == pytest.approx(density[:3])
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 60
    assert "row 107" in plot.alt_text(drawn)


def test_stability_has_a_dot_for_each_redrawn_table_and_a_bar_at_the_median():
    drawn = stability({"K = 2": [0.9, 1.0, 0.8], "K = 3": [0.2, 0.4]})
    (ax,) = drawn.axes
    dots, bars = ax.lines[0::2], ax.lines[1::2]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.8, 0.9, 1.0], [0.2, 0.4]]
    assert [line.get_xdata()[0] for line in bars] == pytest.approx([0.9, 0.3])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["K = 2", "K = 3"]
    assert "K = 3: 0.20 to 0.40, median 0.30" in plot.alt_text(drawn)


# ------------------------------------------------------------------------------------------------ the explorer


@pytest.fixture(scope="module")
def explorer():
    table = pd.concat([TABLE, TABLE.add([6.0, 0.0, 3.0])], ignore_index=True)
    return TableExplorer(table, range(1, 4), ["tied", "spherical"], n_init=2)


def test_a_marginal_strikes_out_rows_and_columns(explorer):
    fit = explorer.found.fit("tied", 2, allow=False)
    means, covariances = marginal(fit, (2, 0))
    assert np.allclose(means, fit.model.means_[:, [2, 0]])
    assert np.allclose(covariances[1], fit.covariances[1][np.ix_([2, 0], [2, 0])])


def test_the_explorer_finds_the_two_groups_and_says_so(explorer):
    assert all(explorer.found.best(name).key[1] == 2 for name in ("BIC", "ICL"))
    family = explorer.found.best("BIC").key[0]
    explorer.set(K=2, family=family, criterion="BIC")
    assert f"{family}, K = 2: BIC" in explorer.words.value
    assert "the best honest fit of all" in explorer.words.value


@pytest.mark.parametrize("change", [{"K": 1}, {"criterion": "ICL"}, {"x": 2}, {"y": 0}, {"family": "tied"}])
def test_each_control_changes_the_picture(explorer, change):
    explorer.set(K=2, family="spherical", criterion="BIC", x=0, y=1)
    before = explorer.image.value
    assert bytes(before).startswith(b"\x89PNG")
    explorer.set(**change)
    assert bytes(explorer.image.value) != bytes(before)


def test_components_have_the_colours_of_their_order(explorer):
    explorer.set(x=0, y=1)
    fit = explorer.found.fit("spherical", 2, allow=False)
    figure = table_panels(explorer.found, np.r_[TABLE, TABLE.add([6.0, 0.0, 3.0])], (0, 1), list("abc"))
    left, right = (np.mean(dots.get_offsets()[:, 0]) for dots in figure.axes[1].collections[:2])
    assert left == pytest.approx(fit.model.means_[:, 0].min(), abs=0.2)
    assert right == pytest.approx(fit.model.means_[:, 0].max(), abs=0.2)


def test_one_column_is_refused_in_words():
    with pytest.raises(ArgumentError, match="wanted two or more"):
        TableExplorer(TABLE[["width_mm"]])


def test_without_a_kernel_it_shows_what_each_criterion_chooses(explorer):
    words = explorer.still.alt_text
    assert words.startswith("120 rows in width mm and length mm")
    for name in ("AIC", "BIC", "ICL"):
        assert f"{name} chooses {'{}, K = {}'.format(*explorer.found.best(name).key)}" in words
