"""Runs that go well or wrong in a known way: what each changes, and which alarm it raises."""

from pathlib import Path

import pytest

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.augment import Augmentation
from mixturelab.simclr.config import RunConfig, flat, load_config
from mixturelab.simclr.experiments import EXPERIMENTS, experiment
from mixturelab.simclr.result import RunResult
from mixturelab.simclr.run import train

DIGITS = Path(__file__).parents[2] / "configs" / "simclr_digits.yaml"


# ------------------------------------------------------------------------------------------------- what they change
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("healthy", {}),
        ("low_rank_collapse", {"temperature": 50.0}),
        ("complete_collapse", {"negatives_until": 150}),
    ],
)
def test_an_experiment_is_a_change_of_the_settings(name, changed):
    before, after = flat(RunConfig(seed=4)), flat(experiment(name, RunConfig(seed=4)))
    assert {key: value for key, value in after.items() if value != before[key]} == changed


def test_no_augmentation_is_the_identity_and_nothing_else():
    config = experiment("no_augmentation", RunConfig(seed=4))
    assert config.strengths == Augmentation.none()
    assert config.changed(augmentation=Augmentation()) == RunConfig(seed=4)


def test_there_are_four_and_others_are_refused():
    assert list(EXPERIMENTS) == ["healthy", "low_rank_collapse", "complete_collapse", "no_augmentation"]
    with pytest.raises(
        ArgumentError, match=r"experiment is 'helthy'; did you mean healthy\? wanted one of healthy, low"
    ):
        experiment("helthy", RunConfig())


# --------------------------------------------------------------------------------------------- what comes of them
SWITCH = EXPERIMENTS["complete_collapse"]["negatives_until"]
N_STEPS = {"complete_collapse": SWITCH + 50}


@pytest.fixture(scope="module")
def run():
    """Each experiment on the digits, once: 300 steps, or as many as its test needs."""
    done: dict[str, RunResult] = {}

    def result(name: str) -> RunResult:
        if name not in done:
            config = experiment(name, load_config(DIGITS))
            last = N_STEPS.get(name, 300) - 1
            done[name] = train(config, on_step=lambda step: "stop" if step.number == last else None)
        return done[name]

    return result


def alarms(result: RunResult) -> dict[str, int]:
    """Each alarm with the step of its first row."""
    found: dict[str, int] = {}
    for row in result.history:
        for name in filter(None, row["alarms"].split(";")):
            found.setdefault(name, row["step"])
    return found


@pytest.mark.slow
def test_the_complete_collapse_is_seen_within_fifty_updates(run):
    found = alarms(run("complete_collapse"))
    assert SWITCH < found.pop("complete_collapse") <= SWITCH + 50
    assert found == {}


@pytest.mark.slow
def test_the_low_rank_collapse_is_seen_by_the_end(run):
    result = run("low_rank_collapse")
    assert [alarm.name for alarm in result.estimator.alarms()] == ["low_rank_collapse"]
    assert set(alarms(result)) == {"low_rank_collapse"}


@pytest.mark.slow
def test_a_healthy_run_raises_no_alarm_and_learns(run):
    """Bands that hold on other machines too: raw pixels have .67, .65 and .66."""
    result = run("healthy")
    assert alarms(result) == {}
    found = result.evaluate()
    assert found.kmeans_ari > 0.75
    assert found.one_shot > 0.75
    assert found.perturbed_knn > 0.8


@pytest.mark.slow
def test_without_augmentation_no_alarm_but_little_lies_between_the_components(run):
    """Not a collapse: every image is told from every other one, and the classes are not."""
    result = run("no_augmentation")
    assert alarms(result) == {}
    assert result.estimator.summary()["r_squared"] < 0.25
    assert result.evaluate().kmeans_ari < 0.4
