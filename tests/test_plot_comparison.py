"""Runs side by side: the curves, the scores and the table hold the numbers they were given, and say them."""

import numpy as np
import pytest

from mixturelab import plot


def rows(n=4, **changes):
    base = dict(trace_B=0.5, r_squared=0.6, batch_spread=0.9, opnorm_B=0.1, effective_rank=8.0)
    return [{"step": 10 * t, **base, **changes} for t in range(n)]


RUNS = {"healthy": ([5.0, 4.0, 3.0], rows()), "τ = 50": ([6.2, 6.2, 6.2], rows(trace_B=0.9, opnorm_B=0.6))}


def panel(figure, title):
    return next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(title))


def test_each_signal_has_a_panel_with_a_line_for_each_run():
    figure = plot.signal_curves(RUNS)
    losses = panel(figure, "loss").lines
    np.testing.assert_array_equal(losses[0].get_ydata(), [5.0, 4.0, 3.0])
    np.testing.assert_array_equal(losses[1].get_ydata(), [6.2, 6.2, 6.2])
    ratio = panel(figure, "opnorm_B").lines
    np.testing.assert_allclose(ratio[0].get_ydata(), 0.2)
    np.testing.assert_allclose(ratio[1].get_ydata(), 2 / 3)
    np.testing.assert_array_equal(ratio[0].get_xdata(), [0, 10, 20, 30])
    assert ratio[2].get_ydata()[0] == 0.5  # the alarm's limit
    assert len(panel(figure, "trace_B").lines) == 2


def test_lines_differ_in_more_than_colour():
    lines = panel(plot.signal_curves(RUNS), "loss").lines
    assert lines[0].get_color() != lines[1].get_color()
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    legend = plot.signal_curves(RUNS).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["healthy", "τ = 50"]


def test_what_was_not_logged_is_left_out():
    table = rows()
    table[1]["effective_rank"] = float("nan")
    table[2]["trace_B"] = 0.0
    figure = plot.signal_curves({"a": ([1.0], table)})
    np.testing.assert_array_equal(panel(figure, "effective rank").lines[0].get_xdata(), [0, 20, 30])
    np.testing.assert_array_equal(panel(figure, "opnorm_B").lines[0].get_xdata(), [0, 10, 30])


def test_the_curves_are_told():
    words = plot.signal_curves(RUNS).alt_text
    for part in [
        "2 runs",
        "healthy, loss 3, trace_B 0.5",
        "τ = 50, loss 6.2, trace_B 0.9",
        "effective rank 8",
    ]:
        assert part in words


# -------------------------------------------------------------------------------------------------- scores

SCORES = {"raw": {"ari": 0.6, "knn": 0.98, "more": 0.1}, "net": {"ari": 0.9, "knn": 0.99, "more": 0.2}}


def test_scores_are_dots_and_the_baseline_is_a_bar():
    figure = plot.score_dots(SCORES, names={"ari": "clusters", "knn": "kNN"}, baseline="raw")
    ax = figure.axes[0]
    raw, net = ax.lines
    np.testing.assert_array_equal(raw.get_xdata(), [0.6, 0.98])
    np.testing.assert_array_equal(net.get_xdata(), [0.9, 0.99])
    assert (raw.get_marker(), net.get_marker()) == ("|", "o")
    assert net.get_color() == plot.COLOURS[0]  # the first that is no baseline, as in the curves
    assert [label.get_text() for label in ax.get_yticklabels()] == ["clusters", "kNN"]


def test_scores_are_told():
    assert plot.score_dots(SCORES).alt_text == (
        "Scores of 2 methods. raw: ari 0.60, knn 0.98 and more 0.10. net: ari 0.90, knn 0.99 and more 0.20."
    )


# --------------------------------------------------------------------------------------------------- table


def test_components_are_put_in_the_order_of_the_classes():
    labels = np.repeat([0, 1, 2], 10)
    components = np.repeat([2, 0, 1], 10)
    components[0] = 1
    figure = plot.confusion_map(labels, components, ["zero", "one", "two"])
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "0", "1"]
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.9, 0, 0.1], [0, 1, 0], [0, 0, 1]])
    assert [text.get_text() for text in ax.texts] == ["9", "1", "10", "10"]
    assert "30 rows, a line for each of 3 classes" in figure.alt_text
    assert "96.7 % lie where class and component match" in figure.alt_text
    assert "The most divided class is zero: its commonest component has 90 %" in figure.alt_text


@pytest.mark.parametrize(("n_classes", "n_components"), [(2, 4), (4, 2)])
def test_there_may_be_more_of_one_than_of_the_other(n_classes, n_components):
    rng = np.random.default_rng(0)
    labels, components = rng.integers(n_classes, size=60), rng.integers(n_components, size=60)
    shares = plot.confusion_map(labels, components).axes[0].images[0].get_array()
    assert shares.shape == (n_classes, n_components)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
