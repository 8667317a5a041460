"""Exercises of notebook 00: weights, responsibilities, rows in doubt, the M-step, EM, and what a γ says."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixturelab.datasets import load_dataset
from mixturelab.exercises.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    Mistake,
    Symptom,
    ValueExercise,
)

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
        Mistake(
            "densities only",
            lambda x, weights, means, sds: _density(x, means, sds),
            "these are the densities. Two things are missing: the weights in front, and the division by the sum.",
        ),
        Mistake(
            "rounded",
            lambda x, weights, means, sds: _responsibility(x, weights, means, sds).round(2),
            "right, and rounded. Return the numbers as they are: round when you print.",
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

# --- 00.4: how many rows each component answers for ---------------------------------------------------------


def _answered_for() -> Array:
    return _waits_alone().sum(axis=0)


ANSWERED = ValueExercise(
    name="00.4",
    title="How many rows does each answer for?",
    question="Return N_k, the sum of the responsibilities of component k over all rows, for both components.",
    hints=(
        "Each row is handed out in parts. How much has each component got in the end?",
        "`gamma` is [N, K]: a line for each row, a column for each component. Add up the columns.",
        "`gamma.sum(axis=0)`: axis 0 is the one that disappears, the rows.",
    ),
    praise="they sum to 272, every row handed out once. No whole numbers: the doubtful rows count in part here, in "
    "part there.",
    wanted=_answered_for,
    rtol=5e-4,
    mistakes=(
        Mistake(
            "hard counts",
            np.bincount(_waits_alone().argmax(axis=1)).astype(float),
            "these are whole rows, each given to its leader: hard labels. Add up the responsibilities themselves.",
        ),
        Mistake(
            "counts of the cut",
            COUNTS,
            "these are the counts of our cut at 3 minutes. Add up `gamma`: what says the wait alone?",
        ),
        Mistake(
            "weights",
            _waits_alone().mean(axis=0),
            "these are shares: N_k divided by N, which is the next estimate of π_k. Leave out the division.",
        ),
        Mistake(
            "all of it",
            float(_waits_alone().sum()),
            "this is the whole table, 272. Keep the components apart: `axis=0`.",
        ),
        Mistake(
            "certain rows",
            (_waits_alone() > THRESHOLD).sum(axis=0).astype(float),
            "this counts the certain rows alone. Every row counts, with its share.",
        ),
        Mistake(
            "largest",
            _waits_alone().max(axis=0),
            "this is the largest responsibility of each component. Add them up: `sum`.",
        ),
        Mistake(
            "one only",
            float(_waits_alone()[:, 0].sum()),
            "this is N of the first component. Give both, as an array of two numbers.",
        ),
        Mistake(
            "other order",
            _waits_alone().sum(axis=0)[::-1],
            "right numbers, wrong order: the short kind is component 0.",
        ),
        Mistake(
            "weights times N",
            len(_waits_alone()) * np.array([0.357, 0.643]),
            "this is π_k times N: what the weights lead one to expect. Add up what `gamma` says of these very rows.",
        ),
        Mistake("halves", np.array([136.0, 136.0])),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (len(_waits_alone()),),
            "this is a number for each row, and if it is the sum of its shares, always 1. Add down the columns: "
            "`axis=0`.",
        ),
    ),
)

# --- 00.5: half an M-step -----------------------------------------------------------------------------------


def _new_means(gamma: Array, x: Array) -> Array:
    return gamma.T @ x / gamma.sum(axis=0)


def _shares_of(seed: int, n: int, k: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(k, 0.6), size=n), generator.uniform(40.0, 95.0, n).round(1)


NEW_MEANS = FunctionExercise(
    name="00.5",
    title="The means of an M-step",
    question="Return the mean of each component, Σ_n γ_nk x_n / N_k, from the responsibilities and the waits.",
    hints=(
        "A mean in which not all rows count alike: row n counts γ_nk times. So divide not by N, but by …?",
        "For component 0: `(gamma[:, 0] * x).sum() / gamma[:, 0].sum()`. A loop over the components will do.",
        "All at once: `gamma.T @ x / gamma.sum(axis=0)`.",
    ),
    praise="a weighted mean. With hard labels it is the mean of a group; that is all the M-step does for μ.",
    reference=_new_means,
    probes=(
        (np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), np.array([54.0, 66.0, 81.0])),
        _shares_of(0, 6, 2),
        _shares_of(1, 7, 3),
    ),
    mistakes=(
        Mistake(
            "not divided",
            lambda gamma, x: gamma.T @ x,
            "these are the sums Σ γ x. A mean is divided by how many rows there are: here by N_k, the sum of γ.",
        ),
        Mistake(
            "divided by N",
            lambda gamma, x: gamma.T @ x / len(x),
            "you divided by N. Component k answers for N_k rows only: divide by `gamma.sum(axis=0)`.",
        ),
        Mistake(
            "hard for soft",
            lambda gamma, x: _new_means(np.eye(gamma.shape[1])[gamma.argmax(axis=1)], x),
            "these are means of hard groups, each row wholly with its leader: k-means does that. Weight by γ.",
        ),
        Mistake(
            "squared",
            lambda gamma, x: _new_means(gamma**2, x),
            "γ comes in twice, squared. Each row counts γ times, in the sum above as in the one below.",
        ),
        Mistake(
            "unweighted",
            lambda gamma, x: np.full(gamma.shape[1], x.mean()),
            "this is the mean of all rows, the same for every component: γ does not come in.",
        ),
        Mistake(
            "divided by the weights",
            lambda gamma, x: gamma.T @ x / gamma.mean(axis=0),
            "you divided by the mean of γ, a weight. Divide by its sum, N_k.",
        ),
        Mistake(
            "divided by K",
            lambda gamma, x: gamma.T @ x / gamma.shape[1],
            "you divided by the number of components. Divide by N_k, the sum of γ over the rows.",
        ),
        Mistake(
            "shares alone",
            lambda gamma, x: gamma.sum(axis=0),
            "these are the N_k, the divisor. Above it belongs Σ γ x.",
        ),
        Mistake(
            "mean of the products",
            lambda gamma, x: float((gamma * x[:, None]).sum() / len(x)),
            "this is one number, the mean of all rows. Add over the rows only, `axis=0`: a mean for each component.",
        ),
        Mistake(
            "other order",
            lambda gamma, x: _new_means(gamma, x)[::-1],
            "the components are in the wrong order: keep that of the columns of `gamma`.",
        ),
        Mistake(
            "wrong axis",
            lambda gamma, x: (gamma * x[:, None]).sum(axis=1),
            "you added along each row: its shares sum to 1, so x comes back. Add over the rows: `axis=0`.",
        ),
        Mistake("middle", lambda gamma, x: np.full(gamma.shape[1], np.median(x))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 2 and given.size == wanted.size,
            "one dimension too many: return K numbers. Is there a `keepdims` too many?",
        ),
        Symptom(
            lambda given, wanted: given.ndim == 2,
            "these are the products γ x, one for each row: add them over the rows, then divide by N_k.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool((given > 95.0).all()),
            "a mean lies between the smallest and the largest x, and these are above all of them: by what do you "
            "divide?",
        ),
    ),
)

# --- 00.6: one whole iteration ------------------------------------------------------------------------------


def _e_step(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    joint = weights * np.exp(-0.5 * ((x[:, None] - means) / sds) ** 2) / (np.sqrt(2 * np.pi) * sds)
    return joint / joint.sum(axis=1, keepdims=True)


def _spread(gamma: Array, x: Array, means: Array) -> Array:
    """Weighted variances about the given means."""
    return (gamma * (x[:, None] - means) ** 2).sum(axis=0) / gamma.sum(axis=0)


def _m_step(gamma: Array, x: Array) -> Array:
    means = _new_means(gamma, x)
    return np.array([gamma.mean(axis=0), means, np.sqrt(_spread(gamma, x, means))])


def _em_step(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    return _m_step(_e_step(x, weights, means, sds), x)


def _hardened(gamma: Array) -> Array:
    return np.eye(gamma.shape[1])[gamma.argmax(axis=1)]


def _with(x: Array, weights: Array, means: Array, sds: Array, /, **rows: Array) -> Array:
    """A right step, but for the lines named."""
    right = dict(zip(("weights", "means", "sds"), _em_step(x, weights, means, sds), strict=True))
    return np.array(list((right | rows).values()))


def _old_means(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    about = _spread(_e_step(x, weights, means, sds), x, means)
    return _with(x, weights, means, sds, sds=np.sqrt(about))


def _variances(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    return _with(x, weights, means, sds, sds=_em_step(x, weights, means, sds)[2] ** 2)


def _unweighted_spread(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    about = (x[:, None] - _em_step(x, weights, means, sds)[1]) ** 2
    return _with(x, weights, means, sds, sds=np.sqrt(about.mean(axis=0)))


def _not_divided_spread(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    gamma = _e_step(x, weights, means, sds)
    step = _m_step(gamma, x)
    return _with(x, weights, means, sds, sds=step[2] * np.sqrt(gamma.sum(axis=0)))


def _divided_by_n(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    gamma = _e_step(x, weights, means, sds)
    step = _m_step(gamma, x)
    return _with(x, weights, means, sds, sds=step[2] * np.sqrt(gamma.mean(axis=0)))


def _one_less(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    n = _e_step(x, weights, means, sds).sum(axis=0)
    return _with(x, weights, means, sds, sds=_em_step(x, weights, means, sds)[2] * np.sqrt(n / (n - 1)))


_X = np.random.default_rng(3).normal([54.0, 80.0], 6.0, (9, 2)).ravel().round(1)

EM_STEP = FunctionExercise(
    name="00.6",
    title="One whole iteration",
    question="Return np.array([weights, means, sds]) after one E-step and one M-step on the rows x.",
    hints=(
        "E-step: your formula of 00.2 for all rows at once. `normal_density(x[:, None], means, sds)` is [N, K]; "
        "divide each line by its own sum, `sum(axis=1, keepdims=True)`.",
        "M-step: `n = gamma.sum(axis=0)`. Weights `n / len(x)`, means as in 00.5.",
        "Variances about the *new* means: `(gamma * (x[:, None] - centres) ** 2).sum(axis=0) / n`. Their root is "
        "asked for.",
    ),
    praise="this is EM, all of it. In D dimensions the squares become matrices, and nothing else changes.",
    reference=_em_step,
    probes=(
        (_X, np.array([0.4, 0.6]), np.array([50.0, 72.0]), np.array([7.0, 9.0])),
        (_X[:11], np.array([0.2, 0.5, 0.3]), np.array([52.0, 66.0, 88.0]), np.array([9.0, 12.0, 10.0])),
    ),
    mistakes=(
        Mistake(
            "old means",
            _old_means,
            "weights and means are right. The spread is measured about the *old* means: take the new ones.",
        ),
        Mistake(
            "variances",
            _variances,
            "weights and means are right. The last line holds variances: take the root, as standard deviations are "
            "asked for.",
        ),
        Mistake(
            "unweighted spread",
            _unweighted_spread,
            "weights and means are right. In the spread all rows count alike: weight the squares by γ, over N_k.",
        ),
        Mistake(
            "spread not divided",
            _not_divided_spread,
            "weights and means are right. The squares are summed and not divided: divide by N_k before the root.",
        ),
        Mistake(
            "spread over N",
            _divided_by_n,
            "weights and means are right. The squares are divided by N; component k answers for N_k rows.",
        ),
        Mistake(
            "one less",
            _one_less,
            "you divided by N_k − 1. That is a fine estimate, but not the one EM maximises: divide by N_k.",
        ),
        Mistake(
            "counts",
            lambda x, w, m, s: _with(x, w, m, s, weights=_em_step(x, w, m, s)[0] * len(x)),
            "the first line holds N_k: divide by N to make them weights.",
        ),
        Mistake(
            "weights kept",
            lambda x, w, m, s: _with(x, w, m, s, weights=w),
            "the weights are still the old ones: N_k / N.",
        ),
        Mistake(
            "spread kept",
            lambda x, w, m, s: _with(x, w, m, s, sds=s),
            "the standard deviations are still the old ones: work them out about the new means.",
        ),
        Mistake(
            "hard for soft",
            lambda x, w, m, s: _m_step(_hardened(_e_step(x, w, m, s)), x),
            "each row went wholly to its leader. Keep the shares: EM counts each row in parts.",
        ),
        Mistake(
            "weights left out",
            lambda x, w, m, s: _em_step(x, np.ones(len(w)), m, s),
            "in the E-step the weights are missing: multiply each density by its π_k.",
        ),
        Mistake(
            "two iterations",
            lambda x, w, m, s: _em_step(x, *_em_step(x, w, m, s)),
            "these are two iterations. One E-step, then one M-step.",
        ),
        Mistake(
            "nothing learned",
            lambda x, w, m, s: np.array([w, m, s]),
            "these are the parameters that came in. Use the responsibilities to work out new ones.",
        ),
        Mistake(
            "no E-step",
            lambda x, w, m, s: _m_step(np.tile(w, (len(x), 1)), x),
            "every row has been shared out by the weights alone: the densities do not come in. First the E-step.",
        ),
        Mistake(
            "variance for sd",
            lambda x, w, m, s: _m_step(_e_step(x, w, m, s**2), x),
            "in the E-step the spread is squared once too often: `normal_density` wants σ, and `sds` holds it.",
        ),
        Mistake(
            "no 1/σ",
            lambda x, w, m, s: _em_step(x, w * s, m, s),
            "in the E-step the factor 1/σ_k of the density is missing: it differs between components.",
        ),
        Mistake("means only", lambda x, w, m, s: _with(x, w, m, s, weights=w, sds=s)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.T.shape and np.allclose(given, wanted.T),
            "right, but on its side: three lines are wanted, one for each kind of parameter.",
        ),
        Symptom(
            lambda given, wanted: given.ndim == 1 and given.size == wanted.size,
            "all in one line: return `np.array([weights, means, sds])`, three lines.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given[0].sum() - 1) > 1e-6,
            "the new weights do not sum to 1. Do the shares of each *row*? `joint.sum(axis=1, keepdims=True)`.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and np.allclose(given[:2], wanted[:2]),
            "weights and means are right. Look at the last line, the standard deviations.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and np.allclose(given[0], wanted[0]),
            "the weights are right, so the E-step is, too. Look at the means first.",
        ),
    ),
)

# --- 00.7: what a responsibility says -----------------------------------------------------------------------

READING = ChoiceExercise(
    name="00.7",
    title="Read a responsibility",
    question="A row has γ = (0.80, 0.20). What does the 0.80 say?",
    hints=(
        "A responsibility is a share of p(x) at this row. Of what is it a probability?",
        "Think of a hundred rows just like this one. How many came from component 0, if the mixture is right?",
    ),
    praise="it is a probability of the *component*, given the row, and no better than the mixture it comes from. "
    "Notebook 05 tests that.",
    choices=("a", "b", "c", "d"),
    right="c",
    mistakes=(
        Mistake(
            "the ellipse",
            "a",
            "ellipses are about where the rows of *one* component lie. A responsibility compares the components at "
            "one place.",
        ),
        Mistake(
            "a blend",
            "b",
            "the row is of one kind, and only that. What is shared out is our belief, not the eruption.",
        ),
        Mistake(
            "the weight",
            "d",
            "that would be the weight π₀: known before the row is seen. γ is what is known after.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    WEIGHTS,
    RESPONSIBILITY,
    DOUBTFUL,
    ANSWERED,
    NEW_MEANS,
    EM_STEP,
    READING,
)
