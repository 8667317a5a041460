"""The logic of the SimCLR benchmark's tables on series made by hand, and that watching a run does not change it."""

import numpy as np
import pytest
from small_runs import small_config, small_data

from benchmarks import simclr_series as series
from benchmarks import simclr_watch as watch
from mixturelab.simclr import Trainer

NAN = float("nan")


def healthy(n_runs: int = 4, n_steps: int = 40) -> dict[int, np.ndarray]:
    """Runs 0, 1, 2, … apart from one another by 1 at every step."""
    return {seed: np.full(n_steps, float(seed)) for seed in range(n_runs)}


def changed(values: np.ndarray, start: int, stop: int, to: float) -> np.ndarray:
    return np.where((np.arange(len(values)) >= start) & (np.arange(len(values)) < stop), to, values)


# ------------------------------------------------------------------------------------------------- range
def test_the_range_is_widened_by_its_width():
    found = series.healthy_range([np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([2.0, 5.0])])
    np.testing.assert_array_equal(found.low, [1 - 2.5, 2 - 3])  # widths 2 and 3, the median is 2.5
    np.testing.assert_array_equal(found.high, [3 + 2.5, 5 + 3])


def test_runs_that_agree_at_a_step_by_chance_leave_room_there():
    runs = [np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0])]
    found = series.healthy_range(runs)
    assert found.low[1] == -1
    assert found.high[1] == 1


# ----------------------------------------------------------------------------------------------- showing
@pytest.mark.parametrize(("to", "direction"), [(100.0, 1), (-100.0, -1)])
def test_a_signal_shows_from_the_step_that_it_leaves_the_range_for_good(to, direction):
    values = changed(changed(np.full(40, 1.0), 3, 7, to), 20, 40, to)  # four steps outside are not five
    shown = series.first_showing(values, series.healthy_range([*healthy().values()]))
    assert shown == series.Showing(20, direction, end=direction)


def test_a_signal_may_come_back_or_end_on_the_other_side():
    judged = series.healthy_range([*healthy().values()])
    away = changed(np.full(40, 1.0), 10, 20, 100.0)
    assert series.first_showing(away, judged) == series.Showing(10, 1, end=0)
    assert series.first_showing(changed(away, 35, 40, -100.0), judged) == series.Showing(10, 1, end=-1)
    assert series.first_showing(changed(away, 36, 40, -100.0), judged) == series.Showing(10, 1, end=0)


def test_steps_count_from_where_the_failure_begins():
    values = changed(np.full(40, 1.0), 8, 40, 100.0)  # outside before the failure began
    judged = series.healthy_range([*healthy().values()])
    assert series.first_showing(values, judged, start=12) == series.Showing(0, 1, 1)
    assert series.first_showing(changed(values, 0, 15, 1.0), judged, start=12) == series.Showing(3, 1, 1)


def test_the_last_steps_are_too_few_to_show():
    judged = series.healthy_range([*healthy().values()])
    assert series.first_showing(changed(np.zeros(40), 36, 40, 100.0), judged) is None
    assert series.first_showing(changed(np.zeros(40), 35, 40, 100.0), judged) == series.Showing(35, 1, 1)


def test_steps_without_an_evaluation_are_passed_over():
    every_third = np.where(np.arange(40) % 3 == 0, 0.0, NAN)
    judged = series.healthy_range([every_third, every_third + 1])
    values = every_third + changed(np.zeros(40), 10, 40, 100.0)
    assert series.first_showing(values, judged) == series.Showing(12, 1, 1)


def test_a_value_without_meaning_is_not_outside():
    values = changed(np.full(40, NAN), 30, 40, 100.0)
    assert series.first_showing(values, series.healthy_range([*healthy().values()])) == series.Showing(
        30, 1, 1
    )


def test_each_run_is_judged_by_the_healthy_runs_of_other_seeds():
    runs = healthy()
    runs[3] = runs[3] + 100  # its own run would make room for it
    found = series.showings(runs, runs)
    assert [one is not None for one in found] == [False, False, False, True]


# ------------------------------------------------------------------------------------------------- cells
def test_first_on():
    alarm = np.array([False, False, True, False, True])
    assert series.first_on(alarm) == 2
    assert series.first_on(alarm, start=3) == -1  # a false alarm before the failure is seen as one
    assert series.first_on(np.zeros(5, dtype=bool)) is None


def test_cells():
    up, down = series.Showing(10, 1, 0), series.Showing(14, -1, -1)
    assert series.showing_cell([up, up]) == "10 ↑; 0 of 2"
    assert series.showing_cell([up, down]) == "12 (10–14) ↕; 1 of 2 ↓"
    assert series.showing_cell([down, None]) == "14, 1 of 2 runs ↓; 1 of 2 ↓"
    assert series.showing_cell([None, None]) == "never"
    assert series.spread_cell([0.25, 0.75]) == "0.500 ± 0.354 (0.250–0.750)"
    on, off = np.array([False, True]), np.array([True, False])
    assert series.alarm_cell([on, off]) == "0 (0–1); on at the end: 1 of 2"
    assert series.alarm_cell([off & on]) == "never"


def test_values_at_steps_are_medians_of_what_was_looked_at_last():
    runs = [np.array([1.0, NAN, 3.0, NAN]), np.array([2.0, NAN, 5.0, NAN]), np.array([9.0, NAN, 4.0, NAN])]
    assert series.at_steps(runs, [0, 1, 2, 3], "{:.0f}".format) == ["2", "2", "4", "4"]


# ---------------------------------------------------------------------------------------------- watching
@pytest.mark.parametrize("hold_out", [False, True])
def test_watching_a_run_does_not_change_it(hold_out):
    data, config = small_data(), small_config()
    found = watch.record(config, data, hold_out)
    alone = Trainer(config, watch.split(data)[0] if hold_out else data)
    list(alone)
    assert found["signal/loss"].tolist() == alone.losses[:]
    assert ("signal/knn_z" in found) == hold_out
    assert ("final/z" in found) != hold_out
    for name in watch.estimators():
        assert name not in watch.WATCHERS or f"alarm/{name}/low_rank_collapse" in found
