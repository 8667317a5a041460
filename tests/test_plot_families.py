"""Pictures and widgets on covariance families: what is drawn is what was computed, and the words say it."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import chi2

from mixturelab import GaussianMixture, plot
from mixturelab.plot.families import (
    compose,
    ellipse_axes,
    family_fits,
    family_race,
    family_style,
    held_out_curves,
    rotation,
    shape_panels,
)
from mixturelab.plot.family_widgets import (
    ANGLES,
    RATIOS,
    RotationExplorer,
    ShapeExplorer,
    Turn,
    _unit_cloud,
    crossing,
    drawable,
    shape_words,
    turn_words,
)

FAMILIES = ["full", "tied", "diag", "spherical"]


def size(png):
    return Image.open(io.BytesIO(png)).size


# ------------------------------------------------------------------------------------------------- volume and shape


@pytest.mark.parametrize("setting", [(1.0, 1.0, 0.0), (2.5, 3.0, 40.0), (0.3, 1.5, 130.0)])
def test_what_is_composed_has_that_volume_shape_and_angle(setting):
    volume, ratio, angle = setting
    sigma = compose(volume, ratio, angle)
    variances, axes = np.linalg.eigh(sigma)
    assert np.sqrt(np.linalg.det(sigma)) == pytest.approx(volume)
    assert np.sqrt(variances[1] / variances[0]) == pytest.approx(ratio)
    if ratio > 1:
        assert np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180 == pytest.approx(angle)


def test_a_rotation_turns_counter_clockwise():
    np.testing.assert_allclose(rotation(90) @ [1, 0], [0, 1], atol=1e-12)


def test_the_families_that_can_draw_an_ellipse():
    assert drawable(1.0, 30.0) == FAMILIES
    assert drawable(2.0, 0.0) == drawable(2.0, 90.0) == ["full", "tied", "diag"]
    assert drawable(2.0, 30.0) == ["full", "tied"]


def test_the_words_of_a_shape_are_its_matrix():
    words = shape_words(2.0, 3.0, 35.0)
    sigma = compose(2.0, 3.0, 35.0)
    assert f"variances {sigma[0, 0]:.2f} and {sigma[1, 1]:.2f}, covariance {sigma[0, 1]:.2f}" in words
    assert "determinant is 4.00" in words
    assert "covariance −" in shape_words(1.0, 2.0, 135.0)
    assert "covariance 0.00" in shape_words(1.0, 2.0, 90.0)


def test_the_cloud_of_the_shape_explorer_has_exactly_the_unit_covariance():
    np.testing.assert_allclose(np.cov(_unit_cloud().T, bias=True), np.eye(2), atol=1e-12)


def test_panels_change_one_thing_at_a_time():
    areas = []
    for ax in shape_panels().axes:
        outlines = [line.get_xydata() for line in ax.lines]
        assert len(outlines) == 3
        areas.append([np.prod(np.ptp(o @ np.linalg.svd(o - o.mean(0))[2].T, axis=0)) for o in outlines])
    assert areas[0][0] < 0.2 * areas[0][2]
    np.testing.assert_allclose(areas[1], areas[1][0], rtol=0.01)
    np.testing.assert_allclose(areas[2], areas[2][0], rtol=0.01)


# ------------------------------------------------------------------------------------------------- the ellipse's axes


def test_ellipses_count_their_rows_and_arrows_have_their_lengths():
    rows = np.random.default_rng(0).normal(size=(400, 2)) @ [[2.0, 0.5], [0.0, 0.7]]
    figure = ellipse_axes(rows, (0.5, 0.95), labels=["a", "b"])
    ax = figure.axes[0]
    covariance = np.cov(rows.T, bias=True)
    offset = rows - rows.mean(axis=0)
    squared = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
    for mass, line in zip((0.5, 0.95), ax.lines[1:], strict=True):
        inside = int((squared <= chi2.ppf(mass, 2)).sum())
        assert line.get_label() == f"{100 * mass:g} %: {inside} of 400 rows inside"
        assert f"{100 * mass:g} % ellipse: {inside} inside" in figure.alt_text
    lengths = np.sqrt(chi2.ppf(0.95, 2) * np.linalg.eigvalsh(covariance))
    tips = [text.xy for text in ax.texts if text.get_text()]
    np.testing.assert_allclose(np.linalg.norm(tips - rows.mean(axis=0), axis=1), lengths[::-1])


# ------------------------------------------------------------------------------------------------- four fits


@pytest.fixture(scope="module")
def fits():
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal([0, 0], [2, 0.6], (90, 2)), rng.normal([0, 4], [0.6, 1.0], (60, 2))])
    models = {f: GaussianMixture(2, covariance_type=f, random_state=0, tol=1e-6).fit(rows) for f in FAMILIES}
    return rows, models


def test_each_panel_draws_its_own_ellipses_and_every_row(fits):
    rows, models = fits
    figure = family_fits(models, rows, notes={"tied": "EEE"}, labels=["a", "b"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["full", "tied · EEE", "diag", "spherical"]
    for ax, model in zip(figure.axes, models.values(), strict=True):
        drawn = {tuple(line.get_xydata()[0]) for line in ax.lines if len(line.get_xydata()) > 1}
        covariances = plot.covariance_matrices(model)
        wanted = [plot.ellipse(model.means_[k], covariances[k], 0.9)[0] for k in (0, 1)]
        assert drawn == {tuple(start) for start in wanted}
        points = np.concatenate([c.get_offsets() for c in ax.collections if len(c.get_offsets()) > 1])
        assert len(points) == len(rows)
    assert "tied, equal ellipses, straight borders (EEE)" in figure.alt_text


def borders(ax):
    """Points of the drawn contours."""
    found = [p.vertices for c in ax.collections if hasattr(c, "levels") for p in c.get_paths()]
    return [vertices for vertices in found if len(vertices) > 2]


def test_the_border_of_tied_is_a_straight_line(fits):
    rows, models = fits
    axes = dict(zip(models, family_fits(models, rows).axes, strict=True))
    for family, straight in [("tied", True), ("full", False)]:
        for line in borders(axes[family]):
            centred = line - line.mean(axis=0)
            bend = np.linalg.svd(centred, compute_uv=False)
            assert bool(bend[1] < 2e-3 * bend[0]) is straight


def test_a_component_has_the_colour_of_its_nearest_in_the_first_picture(fits):
    rows, models = fits
    full = models["full"]
    swapped = GaussianMixture.from_parameters(full.weights_[::-1], full.means_[::-1], full.covariances_[::-1])
    figure = family_fits({"full": full, "tied": swapped}, rows)
    first, second = (
        {tuple(np.round(line.get_xydata()[0], 6)): line.get_color() for line in ax.lines}
        for ax in figure.axes
    )
    assert first == second


# ------------------------------------------------------------------------------------------------- curves and race


def test_curves_are_means_and_the_words_say_who_leads():
    scores = {
        "full": [[-30.0, -5.0, -1.0], [-28.0, -5.2, -1.0]],
        "diag": [[-4.0, -3.0, -2.5], [-4.0, -3.2, -2.5]],
    }
    figure = held_out_curves([10, 50, 200], scores, truth=-0.9)
    curves = [container.lines[0].get_ydata() for container in figure.axes[0].containers]
    np.testing.assert_allclose(curves, [[-29, -5.1, -1], [-4, -3.1, -2.5]])
    assert "diag from 10 rows on and full from 200 rows on" in figure.alt_text
    low, high = figure.axes[0].get_ylim()
    assert low < -2.5
    assert high > -0.9


def test_the_race_marks_how_far_each_family_is_behind():
    values = {
        "a": {"full": 100.0, "tied": 90.0, "diag": 130.0, "spherical": 500.0},
        "b": {"full": 5.0, "tied": 25.0, "diag": 5.0, "spherical": 5.0},
    }
    figure = family_race(values)
    ax = figure.axes[0]
    for family in FAMILIES:
        look = family_style(family)
        drawn = [
            line.get_xdata()[0]
            for line in ax.lines
            if line.get_marker() == look.marker and len(line.get_xdata())
        ]
        assert sorted(drawn) == sorted(row[family] - min(row.values()) for row in values.values())
    assert "a: tied, 10 ahead of full; b: full, diag and spherical, 20 ahead of tied" in figure.alt_text
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_families_are_told_apart_without_colour():
    assert len({family_style(family).marker for family in FAMILIES}) == 4
    assert len({str(family_style(family).line) for family in FAMILIES}) == 4


# ------------------------------------------------------------------------------------------------- the turning cloud


def test_at_zero_the_truth_is_diagonal_and_full_pays_for_two_covariances():
    for ratio in RATIOS:
        now = Turn(ratio, 0)
        assert now.behind("diag") == pytest.approx(-2 * np.log(300), abs=0.15)


@pytest.mark.parametrize("family", ["full", "tied", "spherical"])
def test_three_families_turn_with_the_cloud(family):
    still, turned = Turn(2.0, 0), Turn(2.0, 35)
    for ratio in RATIOS:  # fitted anew at each angle: `bic` relies on it
        bics = [now.model(family).bic(now.rows) for now in (Turn(ratio, angle) for angle in (0, 35, 75))]
        assert bics == pytest.approx([Turn(ratio, 20).bic[family]] * 3, abs=0.01)
    np.testing.assert_allclose(
        turned.model(family).means_, still.model(family).means_ @ rotation(35).T, atol=1e-3
    )


def test_diag_is_behind_by_what_theory_says():
    for ratio, angle in [(1.5, 30), (2.0, 20)]:
        lean = (ratio - 1 / ratio) ** 2 / 4 * np.sin(2 * np.radians(angle)) ** 2
        assert Turn(ratio, angle).behind("diag") == pytest.approx(
            300 * np.log1p(lean) - 2 * np.log(300), abs=8
        )


def test_the_longer_the_sooner():
    assert [crossing(ratio) for ratio in RATIOS] == [None, 15, 10, 5]


def test_with_almost_round_groups_spherical_leads_throughout():
    assert all(min(Turn(1.2, a).bic, key=Turn(1.2, a).bic.get) == "spherical" for a in ANGLES)


def test_the_words_of_a_turn():
    assert "Lowest BIC: diag, 11 ahead of full. Drawn: tied." in turn_words(2.0, 0, "tied")
    words = turn_words(2.0, 45, "diag")
    assert "Lowest BIC: full, 111 ahead of spherical. Diag is 122 behind full. Drawn: diag." in words


# ------------------------------------------------------------------------------------------------- widgets


def test_the_shape_explorer_follows_its_sliders():
    explorer = ShapeExplorer(1.0, 2.0, 0.0)
    before = explorer.image.value
    explorer.controls["angle"].value = 40.0
    assert explorer.image.value != before
    assert shape_words(1.0, 2.0, 40.0) in explorer.words.value
    numbers = [text.get_text() for text in explorer.matrix.numbers]
    assert numbers == [f"{v:.2f}" for v in compose(1.0, 2.0, 40.0).ravel()]
    np.testing.assert_allclose(
        explorer.scene.outline.get_xydata(), plot.ellipse([0, 0], compose(1.0, 2.0, 40.0), 0.9)
    )
    assert "✗ diag" in explorer.matrix.able.get_text()
    assert len(explorer.image.value) < 60_000


def test_the_rotation_explorer_keeps_what_was_visited():
    explorer = RotationExplorer(2.0)
    lines = explorer.race.lines
    for angle in (10, 20):
        explorer.set(angle=angle)
    assert lines["diag"].get_xdata() == [0, 10, 20]
    np.testing.assert_allclose(lines["diag"].get_ydata(), [Turn(2.0, a).behind("diag") for a in (0, 10, 20)])
    explorer.set(whole=True)
    assert tuple(lines["full"].get_xdata()) == ANGLES
    assert not np.any(lines["full"].get_ydata())
    explorer.set(ratio=3.0, family="spherical", whole=False)
    assert lines["diag"].get_xdata() == [20]
    assert "Drawn: spherical" in explorer.words.value
    outline = explorer.cloud.outlines[0].get_xydata()
    radius = np.linalg.norm(outline - outline[:-1].mean(axis=0), axis=1)
    np.testing.assert_allclose(radius, radius[0], rtol=1e-6)


@pytest.mark.parametrize("explorer", [ShapeExplorer, RotationExplorer])
def test_without_a_kernel_there_is_a_picture_with_words(explorer):
    made = explorer()
    data, metadata = made._repr_mimebundle_()
    assert size(made.still.png)[0] > 700
    assert metadata["image/png"]["alt"] == made.still.alt_text
    assert len(made.still.alt_text) > 100
    assert made.still.alt_text in data["text/plain"]
