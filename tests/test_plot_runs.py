"""Pictures of a training run: what is drawn is where the numbers say, and the words say what is seen."""

import io
import math

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import chi2

from mixturelab import plot
from mixturelab.plot import palette


def rows(n_steps: int, **changes) -> list[dict]:
    """A mixture's rows, as `MixtureStats` gives them: the rank every third time, and no alarm."""
    found = []
    for step in range(n_steps):
        row = {
            "step": step,
            "epoch": 0,
            "K": 4,
            "trace_B": 0.5 + 0.01 * step,
            "opnorm_B": 0.2,
            "batch_spread": 0.9,
            "effective_rank": 8.0 - step / 10 if step % 3 == 0 else math.nan,
            "alarms": "",
        }
        found.append(row | {name: value(step) for name, value in changes.items()})
    return found


def drawn(figure) -> Image.Image:
    return Image.open(io.BytesIO(plot.png(figure)))


def lines_of(ax) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Curves, not the straight lines that mark a limit or a step."""
    return {i: line.get_data() for i, line in enumerate(ax.get_lines()) if len(line.get_xdata()) > 2}


# ------------------------------------------------------------------------------------------------- the curves
def test_each_panel_has_its_numbers():
    losses, table = np.linspace(6, 3, 12), rows(12)
    figure = plot.training_curves(losses, table)
    loss, spread, traces, ratio, rank = figure.axes
    np.testing.assert_array_equal(lines_of(loss)[0], (np.arange(12), losses))
    np.testing.assert_array_equal(lines_of(spread)[0][1], np.full(12, 0.9))
    trace_b, opnorm_b = (lines_of(traces)[i][1] for i in (0, 1))
    np.testing.assert_allclose(trace_b, 0.5 + 0.01 * np.arange(12))
    np.testing.assert_array_equal(opnorm_b, np.full(12, 0.2))
    np.testing.assert_allclose(lines_of(ratio)[0][1], 0.2 / trace_b)
    np.testing.assert_array_equal(lines_of(rank)[0], ([0, 3, 6, 9], [8.0, 7.7, 7.4, 7.1]))
    assert all(ax.get_xlim() == (0, 12) for ax in figure.axes)


def test_rows_may_come_back_from_a_csv_file(tmp_path):
    table = rows(12, alarms=lambda step: "low_rank_collapse" if step > 8 else "")
    path = tmp_path / "rows.csv"
    pd.DataFrame(table).to_csv(path, index=False)
    figures = [plot.training_curves(np.ones(12), source) for source in (table, pd.read_csv(path))]
    assert figures[0].alt_text == figures[1].alt_text
    assert "Alarm from step 9 on: low-rank collapse." in figures[0].alt_text


def test_without_a_mixture_there_is_the_loss_alone():
    figure = plot.training_curves([3.0, 2.0, 1.0])
    assert len(figure.axes) == 1
    assert figure.alt_text == "Training curves over 3 steps. The loss goes from 3 to 1. No alarm."


def test_marks_and_alarms_are_drawn_in_every_panel_and_said():
    def alarms(step):
        return ";".join(
            name
            for name, on in [("complete_collapse", 5 <= step < 8), ("low_rank_collapse", step >= 6)]
            if on
        )

    figure = plot.training_curves(np.ones(12), rows(12, alarms=alarms), marks={4: "negatives removed"})
    for ax in figure.axes:
        assert [line.get_xdata()[0] for line in ax.get_lines() if list(line.get_xdata()) == [4, 4]] == [4]
        spans = sorted((p.get_x(), p.get_x() + p.get_width()) for p in ax.patches)
        assert spans == [(5, 7), (6, 11)]
    assert figure.axes[0].get_title(loc="left") == "12 steps: complete collapse and low-rank collapse"
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == [
        "negatives removed (step 4)",
        "alarm: complete collapse (step 5)",
        "alarm: low-rank collapse (step 6)",
    ]
    assert "At step 4: negatives removed." in figure.alt_text
    assert "Alarm from step 5 on: complete collapse." in figure.alt_text
    drawn(figure)


def test_an_alarm_that_comes_and_goes_is_named_once():
    figure = plot.training_curves(
        np.ones(20), rows(20, alarms=lambda step: "complete_collapse" if step % 3 == 0 else "")
    )
    assert len(figure.axes[0].patches) == 7
    assert [text.get_text() for text in figure.axes[0].texts] == ["alarm: complete collapse (step 0)"]


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_numbers_without_meaning_leave_a_gap(value):
    table = rows(6, trace_B=lambda step: value if step == 2 else 0.5)
    figure = plot.training_curves(np.ones(6), table)
    ratio = lines_of(figure.axes[3])[0][1]
    assert np.isnan(ratio[2])
    assert np.isfinite(np.delete(ratio, 2)).all()
    drawn(figure)


def test_a_run_that_never_had_a_number_is_still_drawn():
    table = rows(3, trace_B=lambda _: math.nan, opnorm_B=lambda _: math.nan, effective_rank=lambda _: None)
    drawn(plot.training_curves([math.nan, math.nan, math.nan], table))
    drawn(plot.training_curves([]))


def test_the_limits_are_those_that_are_given():
    figure = plot.training_curves(np.ones(6), rows(6), limits=(0.2, 0.6, 4.0))
    levels = [
        line.get_ydata()[0]
        for ax in figure.axes
        for line in ax.get_lines()
        if list(line.get_xdata()) == [0, 1]
    ]
    assert levels == [0.2, 0.6, 4.0]


# --------------------------------------------------------------------------------------------------- the map
K, D = 5, 6


@pytest.fixture(scope="module")
def mixture() -> dict[str, torch.Tensor]:
    """Components in general position; the last has never been seen."""
    rng = np.random.default_rng(3)
    pi = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    mu = rng.normal(size=(K, D)) * np.arange(D, 0, -1)
    offsets = (mu - pi @ mu) * np.sqrt(pi)[:, None]
    sigma = np.stack([a @ a.T for a in 0.2 * rng.normal(size=(K, D, D))])
    arrays = {"pi": pi, "mu": mu, "B": offsets.T @ offsets, "Sigma": sigma}
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


@pytest.fixture(scope="module")
def z(mixture) -> torch.Tensor:
    rng = np.random.default_rng(4)
    component = np.repeat(np.arange(K - 1), [40, 30, 20, 10])
    return mixture["mu"][component] + torch.from_numpy(0.3 * rng.normal(size=(100, D)))


def scattered(ax) -> np.ndarray:
    return np.concatenate([c.get_offsets() for c in ax.collections])


def test_the_axes_are_the_directions_in_which_the_components_differ_most(z, mixture):
    """The means' weighted variance along them is B's eigenvalues, largest first, and the first is opnorm_B."""
    figure = plot.embedding_map(z, mixture)
    centres = np.array(
        [[line.get_data() for line in ax.get_lines() if len(line.get_xdata()) == 1] for ax in figure.axes]
    )
    centres = centres[..., 0].transpose(1, 0, 2).reshape(K - 1, 4)  # [component, direction]
    pi = mixture["pi"].numpy()[: K - 1]
    variance = pi @ (centres - pi @ centres) ** 2
    values = torch.linalg.eigvalsh(mixture["B"]).numpy()[::-1]
    np.testing.assert_allclose(variance, values[:4], atol=1e-9)
    assert f"({100 * values[0] / values.sum():.3g} % of trace_B)" in figure.axes[0].get_xlabel()


def test_every_row_is_drawn_once_in_each_panel(z, mixture):
    figure = plot.embedding_map(z, mixture, labels=torch.arange(100) % 3)
    assert [len(scattered(ax)) for ax in figure.axes] == [100, 100]


def test_rows_have_the_colour_of_the_nearest_mean(z, mixture):
    ax = plot.embedding_map(z, mixture).axes[0]
    sizes = {c.get_facecolor()[0][:3].round(4).tobytes(): len(c.get_offsets()) for c in ax.collections}
    assert sorted(sizes.values()) == [10, 20, 30, 40]
    given = plot.embedding_map(z, mixture, component=np.zeros(100)).axes[0]
    assert len(given.collections[0].get_offsets()) == 100


def test_an_ellipse_holds_its_share_of_the_projected_component(z, mixture):
    ax = plot.embedding_map(z, mixture, mass=0.5).axes[0]
    outlines = [np.column_stack(line.get_data()) for line in ax.get_lines() if len(line.get_xdata()) > 2]
    vectors = torch.linalg.eigh(mixture["B"])[1].numpy()[:, ::-1][:, :2]
    centre = (mixture["pi"] @ mixture["mu"]).numpy()
    for k in range(K - 1):
        sigma = vectors.T @ mixture["Sigma"][k].numpy() @ vectors
        mean = (mixture["mu"][k].numpy() - centre) @ vectors
        shift = outlines[2 * k] - mean
        distance = (shift @ np.linalg.inv(sigma) * shift).sum(axis=1)
        np.testing.assert_allclose(distance, chi2.ppf(0.5, 2), rtol=1e-6)
    assert len(outlines) == 2 * (K - 1)  # each with a white edge; none for a component never seen


@pytest.mark.parametrize("kind", ["diag", "none", "two"])
def test_diagonal_no_covariances_and_two_dimensions_are_drawn(z, mixture, kind):
    sigma = {
        "diag": mixture["Sigma"].diagonal(dim1=1, dim2=2),
        "none": None,
        "two": mixture["Sigma"][:, :2, :2],
    }
    cut = 2 if kind == "two" else D
    found = dict(mixture, mu=mixture["mu"][:, :cut], B=mixture["B"][:cut, :cut], Sigma=sigma[kind])
    figure = plot.embedding_map(z[:, :cut], found)
    assert len(figure.axes) == (1 if kind == "two" else 2)
    assert ("ellipse" in figure.get_supxlabel()) == (kind != "none")
    drawn(figure)


def test_the_panels_have_one_scale_and_hold_everything(z, mixture):
    figure = plot.embedding_map(z, mixture)
    (low, high), *others = [limits for ax in figure.axes for limits in (ax.get_xlim(), ax.get_ylim())]
    assert low == -high
    assert all(other == (low, high) for other in others)
    for ax in figure.axes:
        ends = [np.abs(scattered(ax)).max(), *(np.abs(line.get_data()).max() for line in ax.get_lines())]
        assert max(ends) <= high


def test_a_collapsed_mixture_is_still_drawn():
    point = torch.ones(30, 8) / math.sqrt(8)
    nothing = {
        "pi": torch.tensor([1.0, 0.0]),
        "mu": point[:2],
        "B": torch.zeros(8, 8),
        "Sigma": torch.zeros(2, 8, 8),
    }
    drawn(plot.embedding_map(point, nothing, labels=torch.zeros(30, dtype=torch.int64)))


def test_of_many_rows_some_are_drawn_and_it_says_so(z, mixture):
    figure = plot.embedding_map(z, mixture, max_points=40)
    assert len(scattered(figure.axes[0])) == 34
    assert "34 rows drawn" in figure.get_supxlabel()


def test_the_map_says_what_it_shows(z, mixture):
    labels = torch.arange(4).repeat_interleave(torch.tensor([40, 30, 20, 10]))
    labels[0] = 3
    text = plot.embedding_map(z, mixture, labels=labels).alt_text
    assert text.startswith("100 embeddings and the 4 components of their mixture")
    assert "The components' weights are 40 %, 30 %, 20 % and 10 %." in text
    assert "99 % of the rows have their component's commonest class." in text


@pytest.mark.parametrize("mass", [0, 1, 90])
def test_a_mass_that_is_no_probability_is_refused(z, mixture, mass):
    with pytest.raises(ValueError, match="mass is"):
        plot.embedding_map(z, mixture, mass=mass)


def test_components_differ_in_colour_and_in_shape(z, mixture):
    ax = plot.embedding_map(z, mixture).axes[0]
    centres = [line for line in ax.get_lines() if len(line.get_xdata()) == 1]
    assert [(line.get_color(), line.get_marker()) for line in centres] == [
        (palette.style(k).colour, palette.style(k).marker) for k in range(K - 1)
    ]
