"""A run's frames: what is drawn of a record and a view, what is said of them, and the frames they are made of."""

import io
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from watch.views import a_view

from mixturelab import plot
from mixturelab.plot.frames import Frames
from mixturelab.plot.live import PANELS, WIDTH, RunDrawing
from mixturelab.plot.live_words import alternative, headline, moves, reading_words
from mixturelab.watch.record import NAMES, Record


def row(**changes):
    """What a run knows of a step, as far as it is drawn."""
    values = dict(
        loss=4.0, pi_min=0.05, pi_max=0.15, batch_spread=0.9, trace_B=0.6, opnorm_B=0.12, effective_rank=9.0
    )
    return {"alarms": "", **values, **changes}


def recorded(n=6, **changes):
    record = Record()
    for step in range(n):
        record.add(step, row(loss=6.0 - step / n, **changes))
    return record


def frame(record, view=None, drawing=None, n_steps=10):
    return (drawing or RunDrawing(n_steps)).png(record, view, "run", is_alarmed=bool(record.alarms))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def panel(drawing, name):
    return next(one for one in drawing.panels if name in one.panel.names)


# ------------------------------------------------------------------------------------------------ curves


def test_every_number_of_a_record_has_its_panel():
    assert {name for one in PANELS for name in one.names} == set(NAMES)


def test_lines_hold_the_numbers_of_the_record():
    drawing, record = RunDrawing(10), recorded()
    frame(record, drawing=drawing)
    for one in drawing.panels:
        for line, name in zip(one.lines, one.panel.names, strict=True):
            np.testing.assert_array_equal(line.get_data(), record.curve(name))


@pytest.mark.parametrize(
    "name", ["trace_B", "pi_max", "effective_rank", "batch_spread", "opnorm_B", "pi_min"]
)
def test_each_number_changes_the_picture(name):
    assert frame(recorded()) != frame(recorded(**{name: 0.01}))


def test_long_runs_are_drawn_with_few_points():
    record, drawing = Record(), RunDrawing(50_000)
    for step in range(50_000):
        record.add(step, {"loss": math.sin(step / 500)})
    frame(record, drawing=drawing)
    assert len(panel(drawing, "loss").lines[0].get_xdata()) <= 600


def test_an_axis_grows_where_the_numbers_leave_it():
    drawing, record = RunDrawing(10), Record()
    loss = panel(drawing, "loss")
    record.add(0, row(loss=6.0))
    frame(record, drawing=drawing)
    first = loss.ax.get_ylim()
    record.add(1, row(loss=-40.0, trace_B=7.0))
    frame(record, drawing=drawing)
    low, high = loss.ax.get_ylim()
    assert low < -40.0
    assert first[1] <= high
    assert panel(drawing, "trace_B").ax.get_ylim()[1] > 7.0
    record.add(2, row(loss=0.0))  # inside: nothing moves
    frame(record, drawing=drawing)
    assert loss.ax.get_ylim() == (low, high)


def test_steps_nobody_announced_have_room():
    drawing, record = RunDrawing(None), Record()
    ends = []
    for step in range(500):
        record.add(step, row())
        if step % 20 == 0:
            frame(record, drawing=drawing)
            assert drawing.panels[0].ax.get_xlim()[1] >= step
            ends.append(drawing.end)
    assert len(set(ends)) < 6  # the axes stand still most of the time
    drawing.set_end(700)
    assert all(one.ax.get_xlim() == (0, 700) for one in drawing.panels)


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e30])
def test_a_loss_beyond_all_bounds_is_no_trouble(loss):
    record = recorded()
    record.add(6, row(loss=loss, trace_B=math.nan, opnorm_B=math.nan))
    assert Image.open(io.BytesIO(frame(record))).size == (WIDTH, 470)


def test_an_alarm_is_red_from_its_first_step_to_its_last():
    drawing, record = RunDrawing(100), Record()
    for step in range(60):
        record.add(step, row(alarms="complete_collapse" if step >= 40 else ""))
    frame(record, drawing=drawing)
    one = drawing.panels[0]
    assert one.alarm.get_visible()
    assert (one.alarm.get_x(), one.alarm.get_width()) == (40, 19)
    assert drawing.title.get_color() == plot.palette.ALARM
    calm = RunDrawing(100)
    frame(recorded(), drawing=calm)
    assert not calm.panels[0].alarm.get_visible()
    assert calm.title.get_color() == plot.palette.INK


# ------------------------------------------------------------------------------------------------- the map


def test_the_map_shows_points_in_mixed_colours_means_and_ellipses_of_90_percent():
    drawing, view = RunDrawing(10), a_view(k=3)
    frame(recorded(), view, drawing)
    shown = drawing.map
    np.testing.assert_allclose(shown.rows.get_offsets(), view.points)
    np.testing.assert_allclose(shown.rows.get_facecolor()[:, :3], plot.mix(view.responsibilities))
    for k in range(3):
        np.testing.assert_allclose(np.column_stack(shown.centres[k].get_data()), view.means[k : k + 1])
        edge = np.column_stack(shown.edges[k].get_data()) - view.means[k]
        squares = np.einsum("nd,de,ne->n", edge, np.linalg.inv(view.covariances[k]), edge)
        np.testing.assert_allclose(
            squares, -2 * np.log(1 - 0.9)
        )  # of chi-squared with two degrees of freedom


def test_components_that_come_and_go_and_keep_no_covariance():
    drawing = RunDrawing(10)
    frame(recorded(), a_view(k=2), drawing)
    view = a_view(k=4)
    view.weights[1] = 0
    view.covariances[2] = np.nan
    frame(recorded(), view, drawing)
    assert [edge.get_visible() for edge in drawing.map.edges] == [True, False, False, True]
    assert [centre.get_visible() for centre in drawing.map.centres] == [True, False, True, True]
    frame(recorded(), a_view(k=1), drawing)
    assert [edge.get_visible() for edge in drawing.map.edges] == [True, False, False, False]
    assert not any(centre.get_visible() for centre in drawing.map.centres[1:])


def test_without_a_mixture_points_are_grey():
    drawing = RunDrawing(10)
    frame(recorded(), a_view(k=0), drawing)
    assert len({tuple(colour) for colour in drawing.map.rows.get_facecolor()}) == 1


def test_the_map_s_scale_grows_and_never_shrinks():
    """What falls to one point is seen to do so."""
    drawing = RunDrawing(10)
    frame(recorded(), a_view(scale=5.0), drawing)
    wide = drawing.map.reach
    assert wide > 4
    frame(recorded(), a_view(scale=0.01), drawing)
    assert drawing.map.reach == wide == drawing.map.ax.get_xlim()[1]


def test_frames_are_small_and_of_one_size():
    drawing = RunDrawing(200)
    for n in (1, 100, 200):
        png = frame(recorded(n), a_view(n=500, k=10, step=n), drawing)
        assert len(png) < 80_000
        assert Image.open(io.BytesIO(png)).size == (WIDTH, 470)


def test_a_frame_that_another_thread_draws_is_the_same_and_switches_no_settings(monkeypatch):
    """Matplotlib's settings belong to all threads: two that switch and restore them undo each other's."""
    drawing, other = RunDrawing(10), RunDrawing(10)
    record, view = recorded(loss_scale=1), a_view()
    wanted = frame(record, view, drawing)

    def switched(*_, **__):
        raise AssertionError("settings were switched")

    monkeypatch.setattr("mixturelab.plot.picture.look", switched)
    assert frame(record, view, other) == wanted


# ------------------------------------------------------------------------------------------------- words


def test_the_headline_tells_steps_state_and_alarms():
    record = recorded(60)
    assert headline("run", Record(), 100) == "run: ready"
    assert headline("run", Record(), None, "waiting for the first step") == "run: waiting for the first step"
    assert headline("run", record, 100) == "run: 60 of 100 steps, no alarm"
    assert headline("run", record, None, "silent") == "run: 60 steps, silent, no alarm"
    record.add(60, row(alarms="complete_collapse"))
    assert headline("run", record, 100) == "run: 61 of 100 steps, alarm: complete collapse from step 60 on"
    record.add(61, row(loss=math.nan))
    assert "alarm: loss not finite from step 61 on and complete collapse from step 60 on" in headline(
        "run", record, 100
    )


def test_the_alternative_text_holds_no_number():
    record = Record()
    assert alternative("τ = 50", record, None) == (
        "Six empty panels and an empty map that wait for the run “τ = 50”."
    )
    for step in range(50):
        alarms = "low_rank_collapse" if step > 30 else ""
        record.add(step, row(loss=6.2, trace_B=0.02 * step + 0.1, alarms=alarms))
    words = alternative("τ = 50", record, a_view())
    assert not any(letter.isdigit() for letter in words.replace("τ = 50", ""))
    assert "the loss stays much the same" in words
    assert "trace_B rises" in words
    assert "the spread of a batch stays much the same and ends above its limit" in words
    assert "a map of embeddings in the two directions in which the components' means differ most" in words
    assert words.endswith("Alarm: low-rank collapse.")
    assert "two widest directions" in alternative("run", record, a_view(k=0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2, 3], "rises"),
        ([3, 2, 1], "falls"),
        ([1, 1.001, 1], "stays much the same"),
        ([0, 3, 0.2], "rises and falls again"),
        ([3, 0, 2.9], "falls and rises again"),
        ([0, 0, 0], "stays much the same"),
    ],
)
def test_the_shape_of_a_curve_in_words(values, words):
    assert moves(np.array(values, dtype=float)) == words


def test_the_last_numbers_are_told_as_far_as_they_are_known():
    record = Record()
    record.add(0, {"loss": -0.5})
    assert reading_words(record) == "loss −0.500"
    record.add(1, row(effective_rank=math.nan))
    assert "ratio 0.200" in reading_words(record)
    assert "effective_rank" not in reading_words(record)


# ---------------------------------------------------------------------------------------------- the frames


def test_a_frame_is_what_a_whole_drawing_gives():
    figure = plot.new(3, 2)
    ax = figure.subplots()
    (line,) = ax.plot([0, 1], [0, 1], color="black")
    frames = Frames(figure, [line])
    line.set_data([0, 1], [1, 0])
    moved = pixels(frames.png())
    line.set_animated(False)
    with plot.look():
        FigureCanvasAgg(figure).draw()
    whole = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    assert (abs(moved - whole).max(axis=2) > 40).mean() < 0.01  # a palette, and what lies above the line


def test_the_rest_stands_still_until_it_is_drawn_again():
    figure = plot.new(3, 2)
    ax = figure.subplots()
    (line,) = ax.plot([0, 1], [0, 1])
    frames = Frames(figure, [line])
    before = frames.png()
    ax.set_facecolor("navy")
    assert frames.png() == before
    frames.redraw()
    assert frames.png() != before
    line.set_visible(False)
    assert frames.png() != before
