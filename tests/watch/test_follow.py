"""A run folder read from outside: while it grows, is resumed, ends, or says nothing any more."""

import json
import math
import os
import shutil

import numpy as np
import pytest
from small_runs import N_STEPS, small_config, small_data
from watch.views import Writer, a_view

from mixturelab.simclr import folder as run_folder
from mixturelab.simclr import train
from mixturelab.stream.writers import DIAGNOSTICS, MIXTURE
from mixturelab.watch import follow
from mixturelab.watch.follow import RunReader, is_run
from mixturelab.watch.record import NAMES
from mixturelab.watch.view import VIEW, encode
from mixturelab.watch.writer import ViewWriter


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def written(tmp_path):
    return Writer(tmp_path / "run")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader(written, clock):
    return RunReader(written.folder, clock=clock, wall=lambda: os.stat(written.folder / MIXTURE).st_mtime)


def test_names_are_those_of_the_run_s_own_files():
    assert (follow.LOSSES, follow.CONFIG, follow.METRICS) == (
        run_folder.LOSSES,
        run_folder.CONFIG,
        run_folder.METRICS,
    )


def test_a_real_run_is_read_number_for_number(tmp_path, monkeypatch):
    monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})
    monkeypatch.setattr("mixturelab.simclr.result._metrics", lambda result: {})
    with ViewWriter(tmp_path) as writer:
        result = train(small_config(), tmp_path, data=small_data(), on_step=writer)
    reader = RunReader(tmp_path)
    found = reader.poll()
    last = result.history[-1]
    assert (found.state, found.step, found.n_steps, found.epoch) == ("finished", N_STEPS - 1, N_STEPS, 1)
    np.testing.assert_allclose(reader.record.curve("loss")[1], result.losses, rtol=1e-8)
    for name in ("pi_min", "pi_max", "trace_B", "opnorm_B", "batch_spread"):
        assert getattr(found, name) == pytest.approx(last[name], rel=1e-8)
    assert found.ratio == pytest.approx(last["opnorm_B"] / last["trace_B"], rel=1e-7)
    ranks = [row["effective_rank"] for row in result.history if math.isfinite(row["effective_rank"])]
    np.testing.assert_allclose(reader.record.curve("effective_rank")[1], ranks, rtol=1e-8)
    assert reader.view.step == N_STEPS - 1
    assert all(len(reader.record.curve(name)[0]) for name in NAMES)
    assert not list(tmp_path.glob(".*"))  # nothing was written to look


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path, clock):
    reader = RunReader(tmp_path / "run", clock=clock)
    assert reader.poll().state == "waiting"
    assert not is_run(tmp_path / "run")
    Writer(tmp_path / "run").step(0)
    found = reader.poll()
    assert (found.state, found.step, found.loss, found.ratio) == ("training", 0, 2.0, 1.0)


def test_each_look_brings_what_is_new_and_the_speed(written, reader, clock):
    for number in range(12):
        written.step(number, loss=3.0 - number / 10)
        clock.now += 0.5
        found = reader.poll()
        assert (found.step, found.loss) == (number, pytest.approx(3.0 - number / 10))
    assert found.steps_per_second == pytest.approx(2.0)
    assert found.epoch == 2
    assert found.n_steps is None
    assert len(reader.record.curve("loss")[0]) == 12


def test_many_steps_at_the_first_look_are_no_speed(written, reader, clock):
    for number in range(100):
        written.step(number)
    assert math.isnan(reader.poll().steps_per_second)
    (written.folder / VIEW).write_bytes(encode(a_view(step=99, n_steps=500, steps_per_second=7.0)))
    found = reader.poll()
    assert (found.steps_per_second, found.n_steps) == (7.0, 500)


def test_a_resumed_run_goes_back(written, reader):
    for number in range(8):
        written.step(number, alarms="complete_collapse" if number > 5 else "")
    assert reader.poll().alarms == ("complete_collapse",)
    rows = {
        name: (written.folder / name).read_text().splitlines(True)
        for name in ("losses.csv", MIXTURE, DIAGNOSTICS)
    }
    for name, lines in rows.items():
        other = written.folder / "other"
        other.write_text("".join(lines[:5]))
        os.replace(other, written.folder / name)
    found = reader.poll()
    assert (found.step, found.alarms) == (3, ())
    written.step(4, loss=9.0)
    assert reader.poll().loss == 9.0
    np.testing.assert_array_equal(reader.record.curve("loss")[0], range(5))


def test_a_run_that_was_deleted_and_begun_anew_is_followed_anew(written, reader):
    for number in range(8):
        written.step(number)
    reader.poll()
    shutil.rmtree(written.folder)
    assert reader.poll().step == -1
    Writer(written.folder).step(0, loss=6.0)
    found = reader.poll()
    assert (found.step, found.loss, found.state) == (0, 6.0, "training")


def test_silence_is_counted_from_the_last_news_and_told_after_half_a_minute(written, reader, clock):
    written.step(0)
    assert reader.poll().state == "training"
    clock.now += 29
    assert reader.poll().state == "training"
    clock.now += 2
    found = reader.poll()
    assert (found.state, found.silent_for, found.is_healthy) == ("silent", 31, False)
    written.step(1)
    assert (reader.poll().state, reader.poll().silent_for) == ("training", 0)


def test_a_slow_run_may_be_silent_for_longer(written, reader, clock):
    for number in range(3):
        written.step(number)
        clock.now += 20
        reader.poll()
    clock.now += 200
    assert reader.poll().state == "training"
    clock.now += 250
    assert reader.poll().state == "silent"


def test_at_the_first_look_the_files_own_time_tells_how_long_nothing_came(written, clock):
    written.step(0)
    age = os.stat(written.folder / MIXTURE).st_mtime
    found = RunReader(written.folder, clock=clock, wall=lambda: age + 3600).poll()
    assert found.state == "silent"
    assert found.silent_for == pytest.approx(3600, abs=5)
    late = RunReader(written.folder, clock=clock, wall=lambda: age - 3600).poll()  # a clock that goes wrong
    assert (late.state, late.silent_for) == ("training", 0.0)


def test_an_interrupted_run_is_told_from_a_silent_one_and_from_its_resumption(written, reader, clock):
    for number in range(4):
        written.step(number)
    (written.folder / VIEW).write_bytes(encode(a_view(step=3, status="interrupted")))
    clock.now += 500
    found = reader.poll()
    assert (found.state, found.is_healthy) == ("interrupted", True)
    written.step(4)
    assert reader.poll().state == "training"


def test_a_finished_run_says_so_by_its_numbers_its_view_or_its_last_step(written, reader, clock):
    written.step(0)
    (written.folder / "metrics.json").write_text(json.dumps({}))
    assert reader.poll().state == "finished"
    (written.folder / "metrics.json").unlink()
    assert reader.poll().state == "training"
    (written.folder / VIEW).write_bytes(encode(a_view(step=0, status="finished")))
    assert reader.poll().state == "finished"
    (written.folder / VIEW).write_bytes(encode(a_view(step=0, n_steps=2)))
    assert reader.poll().state == "training"
    written.step(1)
    assert reader.poll().state == "finished"


def test_a_damaged_view_is_told_and_the_last_one_kept(written, reader):
    written.step(0)
    content = encode(a_view(step=0))
    (written.folder / VIEW).write_bytes(content)
    reader.poll()
    (written.folder / VIEW).write_bytes(content[:100])
    found = reader.poll()
    assert reader.view.step == 0
    assert "damaged" in found.problems[0]
    (written.folder / VIEW).write_bytes(encode(a_view(step=7)))
    assert reader.poll().problems == ()
    assert reader.view.step == 7


def test_a_table_that_cannot_be_read_is_told(written, reader):
    written.step(0)
    (written.folder / DIAGNOSTICS).unlink()
    (written.folder / DIAGNOSTICS).mkdir()
    found = reader.poll()
    assert found.loss == 2.0
    assert found.problems[0].startswith(f"{DIAGNOSTICS}: ")


def test_alarms_and_a_lost_loss_come_in_words(written, reader):
    written.step(0)
    assert reader.poll().is_healthy
    written.step(1, loss="nan", alarms="low_rank_collapse")
    found = reader.poll()
    assert found.words[0] == "loss: not a finite number since step 1"
    assert found.words[1].startswith("low-rank collapse since step 1: ")
    assert math.isnan(found.loss)
    assert not found.is_healthy


def test_two_readers_know_nothing_of_each_other(written, clock):
    written.step(0)
    one, other = RunReader(written.folder, clock=clock), RunReader(written.folder, clock=clock)
    assert one.poll().step == other.poll().step == 0
    written.step(1)
    assert (one.poll().step, len(other.record.curve("loss")[0])) == (1, 1)
