"""Exercises of notebook 00: mixing weights, one responsibility by hand, and counting the doubtful rows."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixturelab.datasets import load_dataset
from mixturelab.exercises.exercise import Exercise, FunctionExercise, Mistake, Symptom, ValueExercise

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]

# --- 00.1: mixing weights from counts -----------------------------------------------------------------------

COUNTS = np.array([97.0, 175.0])  # eruptions shorter than 3 minutes, and the others

WEIGHTS = ValueExercise(
    name="00.1",
    title="Mixing weights",
    question="97 eruptions are short and 175 are long. What are the two mixing weights π?",
    hints=(
        "A mixing weight says which share of all eruptions a group has.",
        "Shares sum to 1. So the two weights are two fractions with one and the same denominator.",
        "The denominator is the number of all eruptions, 97 + 175 = 272.",
    ),
    praise="π = (97, 175) / 272. Weights are shares: never negative, and they sum to 1.",
    wanted=lambda: COUNTS / COUNTS.sum(),
    rtol=2e-3,
    mistakes=(
        Mistake("counts", COUNTS, "these are counts N_k. A weight is a share: divide each count by 272."),
        Mistake(
            "equal",
            np.array([0.5, 0.5]),
            "that would hold if both groups were equally large. Weights follow the group sizes.",
        ),
        Mistake(
            "swapped",
            COUNTS[::-1] / COUNTS.sum(),
            "right numbers, wrong order: the short eruptions come first.",
        ),
        Mistake(
            "odds",
            np.array([97 / 175, 175 / 97]),
            "this compares the groups with each other (odds). A weight compares a group with all eruptions.",
        ),
        Mistake(
            "percent",
            100 * COUNTS / COUNTS.sum(),
            "these are percentages. Probabilities run from 0 to 1: divide by 100.",
        ),
        Mistake(
            "one only",
            97 / 272,
            "this is the first weight. Give both, as an array of two numbers: `np.array([..., ...])`.",
        ),
        Mistake(
            "whole numbers",
            np.array([0.0, 1.0]),
            "whole-number division `//` throws the fraction away: use `/`.",
        ),
        Mistake("guess", np.array([0.4, 0.6])),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given.sum() - 1) > 0.01,
            "weights must sum to 1, and these do not: each is a share of the same total.",
        ),
    ),
)

# --- 00.2: one responsibility by hand -----------------------------------------------------------------------


def _density(x: float, means: Array, sds: Array) -> Array:
    return np.exp(-0.5 * ((x - means) / sds) ** 2) / (np.sqrt(2 * np.pi) * sds)


def _joint(x: float, weights: Array, means: Array, sds: Array) -> Array:
    return weights * _density(x, means, sds)


def _share(numbers: Array) -> Array:
    return numbers / numbers.sum()


def _responsibility(x: float, weights: Array, means: Array, sds: Array) -> Array:
    return _share(_joint(x, weights, means, sds))


def _hard(x: float, weights: Array, means: Array, sds: Array) -> Array:
    joint = _joint(x, weights, means, sds)
    return (joint == joint.max()).astype(float)


def _off_by_its_constant(x: float, weights: Array, means: Array, sds: Array) -> Array:
    return _share(weights * np.exp(-0.5 * ((x - means) / sds) ** 2))


def _softmax(x: float, weights: Array, means: Array, sds: Array) -> Array:
    return _share(np.exp(_joint(x, weights, means, sds)))


# Two components as in the notebook, then three; spreads differ, so that no mistake hides behind symmetry.
PROBES = (
    (66.0, COUNTS / COUNTS.sum(), np.array([54.5, 80.0]), np.array([5.8, 6.0])),
    (60.0, np.array([0.25, 0.75]), np.array([52.0, 66.0]), np.array([3.0, 9.0])),
    (1.0, np.array([0.5, 0.3, 0.2]), np.array([0.0, 2.5, 1.5]), np.array([0.8, 1.7, 2.5])),
)

RESPONSIBILITY = FunctionExercise(
    name="00.2",
    title="A responsibility by hand",
    question="Write γ_k = π_k N(x | μ_k, σ_k²) / Σ_j π_j N(x | μ_j, σ_j²) for one x and all components k.",
    hints=(
        "First the numerators: weight times density, one number for each component. NumPy does all at once.",
        "`weights * normal_density(x, means, sds)` are the numerators. What is the denominator made of?",
        "The denominator is the sum of the numerators: divide them by their own `.sum()`.",
    ),
    praise="each component's share of p(x). They sum to 1, and at a wait of 66 minutes neither one is sure.",
    reference=_responsibility,
    probes=PROBES,
    mistakes=(
        Mistake(
            "not normalised",
            _joint,
            "these are the numerators π_k N(x | μ_k, σ_k²); they sum to p(x), not to 1. "
            "Divide them by their sum.",
        ),
        Mistake(
            "weights left out",
            lambda x, weights, means, sds: _share(_density(x, means, sds)),
            "the mixing weights are missing: a component with more rows is more likely before x is seen. "
            "Multiply each density by its π_k.",
        ),
        Mistake(
            "weights too late",
            lambda x, weights, means, sds: weights * _share(_density(x, means, sds)),
            "the weights come in too late, after the division, so that the result does not sum to 1. "
            "Multiply first, then divide by the sum.",
        ),
        Mistake(
            "hard for soft",
            _hard,
            "this is the hard assignment, all for the likeliest component. Keep the probabilities.",
        ),
        Mistake(
            "divided by the largest",
            lambda x, weights, means, sds: (
                _joint(x, weights, means, sds) / _joint(x, weights, means, sds).max()
            ),
            "you divided by the largest numerator. Shares are of the total: divide by the sum.",
        ),
        Mistake(
            "divided by K",
            lambda x, weights, means, sds: _joint(x, weights, means, sds) / len(weights),
            "you divided by the number of components. Divide by the sum of the numerators.",
        ),
        Mistake(
            "variance for sd",
            lambda x, weights, means, sds: _share(_joint(x, weights, means, sds**2)),
            "the spread is squared once too often: `normal_density` wants the standard deviation σ, "
            "not the variance σ².",
        ),
        Mistake(
            "root of the sd",
            lambda x, weights, means, sds: _share(_joint(x, weights, means, np.sqrt(sds))),
            "`sds` holds standard deviations already: no square root.",
        ),
        Mistake(
            "no 1/σ",
            _off_by_its_constant,
            "the factor 1/σ_k of the density is missing. It cancels only if all components are equally wide.",
        ),
        Mistake(
            "added weights",
            lambda x, weights, means, sds: _share(weights + _density(x, means, sds)),
            "the weights are added to the densities. Joint probability is a product: `weights * density`.",
        ),
        Mistake(
            "softmax of densities",
            _softmax,
            "this is a softmax of the densities. A softmax fits log densities; here, divide the numbers "
            "themselves by their sum.",
        ),
        Mistake(
            "logarithms",
            lambda x, weights, means, sds: np.log(_responsibility(x, weights, means, sds)),
            "these are the logarithms of the responsibilities: take `np.exp`, or no logarithm at all.",
        ),
        Mistake(
            "prior only",
            lambda x, weights, means, sds: weights,
            "these are the mixing weights: what is known before x is seen. Where do the densities come in?",
        ),
        Mistake(
            "other order",
            lambda x, weights, means, sds: _responsibility(x, weights, means, sds)[::-1],
            "the components are in the wrong order: keep that of `weights`.",
        ),
        Mistake(
            "one component only",
            lambda x, weights, means, sds: _responsibility(x, weights, means, sds)[0],
            "this is one component's responsibility. Return all of them, one number for each component.",
        ),
        Mistake(
            "p(x)",
            lambda x, weights, means, sds: _joint(x, weights, means, sds).sum(),
            "this is p(x), the denominator. A responsibility is one numerator divided by it.",
        ),
        Mistake("equal shares", lambda x, weights, means, sds: np.full(len(weights), 1 / len(weights))),
    ),
    symptoms=(
        Symptom(lambda given, wanted: bool((given < 0).any()), "a responsibility is never negative."),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given.sum() - 1) > 1e-6,
            "the responsibilities of one row must sum to 1, and these do not.",
        ),
    ),
)

# --- 00.3: how many rows are in doubt -----------------------------------------------------------------------

THRESHOLD = 0.9


@cache
def _waits_alone() -> Array:
    """Responsibilities [272, 2] from the wait alone, with the parameters that the notebook reads off."""
    waits = load_dataset("old_faithful").data[:, 1]
    weights, means, sds = PROBES[0][1:]
    return np.array([_responsibility(wait, weights, means, sds) for wait in waits])


def _doubtful() -> int:
    return int((_waits_alone().max(axis=1) < THRESHOLD).sum())


DOUBTFUL = ValueExercise(
    name="00.3",
    title="How many are in doubt?",
    question="For how many eruptions is the larger of the two responsibilities below 0.9?",
    hints=(
        "`gamma` has one row for each eruption. You need one number a row: its larger entry.",
        "`gamma.max(axis=1)` takes the largest entry along each row.",
        "Compare with 0.9 to get True or False for each row; the sum of these counts the True ones.",
    ),
    praise="13 of 272 are in doubt when only the wait is known. Remember the number: you will meet it again.",
    wanted=_doubtful,
    mistakes=(
        Mistake(
            "all entries",
            int((_waits_alone() < THRESHOLD).sum()),
            "this counts entries, not eruptions: in nearly each row one of the two numbers is small. "
            "Take the larger one of each row first.",
        ),
        Mistake(
            "the certain ones",
            int((_waits_alone().max(axis=1) >= THRESHOLD).sum()),
            "these are the certain ones. The doubtful are the others: turn the comparison round.",
        ),
        Mistake(
            "wrong axis",
            int((_waits_alone().max(axis=0) < THRESHOLD).sum()),
            "did you take the maximum down the columns, `axis=0`? That finds the surest row of each group. "
            "You want the larger number of each row: `axis=1`.",
        ),
        Mistake(
            "smaller entry",
            int((_waits_alone().min(axis=1) < THRESHOLD).sum()),
            "the smaller of two shares is always below 0.9: take the larger one, `max`.",
        ),
        Mistake(
            "first column",
            int((_waits_alone()[:, 0] < THRESHOLD).sum()),
            "this looks at the short group alone; an eruption that is surely long is counted as doubtful.",
        ),
        Mistake(
            "second column",
            int((_waits_alone()[:, 1] < THRESHOLD).sum()),
            "this looks at the long group alone; an eruption that is surely short is counted as doubtful.",
        ),
        Mistake(
            "a share",
            _doubtful() / len(_waits_alone()),
            "this is the share of doubtful eruptions. How many are they? `.sum()` counts.",
        ),
        Mistake(
            "group size",
            int((_waits_alone().argmax(axis=1) == 0).sum()),
            "this is how many eruptions go to the short group. The question is how many are in doubt.",
        ),
        Mistake("guess", 20),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (len(_waits_alone()),),
            "this is one value for each eruption. Count them: `.sum()`.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (WEIGHTS, RESPONSIBILITY, DOUBTFUL)
