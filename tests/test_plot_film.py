"""The film of embeddings: planes, words, frames, the viewer and its static twin."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from mixturelab import MixtureStats
from mixturelab.plot import film as module
from mixturelab.plot.film import Film, FilmViewer, Scene, film_strip, plane, scene_words, where_words

RNG = np.random.default_rng(0)
N, D, K = 40, 6, 4
LABELS = np.arange(N) % 5
STEPS = (0, 10, 20)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ring(noise=0.02):
    angle = np.linspace(0, 2 * np.pi, N, endpoint=False)
    flat = np.column_stack([np.cos(angle), np.sin(angle)])
    return unit(np.hstack([flat, np.zeros((N, D - 2))]) + noise * RNG.normal(size=(N, D)))


def point(noise=0.02):
    return unit(np.eye(D)[2] + noise * RNG.normal(size=(N, D)))


def sphere():
    return unit(RNG.normal(size=(N, D)))


def mixture_of(rows):
    estimator = MixtureStats(K=K, enabled=True)
    estimator.update(torch.tensor(rows))
    return estimator.compute()


def numbers(**changes):
    return dict(batch_spread=0.9, trace_B=0.5, opnorm_B=0.1, effective_rank=4.0, alarms="") | changes


def small_film():
    film = Film(LABELS)
    for step in STEPS:
        film.add(
            "ring", step, ring(), mixture_of(ring()), numbers(effective_rank=2.0, alarms="low_rank_collapse")
        )
        film.add("point", step, point(), mixture_of(point()), numbers(batch_spread=0.01))
    return film


@pytest.fixture(scope="module")
def viewer():
    return FilmViewer(small_film())


# ------------------------------------------------------------------------------------------------ numbers


def test_rows_are_brought_to_length_one_and_their_component_is_the_nearest_with_weight():
    film = Film(LABELS)
    mixture = dict(pi=[0.5, 0.5, 0.0], mu=np.eye(3, D), Sigma=np.stack([np.eye(D)] * 3))
    film.add("a", 0, torch.tensor(7.0 * np.eye(3, D)), mixture, numbers())
    scene = film.runs["a"][0]
    np.testing.assert_allclose(scene.rows, np.eye(3, D))
    assert scene.component.tolist() == [0, 1, 0]  # the third mean has no weight


def test_a_run_that_begins_again_replaces_what_it_had():
    film = small_film()
    film.add("ring", 10, point(), mixture_of(point()), numbers())
    assert [scene.step for scene in film.runs["ring"]] == [0, 10]
    assert [scene.step for scene in film.runs["point"]] == list(STEPS)
    assert film.steps == list(STEPS)


def test_the_plane_is_where_the_last_rows_are_longest_and_most_rows_lie_on_the_right():
    film = small_film()
    for run, scenes in film.runs.items():
        axes, rows = plane(scenes), scenes[-1].rows
        np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
        held = ((rows @ axes) ** 2).sum()
        for _ in range(50):
            other = np.linalg.qr(RNG.normal(size=(D, 2)))[0]
            assert ((rows @ other) ** 2).sum() <= held + 1e-9
        assert ((rows @ axes).sum(axis=0) >= -1e-9).all(), run


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ring(), "along the rim"),
        (point(), "crowded at one place"),
        (unit(RNG.normal(size=(500, 60))), "near the centre"),
        (sphere(), "all over the disc"),
    ],
)
def test_where_rows_lie_in_words(rows, words):
    scene = Scene(0, rows, np.ones(1), np.zeros((1, rows.shape[1])), np.zeros((1, 1, 1)), {})
    assert where_words(rows @ plane([scene])).startswith(words)


def test_a_scene_is_told():
    scenes = small_film().runs["ring"]
    words = scene_words(scenes[-1], plane(scenes))
    assert words.startswith("Step 20: the rows lie along the rim")
    assert words.endswith("Alarm: low-rank collapse.")
    assert "100%" in words or "99%" in words
    calm = small_film().runs["point"]
    assert scene_words(calm[0], plane(calm)).endswith("No alarm.")


# ------------------------------------------------------------------------------------------------ pictures


def test_rows_are_drawn_where_they_are_and_in_their_component_s_colour():
    film = small_film()
    scene = film.runs["ring"][-1]
    strip = film_strip(film, (20,))
    groups = strip.axes[0].collections
    drawn = np.concatenate([group.get_offsets() for group in groups])
    order = np.concatenate([np.flatnonzero(label == LABELS) for label in np.unique(LABELS)])
    np.testing.assert_allclose(drawn, (scene.rows @ plane(film.runs["ring"]))[order])
    colours = np.concatenate([group.get_facecolor()[:, :3] for group in groups])
    np.testing.assert_allclose(colours, module._PALETTE[scene.component[order]])


def test_a_component_without_rows_is_dashed_and_one_without_weight_is_hidden():
    film = Film(LABELS)
    mixture = dict(pi=[0.6, 0.4, 0.0], mu=np.eye(D)[[2, 0, 1]], Sigma=np.stack([0.01 * np.eye(D)] * 3))
    film.add("a", 0, point(), mixture, numbers())
    edges = film_strip(film, (0,)).axes[0].lines
    assert [edge.get_visible() for edge in edges] == [True, True, False]
    assert edges[0].get_linestyle() == "-"
    assert edges[1].get_linestyle() == "--"


def test_the_strip_has_a_column_a_run_and_a_line_a_moment():
    strip = film_strip(small_film(), (0, 20))
    assert len(strip.axes) == 4
    assert [ax.get_title() for ax in strip.axes[:2]] == ["ring", "point"]
    assert [strip.axes[i].get_ylabel() for i in (0, 2)] == ["step 0", "step 20"]
    assert "ring, along the rim" in strip.alt_text
    assert "point, crowded at one place of the rim" in strip.alt_text
    assert not any(letter.isdigit() for letter in strip.alt_text)


# ------------------------------------------------------------------------------------------------- widget


def test_the_viewer_shows_the_chosen_run_and_step(viewer):
    seen = set()
    for run in ("ring", "point"):
        viewer.run.value = run
        for step in STEPS:
            viewer.step.value = step
            seen.add(viewer.image.value)
            assert viewer.words.value.startswith('<div role="status"')
            assert f"Step {step}: the rows lie" in viewer.words.value
    assert len(seen) == 6
    sizes = {Image.open(io.BytesIO(png)).size for png in seen}
    assert len(sizes) == 1
    assert max(map(len, seen)) < 60_000


def test_a_frame_is_the_same_when_one_comes_back(viewer):
    viewer.run.value, viewer.step.value = "ring", 10
    before = viewer.image.value
    viewer.run.value, viewer.step.value = "point", 20
    viewer.run.value, viewer.step.value = "ring", 10
    assert viewer.image.value == before


def test_its_output_carries_the_twin(viewer):
    data, metadata = viewer._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(viewer) == f"FilmViewer: {viewer.still.alt_text}"
    assert metadata["image/png"]["alt"] == viewer.still.alt_text
    assert viewer.moments == STEPS


def test_numbers_that_are_not_known_have_no_dot():
    film = Film(LABELS)
    for step in (0, 1):
        film.add("a", step, ring(), mixture_of(ring()), numbers(effective_rank=float("nan"), trace_B=0.0))
    FilmViewer(film)
    reel = module._Reel(film.runs["a"], LABELS)
    for gauge in reel.gauges:
        gauge.draw(film.runs["a"][0])
    assert [gauge.dot.get_visible() for gauge in reel.gauges] == [True, False, False]
