"""The live figure: when it draws, what it shows and says, and what it leaves behind; and the frames it is made of."""

import io
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mixturelab import plot
from mixturelab.plot import live as module
from mixturelab.plot.frames import Frames
from mixturelab.plot.live import LiveFigure


class Clock:
    """A clock that only moves when told to, and a little with each look at it."""

    def __init__(self, per_look=0.0):
        self.now, self.per_look = 100.0, per_look

    def __call__(self):
        self.now += self.per_look
        return self.now


def row(step=0, **changes):
    """What a mixture logs, as far as it is drawn."""
    values = dict(pi_min=0.05, pi_max=0.15, batch_spread=0.9, trace_B=0.6, opnorm_B=0.12, effective_rank=9.0)
    return {"step": step, "alarms": "", **values, **changes}


def filled(n=6, title="run", **changes):
    """After n steps, drawn once."""
    live = LiveFigure(n, title, clock=Clock())
    for step in range(n):
        live.update(step, 6.0 - step, row(step, **changes))
    live.final()
    return live


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


# ------------------------------------------------------------------------------------------ when it draws


def test_it_draws_at_once_and_then_not_before_its_time():
    clock = Clock()
    live = LiveFigure(100, every=0.5, clock=clock)
    drawn = []
    for step in range(40):
        drawn.append(live.update(step, 1.0, row(step)))
        clock.now += 0.125
    assert [step for step, was in enumerate(drawn) if was] == list(range(0, 40, 4))
    assert live.steps == list(range(40))


def test_slow_drawing_takes_a_tenth_of_the_time_at_most():
    live = LiveFigure(
        100, every=0.0, clock=Clock(per_look=1.0)
    )  # a look before and one after: drawing takes 1 s
    seen = [live.update(step, 1.0) for step in range(30)]
    starts = [number for number, was in enumerate(seen) if was]
    assert min(np.diff(starts)) >= 9


def test_a_late_step_is_not_lost(monkeypatch):
    clock = Clock()
    live = LiveFigure(2, every=60.0, clock=clock)
    live.update(0, 3.0, row(0))
    before = live.image.value
    assert not live.update(1, 2.0, row(1))
    assert live.image.value == before
    live.final()
    assert live.image.value != before
    assert "loss 2.000" in live.words.value


# ------------------------------------------------------------------------------------------ what it shows


def test_curves_hold_what_was_given_and_leave_gaps_out():
    live = LiveFigure(4, clock=Clock())
    for step, rank in enumerate([8.0, math.nan, 7.0]):
        live.update(step, 5.0 - step, row(step, effective_rank=rank, opnorm_B=0.3))
    live.update(3, 2.5)  # nothing logged
    np.testing.assert_array_equal(live.curve("loss"), [[0, 1, 2, 3], [5.0, 4.0, 3.0, 2.5]])
    np.testing.assert_array_equal(live.curve("effective_rank"), [[0, 2], [8.0, 7.0]])
    np.testing.assert_allclose(live.curve("ratio"), [[0, 1, 2], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize("name", ["trace_B", "pi_max", "effective_rank", "batch_spread"])
def test_each_number_changes_the_picture(name):
    assert filled().image.value != filled(**{name: 0.01}).image.value


def test_an_axis_grows_where_the_numbers_leave_it():
    live = LiveFigure(3, every=0.0, clock=Clock())
    loss = live._drawing.panels[0]
    live.update(0, 6.0, row())
    first = loss.ax.get_ylim()
    live.update(1, -40.0, row(trace_B=7.0))
    low, high = loss.ax.get_ylim()
    assert low < -40.0
    assert first[1] <= high
    assert live._drawing.panels[3].ax.get_ylim()[1] > 7.0
    assert loss.ax.get_ylim() == (low, high)
    live.update(2, 0.0, row())  # inside: nothing moves
    assert loss.ax.get_ylim() == (low, high)


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e30])
def test_a_loss_beyond_all_bounds_does_not_stop_the_run(loss):
    live = LiveFigure(3, every=0.0, clock=Clock())
    live.update(0, 1.0, row())
    live.update(1, loss, row(trace_B=math.nan, opnorm_B=math.nan))
    live.final()
    assert Image.open(io.BytesIO(live.image.value)).size == (860, 436)


def test_nothing_between_the_components_is_no_division_by_zero():
    live = LiveFigure(3, every=0.0, clock=Clock())
    live.update(0, 1.0, row(trace_B=0.0, opnorm_B=0.0))
    assert not len(live.curve("ratio")[0])


def test_an_alarm_is_red_from_its_first_step_on():
    live = LiveFigure(100, "no negatives", clock=Clock())
    for step in range(60):
        live.update(step, 1.0, row(step, alarms="complete_collapse" if step >= 40 else ""))
    live.final()
    assert live.alarms == {"complete_collapse": (40, 59)}
    assert module._headline(live) == "no negatives: step 59 of 100, alarm: complete collapse from step 40 on"
    panel = live._drawing.panels[0]
    assert panel.alarm.get_visible()
    assert (panel.alarm.get_x(), panel.alarm.get_width()) == (40, 19)
    calm = filled()
    assert not calm._drawing.panels[0].alarm.get_visible()
    assert module._headline(calm) == "run: step 5 of 6, no alarm"


def test_frames_are_small():
    assert len(filled(200).image.value) < 60_000


# ---------------------------------------------------------------------------------- what it says and leaves


def test_the_words_hold_no_number():
    live = LiveFigure(200, "τ = 50", clock=Clock())
    assert live.still.alt_text == "Six empty panels that wait for the run “τ = 50”."
    for step in range(50):
        live.update(
            step, 6.2, row(step, trace_B=0.02 * step + 0.1, alarms="low_rank_collapse" if step > 30 else "")
        )
    words = live.still.alt_text
    assert not any(letter.isdigit() for letter in words.replace("τ = 50", ""))
    assert "the loss stays much the same" in words
    assert "trace_B rises" in words
    assert "the spread of a batch stays much the same and ends above its limit" in words
    assert words.endswith("Alarm: low-rank collapse.")


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
    assert module._moves(np.array(values, dtype=float)) == words


def test_the_output_is_the_widget_with_its_twin_and_text_that_never_changes():
    live = filled(title="healthy")
    data, metadata = live._repr_mimebundle_()
    assert (
        data["text/plain"]
        == repr(live)
        == "LiveFigure: loss and mixture of the run “healthy” while it trains"
    )
    assert repr(LiveFigure(3, "healthy")) == repr(live)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert live.still.png == live.image.value
    assert metadata["image/png"]["alt"] == live.still.alt_text


def test_the_last_frame_takes_the_place_of_the_first(monkeypatch):
    shown = []

    class Handle:
        def display(self, data, metadata, raw):
            shown.append(("display", data["image/png"], metadata["image/png"]["alt"], raw))

        def update(self, data, metadata, raw):
            shown.append(("update", data["image/png"], metadata["image/png"]["alt"], raw))

    monkeypatch.setattr(module, "DisplayHandle", Handle)
    live = LiveFigure(3, every=0.0, clock=Clock())
    live.final()  # not displayed: nothing to replace
    assert shown == []
    live._ipython_display_()
    live.update(0, 1.0, row())
    live.final()
    assert [how for how, *_ in shown] == ["display", "update"]
    assert shown[0][1] != shown[1][1]
    assert "Six empty panels" in shown[0][2]
    assert "the loss" in shown[1][2]
    assert all(raw for *_, raw in shown)


def test_it_is_exported_without_being_loaded():
    assert plot.LiveFigure is LiveFigure
    with pytest.raises(AttributeError, match="no attribute 'DeadFigure'"):
        _ = plot.DeadFigure


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
