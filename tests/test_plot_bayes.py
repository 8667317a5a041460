"""Pictures and the widget of Bayesian mixtures: numbers by brute force, what is drawn by its data, and the words."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.integrate import quad

from mixturelab import load_dataset
from mixturelab.exceptions import ArgumentError
from mixturelab.plot import alt_text, bayes, bayes_limits, bayes_widgets
from mixturelab.plot.bayes_widgets import DIRICHLET, PROCESS, ConcentrationExplorer, expected_in_use

# ------------------------------------------------------------------------------- numbers


def test_large_weights_are_counted():
    assert bayes.large([[0.5, 0.46, 0.04], [0.05, 0.05, 0.9]]).tolist() == [2, 3]
    assert bayes.large([[0.5, 0.5]], least=0.6).tolist() == [0]


def test_sticks_are_broken_one_after_the_other():
    v = np.array([[0.5, 0.2, 0.9], [1.0, 0.3, 0.3]])
    assert np.allclose(bayes_widgets.stick_weights(v), [[0.5, 0.1, 0.36], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize("kind", [DIRICHLET, PROCESS])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
def test_expected_in_use_by_dealing_out_rows(kind, alpha):
    """Rows come one by one; each joins an old component or a new one, as the prior says."""
    rng, n, k = np.random.default_rng(0), 30, 4
    counts = []
    for _ in range(3000):
        seen = np.zeros(n if kind == PROCESS else k)
        for row in range(n):
            if kind == PROCESS:
                new = rng.random() < alpha / (alpha + row)
                seen[np.argmin(seen > 0) if new else 0] += 1  # which old one it joins does not matter here
            else:
                seen[rng.choice(k, p=(alpha + seen) / (k * alpha + row))] += 1
        counts.append((seen > 0).sum())
    error = 5 * np.std(counts) / np.sqrt(len(counts)) + 1e-9
    assert expected_in_use(alpha, k, n, kind) == pytest.approx(np.mean(counts), abs=error)


def test_a_finite_dirichlet_becomes_the_process():
    wanted = expected_in_use(2.0, 0, 272, PROCESS)
    assert expected_in_use(2.0 / 100_000, 100_000, 272, DIRICHLET) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("kind", [DIRICHLET, PROCESS])
def test_draws_are_sorted_and_add_up(kind):
    draws = bayes_widgets.prior_draws(0.7, 5, kind)
    assert draws.shape == (12, 5)
    assert (np.diff(draws, axis=1) <= 0).all()
    assert draws.sum(axis=1).max() <= 1 + 1e-12
    assert np.allclose(draws.sum(axis=1), 1) == (kind == DIRICHLET)
    assert np.array_equal(draws, bayes_widgets.prior_draws(0.7, 5, kind))


def test_two_hills_and_their_divergence_by_quadrature():
    hills = bayes_limits.Hills(4.0)
    area, _ = quad(lambda x: np.exp(hills.log_density(x)), -15, 15)
    assert area == pytest.approx(1)
    q = stats.norm(1.0, 0.8)
    wanted, _ = quad(lambda x: q.pdf(x) * (q.logpdf(x) - hills.log_density(x)), -6, 8)
    assert hills.reverse_kl(1.0, 0.8) == pytest.approx(wanted, abs=1e-6)


def test_the_closest_gaussian_takes_one_hill_and_no_neighbour_is_closer():
    hills = bayes_limits.Hills(6.0)
    mean, sd = hills.closest()
    assert (mean, sd) == pytest.approx((3.0, 1.02), abs=0.03)
    best = hills.reverse_kl(mean, sd)
    assert best == pytest.approx(np.log(2), abs=0.01)  # it misses one of two equal hills
    for m, s in [(mean + 0.05, sd), (mean - 0.05, sd), (mean, 1.03 * sd), (mean, 0.97 * sd), (0.0, 3.2)]:
        assert hills.reverse_kl(m, s) > best
    mean, sd = hills.covering()
    moments = [quad(lambda x, p=p: x**p * np.exp(hills.log_density(x)), -15, 15)[0] for p in (1, 2)]
    assert (mean, sd**2) == pytest.approx(tuple(moments), abs=1e-6)


# ------------------------------------------------------------------------------- pictures


def test_bars_are_cut_where_the_weights_say():
    table = np.array([[0.2, 0.5, 0.3], [0.05, 0.95, 0.0]])
    picture = bayes.weight_draws({"one": table, "two": 0.5 * table}, "A note.")
    left, right = picture.axes
    widths = np.array([bar.get_width() for bar in left.patches]).reshape(3, 2).T
    starts = np.array([bar.get_x() for bar in left.patches]).reshape(3, 2).T
    assert np.allclose(widths, table)
    assert np.allclose(starts, np.cumsum(table, axis=1) - table)
    assert [text.get_text() for text in left.texts] == ["0", "1", "1", "2"]  # 0.05 has no room for its number
    assert np.allclose([bar.get_width() for bar in right.patches], 0.5 * table.T.ravel())
    assert alt_text(picture).endswith("one, 2.5; two, 2.0. A note.")


@pytest.mark.parametrize("table", [[0.5, 0.5], [[0.7, 0.6]], [[-0.1, 0.5]]])
def test_weights_have_to_be_weights(table):
    with pytest.raises(ArgumentError, match=r"draws\['α'\] has shape"):
        bayes.weight_draws({"α": table})


def test_bells_are_drawn_from_the_numbers_given():
    beliefs = {"a": ([0.0, 1.0], [10.0, 20.0]), "b": ([5.0], [4.0])}
    picture = bayes.bell_draws(beliefs, [[], [1.0, 2.0]], -20, 20, "x (min)")
    first, second = picture.axes
    x, y = first.lines[1].get_data()
    assert np.allclose(y, stats.norm.pdf(x, 1.0, 20.0))
    assert len(first.lines) == 3  # two bells and the ticks
    assert second.lines[-1].get_xdata().tolist() == [1.0, 2.0]
    assert "a, means from 0 to 1; b, means from 5 to 5" in alt_text(picture)


def test_masses_say_who_lives_and_when_the_others_die():
    path = [[5.0, 5.0, 5.0], [9.0, 4.0, 2.0], [12.0, 2.9, 0.1], [15.0, 1e-9, 0.0]]
    picture = bayes.masses(path)
    lines = [line for line in picture.axes[0].lines if len(line.get_xdata()) == 4]
    assert np.allclose(lines[0].get_ydata(), [5, 9, 12, 15])
    assert lines[1].get_ydata().min() == 1e-3
    assert len({(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in lines}) == 3
    assert (
        "Left at the end: component 0 with 15 rows. The others fall below one row at iterations 2 and 3"
        in (alt_text(picture))
    )


def test_masses_of_a_fit_that_keeps_all():
    assert "fall below" not in alt_text(bayes.masses([[3.0, 4.0], [2.0, 5.0]]))


def test_the_spike_has_a_top_once_there_is_a_prior():
    sds = 8 / 2.0 ** np.arange(0, 12, 0.25)
    levels = -5 * np.log(sds) - 10 / sds * (sds > 1)
    log_prior = -3 * np.log(sds) - 2 / sds**2
    picture = bayes.spike_cured(sds, levels, log_prior, "width (min)")
    alone, both, top = picture.axes[0].lines[:3]
    assert np.allclose(both.get_ydata() - alone.get_ydata(), log_prior - log_prior[0])
    best = (levels + log_prior).argmax()
    assert top.get_xdata() == pytest.approx([sds[best]])
    assert picture.axes[0].get_xlim()[0] > picture.axes[0].get_xlim()[1]
    assert f"one top, at {sds[best]:.1f};" in alt_text(picture)


def test_each_start_is_a_mark_and_the_words_count_them():
    picture = bayes.kept_by_start([-10.0, -30.0, -11.0], [3, 4, 3], {"a": slice(0, 2), "b": slice(2, 3)})
    first, second = picture.axes[0].lines
    assert first.get_ydata().tolist() == [-10.0, -30.0]
    assert np.round(first.get_xdata()).tolist() == [3, 4]
    assert second.get_marker() != first.get_marker()
    words = alt_text(picture)
    assert "The highest have 3 in use. a: 1 of 2 starts end within 3 nats of the best; b: 1 of 1" in words


def test_the_mean_field_meets_the_ellipse_on_the_axes_and_the_other_reaches_as_far():
    picture = bayes_limits.mean_field(0.8)
    truth, inner, outer = (np.column_stack(line.get_data()) for line in picture.axes[0].lines)
    precision = np.linalg.inv([[1, 0.8], [0.8, 1]])
    reach = np.einsum("ni,ij,nj->n", truth, precision, truth)
    assert np.allclose(reach, stats.chi2.ppf(0.9, 2))
    assert np.linalg.norm(inner, axis=1) ** 2 == pytest.approx(stats.chi2.ppf(0.9, 2) * (1 - 0.64))
    on_axis = inner[np.abs(inner[:, 1]).argmin()]
    assert on_axis @ precision @ on_axis == pytest.approx(stats.chi2.ppf(0.9, 2), rel=1e-2)
    assert outer[:, 0].max() == pytest.approx(truth[:, 0].max(), rel=1e-3)
    assert "standard deviations of 0.60 for 1" in alt_text(picture)


@pytest.mark.parametrize("correlation", [1.0, -1.2])
def test_a_correlation_is_a_correlation(correlation):
    with pytest.raises(ArgumentError, match="wanted a number between −1 and 1"):
        bayes_limits.mean_field(correlation)


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.0, "about as wide"), (1.25, "a little wider"), (2.0, "about twice as wide")]
)
def test_widths_are_compared_in_words(ratio, words):
    draws = np.random.default_rng(0).normal(0, ratio, 20_000)
    picture = bayes_limits.posterior_widths({"x": (draws, stats.norm(0, 1)), "y": (draws, stats.norm(0, 9))})
    x, y = picture.axes[0].lines[0].get_data()
    assert np.allclose(y, stats.norm.pdf(x))
    area = sum(bar.get_width() * bar.get_height() for bar in picture.axes[0].patches)
    assert area == pytest.approx(1, abs=0.01)
    assert f"x: {words}" in alt_text(picture)


def test_tails_are_drawn_as_given():
    x = np.linspace(0, 10, 11)
    picture = bayes_limits.tails(x, {"one": -x, "two": -2 * x}, [1.0, 4.0], "wait (min)")
    one, two, ticks = picture.axes[0].lines
    assert np.allclose(two.get_ydata(), -2 * x)
    assert one.get_linestyle() != two.get_linestyle()
    assert ticks.get_xdata().tolist() == [1.0, 4.0]
    assert "At 10: one −10 and two −20" in alt_text(picture)


# ------------------------------------------------------------------------------- the widget


@pytest.fixture(scope="module")
def explorer():
    return ConcentrationExplorer(load_dataset("old_faithful"), 8, (0.001, 0.1, 1, 3, 100))


def test_what_the_notebook_says_of_the_widget(explorer):
    in_use = {alpha: explorer.kept[DIRICHLET, alpha].in_use for alpha in (0.001, 0.1, 1, 3, 100)}
    assert in_use == {0.001: 2, 0.1: 2, 1: 2, 3: 4, 100: 8}
    assert {explorer.kept[PROCESS, alpha].in_use for alpha in (0.001, 1, 100)} == {2}
    lost = explorer.kept[PROCESS, 0.1].bound - explorer.kept[PROCESS, 100].bound
    assert lost == pytest.approx(206, abs=0.5)
    assert round(expected_in_use(100, 8, 272, PROCESS)) == 132
    assert expected_in_use(1, 8, 272, DIRICHLET) == pytest.approx(7.8, abs=0.05)


def test_components_are_sorted_by_their_rows(explorer):
    for kept in explorer.kept.values():
        assert (np.diff(kept.masses) <= 1e-9).all()
        assert np.allclose(kept.responsibilities.sum(axis=1), 1)


def test_the_widget_follows_its_controls(explorer):
    explorer.set(kind=DIRICHLET, concentration=0.1)
    before = explorer.image.value
    explorer.set(concentration=3)
    assert explorer.image.value != before
    assert Image.open(io.BytesIO(explorer.image.value)).format == "PNG"
    assert "The fit uses 4, with 121, 94, 44 and 9 rows" in explorer.words.value
    kept, fit = explorer.kept[DIRICHLET, 3], explorer.fit
    leader = kept.responsibilities.argmax(axis=1)
    assert np.allclose(fit.groups[1].get_offsets(), explorer.rows[leader == 1])
    assert [len(ring.get_xdata()) > 0 for ring in fit.rings] == [True] * 4 + [False] * 4
    curve = np.column_stack(fit.rings[0].get_data()) - kept.means[0]
    reach = np.einsum("ni,ij,nj->n", curve, np.linalg.inv(kept.covariances[0]), curve)
    assert np.allclose(reach, stats.chi2.ppf(0.9, 2))


def test_the_widget_shows_the_prior_s_draws(explorer):
    explorer.set(kind=PROCESS, concentration=1)
    draws = bayes_widgets.prior_draws(1, 8, PROCESS)
    boxes = [path.vertices for path in explorer.bars.pieces.get_paths()]
    widths = np.array([np.ptp(box[:, 0]) for box in boxes]).reshape(draws.shape)
    assert np.allclose(widths, draws)
    assert "are expected to use 6.2 components. The fit uses 2" in explorer.words.value


def test_the_twin_shows_four_priors(explorer):
    twin = explorer.panels()
    assert len(twin.axes) == 8
    titles = [ax.get_title(loc="left") for ax in twin.axes[:4]]
    assert titles == [
        "Dirichlet,\nα = 0.1",
        "Dirichlet,\nα = 1",
        "Dirichlet,\nα = 100",
        "Dirichlet process,\nα = 3",
    ]
    assert explorer.still.alt_text == alt_text(twin)
    assert twin.alt_text.count("Before any row is seen") == 4


def test_only_two_features_can_be_drawn():
    with pytest.raises(ArgumentError, match="wanted \\[N, 2\\]"):
        ConcentrationExplorer(load_dataset("iris"))
