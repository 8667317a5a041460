"""The live monitor: when it draws, what stops it, what it leaves in the page, and a folder that it follows."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from small_runs import N_STEPS, small_config, small_data
from watch.views import Writer, a_view

from mixturelab import plot
from mixturelab.exceptions import ArgumentError
from mixturelab.plot import monitor as module
from mixturelab.plot.monitor import LiveMonitor
from mixturelab.plot.stop_button import StopButton
from mixturelab.simclr import Trainer, train
from mixturelab.watch.view import VIEW, encode, read_view


class Clock:
    """A clock that only moves when told to, and a little with each look at it."""

    def __init__(self, per_look=0.0):
        self.now, self.per_look = 100.0, per_look

    def __call__(self):
        self.now += self.per_look
        return self.now


def new_trainer(**changes):
    return Trainer(small_config(**changes), small_data())


@pytest.fixture
def trainer():
    return new_trainer()


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})
    monkeypatch.setattr("mixturelab.simclr.result._metrics", lambda result: {})


def frames_of(monitor):
    """Every picture that is shown from now on."""
    seen = []
    monitor.image.observe(lambda change: seen.append(change.new), names="value")
    return seen


# ------------------------------------------------------------------------------------ in this process


def test_every_step_is_given_once_and_its_numbers_are_kept(trainer):
    monitor = LiveMonitor(trainer, clock=Clock())
    assert [step.number for step in monitor.track()] == list(range(N_STEPS))
    np.testing.assert_array_equal(monitor.record.curve("loss"), [range(N_STEPS), trainer.losses[:]])
    _, spread = monitor.record.curve("batch_spread")
    np.testing.assert_array_equal(spread, [row["batch_spread"] for row in trainer.history])
    assert monitor.view.step == N_STEPS - 1
    assert monitor.view.status == "finished"


@pytest.mark.parametrize("every", [0.0, 1.0])
def test_a_watched_run_is_bitwise_the_run_that_is_not(every):
    alone, watched = new_trainer(), new_trainer()
    for _ in alone:
        pass
    for _ in LiveMonitor(watched, every=every, clock=Clock(0.7)).track():
        pass
    assert alone.losses[:] == watched.losses[:]
    assert repr(alone.history) == repr(watched.history)
    for one, other in zip(
        alone.network.state_dict().values(), watched.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_it_draws_at_once_and_then_when_it_is_time_to():
    trainer, clock = new_trainer(epochs=8), Clock()
    monitor, drawn = LiveMonitor(trainer, every=0.5, clock=clock), []
    frames = frames_of(monitor)
    for step in monitor.track():
        drawn.append(len(frames))
        clock.now += 0.125
        assert step.number == len(drawn) - 1
    assert [step for step in range(1, 40) if drawn[step] > drawn[step - 1]] == list(range(4, 40, 4))
    assert drawn[0] == 1


def test_slow_drawing_is_done_less_often_but_a_frame_comes_within_two_seconds():
    def gaps(cost):
        clock, seen = Clock(), []
        monitor = LiveMonitor(every=0.5, clock=clock)
        monitor._draw = lambda: setattr(clock, "now", clock.now + cost)
        for step in range(400):
            began = clock.now
            if monitor.update(step, 1.0):
                seen.append(began)
            clock.now += 0.01
        return np.diff(seen)

    assert gaps(0.001) == pytest.approx(0.5, abs=0.02)
    assert gaps(0.02) == pytest.approx(1.0, abs=0.05)  # a fiftieth of the time
    assert gaps(0.2) == pytest.approx(1.75, abs=0.05)


def test_a_late_step_is_not_lost(trainer):
    monitor = LiveMonitor(trainer, every=60.0, clock=Clock())
    frames = frames_of(monitor)
    for _ in monitor.track():
        assert len(frames) == 1
    assert len(frames) == 2
    assert f"loss {trainer.losses[-1]:.3f}" in monitor.words.value


def test_the_loop_ends_after_so_many_steps_and_goes_on_later(trainer):
    monitor = LiveMonitor(trainer, n_steps=3, clock=Clock())
    assert [step.number for step in monitor.track()] == [0, 1, 2]
    monitor.n_steps = 5
    assert [step.number for step in monitor.track()] == [3, 4]
    assert len(monitor.record.curve("loss")[0]) == 5


def test_a_loop_that_is_left_has_its_last_frame_and_its_handler_back(trainer):
    before = signal.getsignal(signal.SIGINT)
    monitor = LiveMonitor(trainer, clock=Clock())
    for step in monitor.track():
        assert signal.getsignal(signal.SIGINT) is not before
        assert monitor.is_running
        if step.number == 4:
            break
    assert signal.getsignal(signal.SIGINT) is before
    assert not monitor.is_running
    assert monitor.record.step == monitor.view.step == 4
    assert monitor.view.status == "interrupted"


def test_an_interrupt_ends_the_loop_after_the_step_and_its_body(trainer):
    monitor, bodies = LiveMonitor(trainer, clock=Clock()), []
    for step in monitor.track():
        if step.number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        bodies.append(step.number)
    assert bodies == [0, 1, 2]
    assert trainer.step == 3
    assert "stopped" in monitor._drawing.title.get_text()
    assert "Stopped between two steps." in monitor.button.value
    assert [step.number for step in monitor.track()] == list(range(3, N_STEPS))  # it goes on


def test_a_loop_of_one_s_own():
    monitor = LiveMonitor(title="mine", every=0.0, clock=Clock())
    for step in monitor.track(range(5)):
        monitor.update(step, 3.0 - step, {"trace_B": 0.5, "opnorm_B": 0.1, "alarms": ""})
    np.testing.assert_array_equal(monitor.record.curve("loss"), [range(5), [3, 2, 1, 0, -1]])
    assert monitor.record.last("ratio") == 0.2
    assert "mine: 5 steps, no alarm" in monitor._drawing.title.get_text()


def test_train_can_be_followed_and_its_folder_has_the_view(tmp_path):
    monitor = LiveMonitor(folder=tmp_path, clock=Clock())
    result = train(small_config(), tmp_path, data=small_data(), on_step=monitor.on_step)
    assert result.status == "finished"
    assert monitor.record.step == N_STEPS - 1
    assert read_view(tmp_path).status == "finished"
    assert not monitor.is_running


def test_a_run_of_train_is_stopped_after_n_steps_and_can_be_resumed(tmp_path):
    monitor = LiveMonitor(n_steps=4, clock=Clock())
    assert train(small_config(), tmp_path, data=small_data(), on_step=monitor.on_step).status == "stopped"
    result = train(small_config(), tmp_path, data=small_data(), resume=True)
    assert (result.status, result.resumed_at) == ("finished", 4)


def test_an_interrupted_run_of_train_is_followed_to_its_end(tmp_path):
    monitor = LiveMonitor(clock=Clock())

    def follow(step):
        monitor.on_step(step)
        if step.number == 3:
            os.kill(os.getpid(), signal.SIGINT)

    assert train(small_config(), tmp_path, data=small_data(), on_step=follow).status == "interrupted"
    monitor._end_with_the_cell()  # a notebook does it
    assert monitor.record.step == 3
    assert not monitor.is_running


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((3,), {}, "source is int, without network; wanted a trainer or a run's folder"),
        ((__file__,), {}, "wanted the folder of a run"),
        (("artifacts",), {"folder": "elsewhere"}, "wanted one of them"),
        ((), {"n_steps": 0}, "n_steps is 0; wanted a whole number ≥ 1"),
        ((), {"every": -1}, "every is -1; wanted seconds ≥ 0"),
    ],
)
def test_mistakes_are_named(arguments, options, said):
    with pytest.raises(ArgumentError) as found:
        LiveMonitor(*arguments, **options)
    assert said in str(found.value)


def test_nothing_to_track_is_said_at_once():
    with pytest.raises(ArgumentError, match="steps is missing"):
        LiveMonitor().track()


# --------------------------------------------------------------------------------------- in the page


class Handle:
    shown: list = []  # noqa: RUF012

    def display(self, data, metadata, raw):
        self.shown.append(("display", data, metadata, raw))

    def update(self, data, metadata, raw):
        self.shown.append(("update", data, metadata, raw))


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(module, "DisplayHandle", Handle)
    Handle.shown = []
    return Handle.shown


def test_the_widget_moves_and_at_the_end_its_last_frame_stands_alone(trainer, shown):
    monitor = LiveMonitor(trainer, "healthy", clock=Clock())
    assert monitor.final() is None  # not displayed: nothing to replace
    assert shown == []
    monitor._ipython_display_()
    for _ in monitor.track():
        pass
    how, bundles, alts = zip(
        *[(how, data, meta["image/png"]["alt"]) for how, data, meta, _ in shown], strict=True
    )
    assert how == ("display", "update", "update")
    assert ["application/vnd.jupyter.widget-view+json" in data for data in bundles] == [True, True, False]
    assert "Six empty panels" in alts[0]
    assert "the loss" in alts[-1]
    assert all(data["text/plain"] == repr(monitor) for data in bundles)
    assert repr(monitor) == repr(LiveMonitor(title="healthy"))
    assert all(raw for *_, raw in shown)
    assert monitor.still.png == monitor.image.value


def test_an_error_in_the_loop_leaves_the_last_frame_when_the_cell_ends(trainer, shown, monkeypatch):
    class Events:
        def register(self, event, work):
            self.work = {event: work}

        def unregister(self, event, work):
            del self.work[event]

    class Shell:
        kernel, events = object(), Events()

    monkeypatch.setattr(module, "get_ipython", Shell)
    monitor = LiveMonitor(trainer, clock=Clock())
    monitor._ipython_display_()
    loop = monitor.track()
    next(loop)  # held, as a traceback holds it
    assert monitor.is_running
    Shell.events.work["post_run_cell"]("the cell's result")
    assert not monitor.is_running
    assert "application/vnd.jupyter.widget-view+json" not in shown[-1][1]
    assert Shell.events.work == {}
    loop.close()


def test_it_is_exported_without_being_loaded():
    assert plot.LiveMonitor is LiveMonitor
    with pytest.raises(AttributeError, match="no attribute 'DeadMonitor'"):
        _ = plot.DeadMonitor


def test_the_button_can_be_pressed_while_there_is_something_to_stop():
    button = StopButton("0123-abcd")
    assert "disabled" in button.value
    assert "onclick" not in button.value
    button.arm()
    assert "api/kernels/" in button.value
    assert "0123-abcd/interrupt" in button.value
    assert "<button" in button.value
    assert " disabled>" not in button.value
    button.rest("Stopped <between> two steps.")
    assert "Stopped &lt;between&gt; two steps." in button.value
    assert "onclick" not in button.value


def test_where_no_server_knows_the_kernel_the_button_says_what_to_do():
    button = StopButton(None)
    button.arm()
    assert "onclick" not in button.value
    assert "Press the notebook’s ■" in button.value


# ------------------------------------------------------------------------------- of another process


def test_a_folder_is_shown_at_once_and_followed_by_a_thread(tmp_path, shown):
    written = Writer(tmp_path / "run")
    written.step(0, loss=4.0)
    monitor = LiveMonitor(tmp_path / "run")
    try:
        assert monitor.title == "run"
        assert monitor.button is None
        assert monitor.record.step == 0
        assert monitor._follower.thread is None  # until it is displayed
        monitor._ipython_display_()
        for step in range(1, 5):
            written.step(step, alarms="low_rank_collapse")
        (written.folder / VIEW).write_bytes(encode(a_view(step=4, n_steps=40)))
        began = time.monotonic()
        while "since step 1" not in monitor.alarm.value and time.monotonic() - began < 30:
            time.sleep(0.05)  # the words follow the picture
        assert monitor.record.step == 4
        assert monitor.n_steps == 40
        assert (
            "run: 5 of 40 steps, alarm: low-rank collapse from step 1 on" in monitor._drawing.title.get_text()
        )
        assert "⚠ low-rank collapse since step 1: " in monitor.alarm.value
    finally:
        monitor.close()
    assert not monitor._follower.thread.is_alive()


def test_nothing_is_drawn_where_nothing_is_new(tmp_path):
    written = Writer(tmp_path / "run")
    written.step(0)
    monitor = LiveMonitor(tmp_path / "run")
    drawn = []
    monitor._draw = lambda words: drawn.append(words)
    assert [monitor._follower.look() for _ in range(3)] == [True] * 3
    assert drawn == []
    written.step(1)
    monitor._follower.look()
    assert len(drawn) == 1
    (written.folder / VIEW).write_bytes(encode(a_view(step=1)))
    monitor._follower.look()
    assert len(drawn) == 2


def test_the_thread_ends_with_the_run(tmp_path, shown):
    written = Writer(tmp_path / "run")
    written.step(0)
    monitor = LiveMonitor(tmp_path / "run")
    monitor._ipython_display_()
    (written.folder / "metrics.json").write_text("{}")
    monitor._follower.thread.join(30)
    assert not monitor._follower.thread.is_alive()
    monitor.close()


def test_a_monitor_that_is_gone_is_not_looked_for(tmp_path):
    monitor = LiveMonitor(tmp_path)
    follower = monitor._follower
    follower._monitor = lambda: None
    assert not follower.look()
    assert threading.active_count() < 50


def test_a_finished_run_is_redrawn_from_its_files_alone(tmp_path):
    """As after a kernel's end, or in another notebook."""
    live = LiveMonitor(folder=tmp_path, title=tmp_path.name, clock=Clock())
    train(small_config(), tmp_path, data=small_data(), on_step=live.on_step)
    again = LiveMonitor(tmp_path)
    assert again.record.step == N_STEPS - 1
    np.testing.assert_allclose(again.record.curve("loss"), live.record.curve("loss"), rtol=1e-8)
    np.testing.assert_allclose(again.view.points, live.view.points, atol=1e-6)
    assert again.still.alt_text == live.still.alt_text


# --------------------------------------------------------------------------------------- in a kernel

BEGIN = """
import torch
from small_runs import *
from mixturelab.plot import LiveMonitor
from mixturelab.simclr import Trainer
torch.set_num_threads(1)
trainer = Trainer(small_config(epochs=100_000), small_data())
monitor, before = LiveMonitor(trainer), 0
monitor
"""
CELL = """
for step in monitor.track():
    if step.number == before + 1:
        print("going", flush=True)
whole = trainer.step == len(trainer.losses) == trainer.scheduler.last_epoch
before = trainer.step
print("whole", whole, torch.is_grad_enabled())
"""


@pytest.mark.slow
def test_twenty_interrupts_of_a_kernel_leave_it_alive_and_its_steps_whole():
    from jupyter_client.manager import start_new_kernel

    rng = np.random.default_rng(0)
    manager, client = start_new_kernel(env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)})
    try:
        assert (
            client.execute_interactive(BEGIN, timeout=120, output_hook=lambda _: None)["content"]["status"]
            == "ok"
        )
        said = []

        def hear(message):
            text = message["content"].get("text", "")
            if "going" in text:
                time.sleep(0.3 * rng.random())
                manager.interrupt_kernel()
            said.extend(line for line in text.splitlines() if line.startswith("whole"))

        for _ in range(20):
            reply = client.execute_interactive(CELL, timeout=120, output_hook=hear)
            assert reply["content"]["status"] == "ok", reply["content"]
        assert said == ["whole True True"] * 20
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
