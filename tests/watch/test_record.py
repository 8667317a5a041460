"""The record of a run: its curves, its alarms, and what a run that goes back takes with it."""

import math

import numpy as np
import pytest

from mixturelab.stream.diagnostics import Alarm, find_alarms
from mixturelab.watch.record import NAMES, Record, thinned
from mixturelab.watch.words import alarm_words, seconds_words, spoken


def row(**changes):
    return {"trace_B": 0.6, "opnorm_B": 0.15, "alarms": "", "epoch": 0, **changes}


def test_curves_hold_what_was_given_and_leave_gaps_out():
    record = Record()
    for step, rank in enumerate(["8", "nan", "7"]):
        record.add(step, row(loss=5 - step, effective_rank=rank))
    np.testing.assert_array_equal(record.curve("loss"), [[0, 1, 2], [5, 4, 3]])
    np.testing.assert_array_equal(record.curve("effective_rank"), [[0, 2], [8, 7]])
    np.testing.assert_allclose(record.curve("ratio"), [[0, 1, 2], [0.25, 0.25, 0.25]])
    assert record.last("effective_rank") == 7
    assert math.isnan(record.last("batch_spread"))
    assert (record.step, record.epoch) == (2, 0)


def test_nothing_between_the_components_is_no_ratio():
    record = Record()
    record.add(0, row(trace_B="0", opnorm_B="0"))
    assert not len(record.curve("ratio")[0])


def test_numbers_of_a_step_may_come_from_several_tables_in_any_order():
    record = Record()
    for step in range(20):
        record.add(step, row())
    for step in range(10):
        record.add(step, {"loss": 1.0})
    assert record.step == 19
    assert len(record.curve("loss")[0]) == 10
    assert len(record.curve("trace_B")[0]) == 20


def test_a_run_that_goes_back_replaces_its_later_steps():
    record = Record()
    for step in range(5):
        record.add(step, {"loss": step})
    record.add(2, {"loss": 9.0})
    np.testing.assert_array_equal(record.curve("loss"), [[0, 1, 2], [0, 1, 9]])


def test_a_table_that_is_read_anew_takes_its_curves_and_alarms_along():
    record = Record()
    record.add(4, row(loss=1.0, batch_spread=0.05, alarms="complete_collapse"))
    record.forget(["batch_spread", "effective_rank"])
    assert record.alarms == {}
    assert record.alarms_now == ()
    assert record.last("loss") == 1.0
    assert record.step == 4
    record.forget()
    assert record.step == -1
    assert all(not len(record.curve(name)[0]) for name in NAMES)


def test_alarms_have_their_span_and_know_whether_they_are_on():
    record = Record()
    for step in range(10):
        record.add(step, row(alarms="low_rank_collapse" if 3 <= step < 7 else ""))
    assert record.alarms == {"low_rank_collapse": (3, 6)}
    assert record.alarms_now == ()
    record.add(10, row(alarms="low_rank_collapse;complete_collapse"))
    assert record.alarms_now == ("low_rank_collapse", "complete_collapse")
    said = alarm_words(record)
    assert said[0].startswith("low-rank collapse since step 3: the embeddings fall into few directions")
    assert said[1].startswith("complete collapse since step 10: the embeddings fall to one point")


@pytest.mark.parametrize("loss", [math.nan, math.inf, "nan"])
def test_a_loss_that_is_no_number_is_an_alarm_until_the_run_goes_back(loss):
    record = Record()
    for step, value in enumerate([3.0, loss, loss]):
        record.add(step, {"loss": value})
    assert record.lost_at == 1
    assert alarm_words(record) == ("loss: not a finite number since step 1",)
    record.add(1, {"loss": 2.0})
    assert alarm_words(record) == ()


def test_every_alarm_that_the_mixture_raises_has_its_sentence():
    """A new alarm without one fails here."""
    numbers = dict(
        updates=100, collapsed_for=50, batch_spread=0.01, trace_B=1.0, opnorm_B=0.9, r_squared=0.05,
        batch_adjusted_r_squared=0.0,
    )  # fmt: skip
    alarms = find_alarms(numbers, 1.5, 10, 32, uses_labels=True)
    assert len(alarms) == 3
    assert all(isinstance(alarm, Alarm) for alarm in alarms)
    record = Record()
    record.add(7, {"alarms": ";".join(alarm.name for alarm in alarms)})
    said = alarm_words(record)
    assert len(said) == 3
    assert all(": " in words for words in said)
    assert spoken("low_rank_collapse") == "low-rank collapse"


def test_a_thinned_curve_keeps_its_extremes_and_its_order():
    rng = np.random.default_rng(0)
    steps, values = np.arange(10_000.0), rng.normal(size=10_000)
    values[4321], values[77] = 40.0, -30.0
    few_steps, few = thinned(steps, values, 600)
    assert len(few) <= 600
    assert (few.max(), few.min()) == (40.0, -30.0)
    assert (np.diff(few_steps) > 0).all()
    assert set(zip(few_steps, few, strict=True)) <= set(zip(steps, values, strict=True))
    short = thinned(steps[:600], values[:600], 600)
    np.testing.assert_array_equal(short, [steps[:600], values[:600]])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (45, "45 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 days"),
     (math.nan, "an unknown time")],
)  # fmt: skip
def test_durations_in_words(seconds, words):
    assert seconds_words(seconds) == words
