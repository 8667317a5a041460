"""Pictures: what is drawn is where the numbers say, and every picture carries its alternative text."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from PIL import Image
from scipy.stats import chi2, multivariate_normal, norm

from mixturelab import GaussianMixture, load_dataset, plot
from mixturelab.inference.fit import History, Status
from mixturelab.plot.labels import axis_label, listed, short

FAMILIES = ("full", "tied", "diag", "spherical")


def table(n_features: int, n_rows: int = 120) -> np.ndarray:
    rng = np.random.default_rng(7)
    centres = rng.normal(scale=6, size=(3, n_features))
    return np.concatenate([c + rng.normal(size=(n_rows // 3, n_features)) for c in centres])


def mixture(X, n_components: int, covariance_type: str = "full") -> GaussianMixture:
    model = GaussianMixture(n_components, covariance_type=covariance_type, random_state=0, reg_covar=1e-2)
    return model.set_params(max_iter=500).fit(X)


def drawn(figure: Figure) -> Image.Image:
    return Image.open(io.BytesIO(plot.png(figure)))


@pytest.fixture(scope="module")
def faithful():
    return load_dataset("old_faithful")


@pytest.fixture(scope="module")
def eruptions(faithful):
    return GaussianMixture(2, random_state=0).fit(faithful.frame)


# -------------------------------------------------------------------------------------- regions of probability
@pytest.mark.parametrize("mass", [0.05, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("covariance", [np.eye(2), [[4.0, 1.9], [1.9, 1.0]], np.diag([1e-6, 1e3])])
def test_every_point_of_an_ellipse_is_at_the_chi_squared_quantile(mass, covariance):
    points = plot.ellipse([3.0, -2.0], covariance, mass) - [3.0, -2.0]
    distance = (points @ np.linalg.inv(covariance) * points).sum(axis=1)
    np.testing.assert_allclose(distance, chi2.ppf(mass, 2), rtol=1e-8)
    np.testing.assert_array_equal(points[0].round(9), points[-1].round(9))


def test_an_ellipse_holds_its_share_of_random_rows():
    mean, covariance = [1.0, 2.0], [[2.0, -0.8], [-0.8, 0.5]]
    rows = multivariate_normal(mean, covariance, seed=1).rvs(40_000)
    inside = Outline(plot.ellipse(mean, covariance, 0.8)).contains_points(rows).mean()
    assert abs(inside - 0.8) < 0.01


def test_an_interval_holds_its_share():
    low, high = plot.interval(2.0, 9.0, 0.95)
    assert norm.cdf(high, 2, 3) - norm.cdf(low, 2, 3) == pytest.approx(0.95)
    assert (low + high) / 2 == pytest.approx(2.0)


@pytest.mark.parametrize("mass", [0.0, 1.0, 1.5, -0.1, 90])
def test_a_mass_that_is_no_probability_is_refused(mass, eruptions, faithful):
    with pytest.raises(ValueError, match=r"mass is .* between 0 and 1"):
        plot.soft_assignments(eruptions, faithful, mass=mass)


@pytest.mark.parametrize("family", FAMILIES)
def test_covariance_matrices_are_those_of_the_family(family):
    model = mixture(table(3), 3, family)
    matrices = plot.covariance_matrices(model)
    assert matrices.shape == (3, 3, 3)
    expected = {
        "full": lambda c: c,
        "tied": lambda c: np.broadcast_to(c, (3, 3, 3)),
        "diag": lambda c: np.array([np.diag(row) for row in c]),
        "spherical": lambda c: np.array([value * np.eye(3) for value in c]),
    }[family](model.covariances_)
    np.testing.assert_array_equal(matrices, expected)


# ------------------------------------------------------------------------------------------------------ palette
def test_a_mixed_colour_lies_between_and_a_sure_one_is_the_components_own():
    colours = plot.mix([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_allclose(colours[0], to_rgb(plot.COLOURS[0]), atol=1e-12)
    np.testing.assert_allclose(colours[3], to_rgb(plot.COLOURS[2]), atol=1e-12)
    low, high = np.minimum(colours[0], colours[1]), np.maximum(colours[0], colours[1])
    assert ((colours[2] >= low) & (colours[2] <= high)).all()
    assert ((colours >= 0) & (colours <= 1)).all()


# --------------------------------------------------------------------------------------------- soft assignments
@pytest.mark.parametrize("n_components", [1, 3, 11])
@pytest.mark.parametrize("n_features", [1, 2, 4])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::mixturelab.exceptions.DegenerateFitWarning")
def test_every_family_dimension_and_number_of_components_is_drawn(family, n_features, n_components):
    X = table(n_features)
    figure = plot.soft_assignments(mixture(X, n_components, family), X)
    assert drawn(figure).size[0] > 600
    text = plot.alt_text(figure)
    assert f"K = {n_components}" in text
    assert family in text
    assert "90 %" in text
    labels = [entry.get_text() for entry in figure.axes[0].get_legend().get_texts()]
    assert sum(label.startswith("component ") for label in labels) == n_components


def ellipses(axes) -> list[np.ndarray]:
    return [line.get_xydata() for line in axes.get_lines() if len(line.get_xydata()) > 100]


def test_the_ellipses_are_those_of_the_mixture(eruptions, faithful):
    axes = plot.soft_assignments(eruptions, faithful, mass=(0.5, 0.9)).axes[0]
    found = ellipses(axes)
    expected = [
        plot.ellipse(mean, covariance, mass)
        for mean, covariance in zip(eruptions.means_, eruptions.covariances_, strict=True)
        for mass in (0.9, 0.5)
    ]
    assert len(found) == 4
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b)


def test_with_more_features_the_ellipse_is_the_marginal_and_the_picture_says_so():
    X = table(4)
    model = mixture(X, 2)
    figure = plot.soft_assignments(model, X, columns=(3, 1))
    expected = plot.ellipse(model.means_[0][[3, 1]], model.covariances_[0][np.ix_([3, 1], [3, 1])], 0.9)
    np.testing.assert_allclose(ellipses(figure.axes[0])[0], expected)
    assert figure.axes[0].get_xlabel() == "feature 3"
    assert any("marginals" in entry.get_text() for entry in figure.axes[0].get_legend().get_texts())


def test_the_features_drawn_by_default_are_those_that_separate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    X[:100, [1, 3]] += 8
    axes = plot.soft_assignments(mixture(X, 2), X).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("feature 1", "feature 3")


def test_uncertain_rows_are_counted_drawn_larger_and_edged(faithful):
    model = GaussianMixture(3, covariance_type="tied", random_state=0, max_iter=500).fit(faithful.frame)
    largest = model.predict_proba(faithful.frame).max(axis=1)
    figure = plot.soft_assignments(model, faithful)
    assert f"{(largest < 0.9).sum()} rows are uncertain" in plot.alt_text(figure)
    groups = figure.axes[0].collections
    edged = [group for group in groups if group.get_linewidths()[0] > 0]
    plain = [group for group in groups if group.get_linewidths()[0] == 0]
    assert sum(len(group.get_offsets()) for group in edged) == (largest < 0.9).sum()
    assert sum(len(group.get_offsets()) for group in plain) == (largest >= 0.9).sum()
    assert min(group.get_sizes()[0] for group in edged) > max(group.get_sizes()[0] for group in plain)


def test_rows_have_the_mixed_colour_of_their_responsibilities(faithful, eruptions):
    figure = plot.soft_assignments(eruptions, faithful)
    expected = {
        (*point, *colour.round(6))
        for point, colour in zip(
            faithful.data, plot.mix(eruptions.predict_proba(faithful.frame)), strict=True
        )
    }
    found = {
        (*point, *colour[:3].round(6))
        for group in figure.axes[0].collections
        for point, colour in zip(group.get_offsets(), group.get_facecolors(), strict=True)
    }
    assert found == expected


def test_names_and_units_reach_the_axes(eruptions, faithful):
    axes = plot.soft_assignments(eruptions, faithful).axes[0]
    assert axes.get_xlabel() == f"eruptions ({faithful.units[0]})"
    axes = plot.soft_assignments(eruptions, faithful.frame, units={"waiting": "minutes"}).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("eruptions", "waiting (minutes)")
    axes = plot.soft_assignments(eruptions, faithful.data, feature_names=["a_b", "c"]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a b", "c")
    axes = plot.soft_assignments(eruptions, faithful.data).axes[0]
    assert axes.get_xlabel() == "eruptions"


def test_names_that_do_not_fit_are_refused(eruptions, faithful):
    with pytest.raises(ValueError, match="feature_names has 3 names; the mixture has 2 features"):
        plot.soft_assignments(eruptions, faithful.data, feature_names=["a", "b", "c"])


@pytest.mark.parametrize("columns", [(0, 4), (0,), (-1, 0), (0, 1, 2)])
def test_columns_that_are_not_there_are_refused(columns):
    X = table(4)
    with pytest.raises(ValueError, match="wanted two numbers from 0 to 3"):
        plot.soft_assignments(mixture(X, 2), X, columns=columns)


def test_of_many_rows_some_are_drawn_and_all_are_counted(eruptions):
    X = np.repeat([[2.0, 54.0], [4.3, 80.0]], 3000, axis=0)
    figure = plot.soft_assignments(GaussianMixture.from_parameters(*parts(eruptions)), X, max_points=1000)
    assert sum(len(group.get_offsets()) for group in figure.axes[0].collections) == 1000
    legend = [entry.get_text() for entry in figure.axes[0].get_legend().get_texts()]
    assert "1,000 of 6,000 rows drawn" in legend
    assert "6,000 rows" in plot.alt_text(figure)


def parts(model):
    return model.weights_, model.means_, model.covariances_


def test_a_mixture_fitted_to_tensors_is_drawn(faithful):
    X = torch.from_numpy(faithful.data)
    assert "272 rows" in plot.alt_text(plot.soft_assignments(GaussianMixture(2, random_state=0).fit(X), X))


def test_one_feature_shows_a_density_that_integrates_to_one():
    X = table(1)
    model = mixture(X, 2)
    axes = plot.soft_assignments(model, X).axes[0]
    curve = max((line.get_xydata() for line in axes.get_lines()), key=len)
    whole = max(
        (line.get_xydata() for line in axes.get_lines() if len(line.get_xydata()) == len(curve)),
        key=lambda c: c[:, 1].sum(),
    )
    assert np.trapezoid(whole[:, 1], whole[:, 0]) == pytest.approx(1, abs=0.01)
    assert axes.get_ylabel() == "probability density"


def test_given_axes_are_drawn_in_and_two_panels_keep_both_texts(eruptions, faithful):
    figure, (left, right) = plot.subplots(1, 2, width=12, height=5)
    returned = plot.soft_assignments(eruptions, faithful, ax=left, legend=False)
    first = plot.alt_text(figure)
    plot.soft_assignments(eruptions, faithful, ax=right, title="again", legend=False)
    assert returned is figure
    assert left.get_legend() is None
    assert right.get_title(loc="left") == "again"
    assert plot.alt_text(figure) == f"{first} {first}"


# ---------------------------------------------------------------------------------------------- selection curve
def selection(criterion="bic", lower_is_better=True, spurious=(), families=("full", "tied"), ks=range(1, 5)):
    rows = [
        {
            "covariance_type": family,
            "n_components": k,
            criterion: 1000.0 + 10 * abs(k - 2) + i,
            "spurious": False,
            "reason": "",
        }
        for i, family in enumerate(families)
        for k in ks
    ]
    sign = 1 if lower_is_better else -1
    best = min(rows, key=lambda row: sign * row[criterion])
    rows += [{"covariance_type": f, "n_components": k, criterion: v, "spurious": True, "reason": why}
             for f, k, v, why in spurious]  # fmt: skip
    return SimpleNamespace(
        table=pd.DataFrame(rows), criterion=criterion, lower_is_better=lower_is_better, best_row=best
    )


def markers(axes, marker: str) -> list[tuple[float, float]]:
    return [
        tuple(line.get_xydata()[0])
        for line in axes.get_lines()
        if line.get_marker() == marker and len(line.get_xydata()) == 1
    ]


def test_each_family_has_its_line_and_the_winner_its_ring():
    figure = plot.selection_curve(selection())
    axes = figure.axes[0]
    curves = [line for line in axes.get_lines() if len(line.get_xydata()) == 4]
    assert len(curves) == 2
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in curves}) == 2
    assert markers(axes, "o") == [(2.0, 1000.0)]
    assert axes.get_title(loc="left") == "BIC chooses full, K = 2"
    assert "lower is better" in axes.get_ylabel()
    assert any("winner: full, K = 2" in text.get_text() for text in axes.texts)
    assert "No fit is spurious" in plot.alt_text(figure)


def test_a_spurious_fit_is_crossed_off_its_line_and_named_if_it_would_have_won():
    spurious = [("tied", 3, 998.0, "component 1 (14 rows) has no width"), ("full", 4, 1004.5, "too few rows")]
    figure = plot.selection_curve(selection(spurious=spurious))
    axes = figure.axes[0]
    assert markers(axes, "x") == [(3.0, 998.0), (4.0, 1004.5)]
    assert all(len(line.get_xydata()) in (1, 4) for line in axes.get_lines())
    hollow = [line for line in axes.get_lines() if line.get_markersize() == 12]
    assert [line.get_markerfacecolor() for line in hollow] == ["white", "white"]
    assert "spurious: never wins" in [entry.get_text() for entry in figure.legends[0].get_texts()]
    notes = "\n".join(text.get_text() for text in figure.texts)
    assert "A: tied, K = 3 (998.0) is spurious: component 1 (14 rows) has no width" in notes
    assert "too few rows" not in notes
    assert "2 fits marked as spurious" in plot.alt_text(figure)
    assert "component 1 (14 rows) has no width" in plot.alt_text(figure)


def test_a_spurious_fit_far_away_does_not_squash_the_picture():
    figure = plot.selection_curve(selection(spurious=[("full", 4, -1e9, "singular")]))
    low, high = figure.axes[0].get_ylim()
    assert high - low < 100
    assert markers(figure.axes[0], "x")[0][1] == pytest.approx(low)


def test_where_higher_is_better_the_highest_wins():
    figure = plot.selection_curve(selection("cv", lower_is_better=False))
    assert "Cross-validation chooses tied, K = 4" in figure.axes[0].get_title(loc="left")
    assert "higher is better" in figure.axes[0].get_ylabel()


def test_poor_fits_bring_a_second_panel_that_shows_the_good_ones():
    squashed = selection()
    squashed.table.loc[0, "bic"] = 1e5
    figure = plot.selection_curve(squashed)
    whole, near = figure.axes
    assert whole.get_ylim()[1] > 1e5
    assert near.get_ylim()[1] < 1100
    assert len(plot.selection_curve(selection()).axes) == 1


def test_fits_without_a_value_are_left_out_and_a_single_fit_is_drawn():
    result = selection(families=("full",), ks=[2])
    result.table.loc[1] = ["tied", 2, np.nan, True, "collapsed"]
    figure = plot.selection_curve(result)
    assert drawn(figure).size[0] > 600
    assert "2 alone" in plot.alt_text(figure)


def test_the_curve_of_a_real_selection(faithful):
    from mixturelab import select

    result = select(faithful.frame, [1, 2], "full", n_init=1, random_state=0)
    figure, axes = plot.subplots()
    assert plot.selection_curve(result, ax=axes, title="mine") is figure
    assert axes.get_title(loc="left") == "mine"
    values = dict(axes.get_lines()[0].get_xydata())
    assert values == dict(zip(result.table["n_components"], result.table["bic"], strict=True))


# -------------------------------------------------------------------------------------------------- convergence
def test_the_trace_and_its_gains_are_those_of_the_history(faithful):
    model = GaussianMixture(3, tol=1e-5, max_iter=500, random_state=0).fit(faithful.frame)
    figure = plot.convergence(model)
    upper, lower = figure.axes
    trace = np.array(model.history_.log_likelihood)
    np.testing.assert_array_equal(upper.get_lines()[0].get_ydata(), trace)
    np.testing.assert_allclose(lower.get_lines()[0].get_ydata(), np.diff(trace)[np.diff(trace) > 0])
    assert lower.get_yscale() == "log"
    assert lower.get_lines()[1].get_ydata()[0] == 1e-5
    assert upper.get_title(loc="left") == f"EM: converged after {len(trace)} iterations"
    assert " ".join(lower.get_xlabel().split()).endswith(model.history_.reason)
    assert model.history_.reason in plot.alt_text(figure)


@pytest.mark.parametrize("trace", [(), (-4.0,), (-4.0, -4.0)])
def test_a_trace_without_gains_is_drawn(trace):
    figure = plot.convergence(History(trace, Status.MAX_ITER, "max_iter=1 was reached."))
    assert [text.get_text() for text in figure.axes[1].texts] == ["no gain to show"]
    assert "not converged (max_iter)" in figure.axes[0].get_title(loc="left")
    assert drawn(figure).size[0] > 600


def test_tol_can_be_given_with_a_history():
    history = History((-5.0, -4.0, -3.9), Status.CONVERGED, "Converged.")
    assert plot.convergence(history, tol=0.5).axes[1].texts[0].get_text() == "tol = 0.5"
    assert not plot.convergence(history).axes[1].texts


# ------------------------------------------------------------------------------------------- alternative text
def bundle(value) -> tuple[dict, dict]:
    from IPython.core.formatters import DisplayFormatter

    return DisplayFormatter().format(value)


def test_a_picture_shows_itself_with_its_text_in_the_metadata(eruptions, faithful):
    figure = plot.soft_assignments(eruptions, faithful)
    data, metadata = bundle(figure)
    assert metadata == {"image/png": {"alt": plot.alt_text(figure)}}
    assert data["text/plain"] == f"Picture: {plot.alt_text(figure)}"
    assert base64.b64decode(data["image/png"]) == plot.png(figure)
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).format == "PNG"


def test_the_text_stays_where_matplotlibs_own_formatter_draws_the_picture(eruptions, faithful):
    from IPython.core.formatters import DisplayFormatter

    formatter = DisplayFormatter()
    formatter.formatters["image/png"].for_type(Figure, lambda figure: b"drawn elsewhere")
    figure = plot.soft_assignments(eruptions, faithful)
    data, metadata = formatter.format(figure)
    assert data["image/png"] == b"drawn elsewhere"
    assert metadata == {"image/png": {"alt": plot.alt_text(figure)}}


def test_any_figure_can_be_shown_with_words():
    figure = Figure()
    figure.subplots().plot([1, 2])
    data, metadata = bundle(plot.show(figure, "A line that rises."))
    assert metadata == {"image/png": {"alt": "A line that rises."}}
    assert data["text/plain"] == "Picture: A line that rises."
    plot.describe(figure, "It rises.")
    assert plot.show(figure).alt_text == "It rises."


@pytest.mark.parametrize("text", [None, "", "  "])
def test_a_figure_without_words_is_not_shown(text):
    with pytest.raises(ValueError, match="say in words what the picture shows"):
        plot.show(Figure(), text)


def test_a_picture_without_words_is_still_a_figure():
    figure = plot.new(4, 3)
    assert plot.alt_text(figure) == ""
    assert repr(figure) == "<Picture size 440x330 with 0 Axes>"


# -------------------------------------------------------------------------------- nothing global, same bytes
def test_the_same_picture_is_the_same_bytes_whatever_the_users_settings(eruptions, faithful):
    first = plot.png(plot.soft_assignments(eruptions, faithful))
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "black"}):
        assert plot.png(plot.soft_assignments(eruptions, faithful)) == first
    assert b"Software" not in first
    assert b"Creation" not in first


def test_drawing_leaves_the_settings_and_the_backend_alone(eruptions, faithful):
    before = dict(mpl.rcParams)
    plot.png(plot.soft_assignments(eruptions, faithful))
    assert dict(mpl.rcParams) == before


def test_drawing_needs_no_pyplot():
    code = (
        "import sys, numpy as np; from mixturelab import GaussianMixture, plot;"
        "X = np.array([[0., 0], [0, 1], [1, 0], [5, 5], [5, 6], [6, 5]]);"
        "m = GaussianMixture(1).fit(X); plot.png(plot.soft_assignments(m, X)); plot.png(plot.convergence(m));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "False"


# ------------------------------------------------------------------------------------------------------- words
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (54.48, "54.5"),
        (-4.14, "−4.14"),
        (23200.4, "23,200"),
        (1e-9, "1.00e−09"),
        (2.5e7, "2.50e+07"),
    ],
)
def test_numbers_are_short(value, words):
    assert short(value) == words


def test_words_are_joined_and_units_added():
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert axis_label("bill_length", "mm") == "bill length (mm)"
    assert axis_label("alcohol", "") == "alcohol"
