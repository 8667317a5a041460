"""Exercises of notebook 01: heights, drawing, responsibilities of rows, log-sum-exp, Cholesky, log-odds, reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

Array = NDArray[Any]

# --- 01.1: from counts to heights ---------------------------------------------------------------------------

EDGES = np.arange(40.0, 101.0, 6.0)  # ten bins of six minutes
WAITS = load_dataset("old_faithful").data[:, 1]
COUNTS = np.histogram(WAITS, EDGES)[0].astype(float)
WIDTH = 6.0

HEIGHTS = ValueExercise(
    name="01.1",
    title="From counts to heights",
    question="272 waits fall into ten bins of 6 minutes. How high is each bar if the area of all is to be 1?",
    hints=(
        "Height times width is the area of a bar, and its area is to be the share of rows in the bin.",
        "The share of rows is `counts / counts.sum()`.",
        "Divide that share by the width of a bin: `/ 6`.",
    ),
    praise="a density is a share *per minute*: halve the bins, and the bars stay about as high as they were.",
    wanted=lambda: COUNTS / (COUNTS.sum() * WIDTH),
    mistakes=(
        Mistake(
            "counts", COUNTS, "these are the counts: their bars have an area of 272 · 6. Make that area 1."
        ),
        Mistake(
            "shares",
            COUNTS / COUNTS.sum(),
            "these are shares: their *heights* sum to 1. The *area* should: divide by the width of a bin, too.",
        ),
        Mistake(
            "per minute only",
            COUNTS / WIDTH,
            "these are rows per minute, and the area is 272. Divide by the number of rows, too.",
        ),
        Mistake(
            "times the width",
            COUNTS * WIDTH / COUNTS.sum(),
            "you multiplied by the width. Wider bins collect more rows: to undo that, divide by the width.",
        ),
        Mistake(
            "highest is one",
            COUNTS / COUNTS.max(),
            "here the highest bar is 1. A density has an *area* of 1; its height may be anything.",
        ),
        Mistake(
            "bins for rows",
            COUNTS / (len(COUNTS) * WIDTH),
            "you divided by the number of bins, 10: `len(counts)`. The number of rows is `counts.sum()`.",
        ),
        Mistake(
            "percent",
            100 * COUNTS / (COUNTS.sum() * WIDTH),
            "these are percentages per minute, and their area is 100. Leave out the factor.",
        ),
        Mistake(
            "n minus one",
            COUNTS / ((COUNTS.sum() - 1) * WIDTH),
            "you divided by N − 1. That belongs to a variance; a share is out of all N rows.",
        ),
        Mistake(
            "cumulative",
            COUNTS.cumsum() / COUNTS.sum(),
            "this is the distribution function, the share of rows *up to* here. Wanted is the share in each bin, "
            "per minute.",
        ),
        Mistake(
            "width twice",
            COUNTS / (COUNTS.sum() * WIDTH**2),
            "the width comes in twice: one division is enough.",
        ),
        Mistake("all alike", np.full(len(COUNTS), 1 / 60)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (len(COUNTS) + 1,),
            "there is a height too many: eleven edges make ten bins.",
        ),
        Symptom(
            lambda given, wanted: any(
                given.shape == wanted.shape and np.allclose(given, wanted.round(digits), rtol=0, atol=1e-9)
                for digits in (2, 3, 4)
            ),
            "right, but rounded: keep all digits.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given.sum() * WIDTH - 1) > 0.01,
            "the area is not 1: multiply your heights by 6 and add them up.",
        ),
    ),
)

# --- 01.2: drawing from a mixture ---------------------------------------------------------------------------


def _component(u: Array, weights: Array) -> Array:
    return np.searchsorted(np.cumsum(weights)[:-1], u, side="right")


def _draw(u: Array, e: Array, weights: Array, means: Array, sds: Array) -> Array:
    z = _component(u, weights)
    return means[z] + sds[z] * e


def _draw_equal(u: Array, e: Array, weights: Array, means: Array, sds: Array) -> Array:
    z = np.floor(u * len(weights)).astype(int)
    return means[z] + sds[z] * e


def _draw_with(z_of: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def draw(u: Array, e: Array, weights: Array, means: Array, sds: Array) -> Array:
        z = z_of(u, weights)
        return means[z] + sds[z] * e

    return draw


def _draw_one(change: Callable[[Array, Array, Array, Array, Array], Array]) -> Callable[..., Array]:
    """A draw with the right component, and then a mistake: ``change(pi, mu, sd, u, e)`` of each row."""

    def draw(u: Array, e: Array, weights: Array, means: Array, sds: Array) -> Array:
        z = _component(u, weights)
        return change(weights[z], means[z], sds[z], u, e)

    return draw


def _draw_probe(
    seed: int, n: int, weights: tuple[float, ...], means: tuple[float, ...], sds: tuple[float, ...]
) -> tuple[Array, ...]:
    generator = np.random.default_rng(seed)
    u = (np.arange(n) + generator.uniform(0.2, 0.8, n)) / n  # some in each component
    return (generator.permutation(u), generator.normal(size=n), *map(np.array, (weights, means, sds)))


DRAW = FunctionExercise(
    name="01.2",
    title="Draw from a mixture",
    question="Turn uniform numbers u and standard normal numbers e, one pair a row, into rows of the mixture.",
    hints=(
        "Two steps for each row. First z, which component: 0 if u < π_0, 1 if u lies in the next stretch of length "
        "π_1, and so on.",
        "`np.cumsum(weights)` are the ends of the stretches; `np.searchsorted(ends, u)` says in which one u lies.",
        "Second step: `means[z] + sds[z] * e` stretches and shifts a standard normal number. No weights here any more.",
    ),
    praise="first z, then x. The weights decide *how often* a component speaks, never *how loud*.",
    reference=_draw,
    probes=(
        _draw_probe(0, 9, (0.36, 0.64), (54.5, 80.0), (5.8, 6.0)),
        _draw_probe(1, 12, (0.2, 0.5, 0.3), (0.0, 4.0, -3.0), (0.5, 2.0, 1.4)),
        _draw_probe(2, 7, (0.7, 0.3), (1.0, -1.0), (0.3, 3.0)),
    ),
    mistakes=(
        Mistake(
            "sum of random variables",
            lambda u, e, weights, means, sds: weights @ means + (weights @ sds) * e,
            "this averages the components: each row gets a bit of every one, and most land between the groups. "
            "Choose one component for each row, and draw from that one alone.",
        ),
        Mistake(
            "equal chances",
            _draw_equal,
            "each component is chosen equally often here: the stretch of component k has to have the length π_k.",
        ),
        Mistake(
            "first weight only",
            _draw_with(lambda u, weights: (u > weights[0]).astype(int)),
            "only the first weight is looked at: with three components the third is never drawn. Compare u with the "
            "sums π_0, π_0 + π_1, …",
        ),
        Mistake(
            "comparison turned round",
            _draw_with(lambda u, weights: (u < weights[0]).astype(int)),
            "the comparison is turned round: u < π_0 is to mean component 0, and it gives 1 here, because True counts "
            "as 1. (With three components one comparison is not enough.)",
        ),
        Mistake(
            "order turned round",
            _draw_with(lambda u, weights: _component(1 - u, weights)),
            "the stretches are in another order than asked: small u is to mean component 0.",
        ),
        Mistake(
            "always the heaviest",
            _draw_with(lambda u, weights: np.full(len(u), np.argmax(weights))),
            "every row comes from the component with the largest weight. A mixture draws anew for each row.",
        ),
        Mistake(
            "one component for all",
            _draw_with(lambda u, weights: np.full(len(u), _component(u, weights)[0])),
            "one component was drawn for all rows together. Each row has its own u: draw z for each.",
        ),
        Mistake(
            "variance for sd",
            _draw_one(lambda pi, mu, sd, u, e: mu + sd**2 * e),
            "you stretched by the variance. A standard normal number times σ has the standard deviation σ.",
        ),
        Mistake(
            "root of the sd",
            _draw_one(lambda pi, mu, sd, u, e: mu + np.sqrt(sd) * e),
            "`sds` holds standard deviations already: no square root.",
        ),
        Mistake(
            "means only",
            _draw_one(lambda pi, mu, sd, u, e: mu),
            "every row sits exactly on its component's mean: add the noise, `sds[z] * e`.",
        ),
        Mistake(
            "not stretched",
            _draw_one(lambda pi, mu, sd, u, e: mu + e),
            "all components have the width 1 here: multiply the noise by `sds[z]`.",
        ),
        Mistake(
            "mean left out",
            _draw_one(lambda pi, mu, sd, u, e: sd * e),
            "all components sit at zero here: add `means[z]`.",
        ),
        Mistake(
            "weight in twice",
            _draw_one(lambda pi, mu, sd, u, e: pi * (mu + sd * e)),
            "the weight comes in twice: it has chosen the component already. The drawn number is not to be shrunk.",
        ),
        Mistake(
            "uniform noise",
            _draw_one(lambda pi, mu, sd, u, e: mu + sd * u),
            "the noise is u, which is uniform and never negative. Use e, the normal one.",
        ),
        Mistake("labels", lambda u, e, weights, means, sds: _component(u, weights)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 2,
            "this is a draw from *every* component for each row. Keep the one that z names: index with `[z]`.",
        ),
    ),
)

# --- 01.3: responsibilities of all rows ---------------------------------------------------------------------


def _bells(x: Array, means: Array, sds: Array) -> Array:
    z = (x[:, None] - means) / sds
    return np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sds)


def _numerators(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    return weights * _bells(x, means, sds)


def _of_rows(numbers: Array) -> Array:
    return numbers / numbers.sum(axis=1, keepdims=True)


def _gamma(x: Array, weights: Array, means: Array, sds: Array) -> Array:
    return _of_rows(_numerators(x, weights, means, sds))


ROWS = FunctionExercise(
    name="01.3",
    title="All rows at once",
    question="Return γ_nk for all rows of x [N] and all K components, as an array [N, K].",
    hints=(
        "`x[:, None]` is a column of N numbers. What shape does `x[:, None] - means` have?",
        "`joint = weights * normal_density(x[:, None], means, sds)` are all numerators, [N, K]. Which way do you sum?",
        "Each *row* sums to 1: divide by `joint.sum(axis=1, keepdims=True)`, which has the shape [N, 1].",
    ),
    praise="rows sum to 1, columns to N_k. Without keepdims NumPy would line the sums up with the columns.",
    reference=_gamma,
    probes=(
        (
            np.array([50.0, 62.0, 66.0, 71.0, 84.0]),
            np.array([0.357, 0.643]),
            np.array([54.5, 80.0]),
            np.array([5.8, 6.0]),
        ),
        (
            np.array([-1.0, 0.5, 2.0]),
            np.array([0.5, 0.3, 0.2]),
            np.array([0.0, 2.5, 1.5]),
            np.array([0.8, 1.7, 2.5]),
        ),
        (np.array([1.2]), np.array([0.1, 0.9]), np.array([1.0, 3.0]), np.array([0.4, 1.9])),
    ),
    mistakes=(
        Mistake(
            "columns sum to one",
            lambda x, weights, means, sds: (
                _numerators(x, weights, means, sds)
                / _numerators(x, weights, means, sds).sum(axis=0, keepdims=True)
            ),
            "each *column* sums to 1 here: you summed over the rows, axis=0. The shares are of one row, across the "
            "components: axis=1.",
        ),
        Mistake(
            "all sum to one",
            lambda x, weights, means, sds: (
                _numerators(x, weights, means, sds) / _numerators(x, weights, means, sds).sum()
            ),
            "the whole table sums to 1 here: `.sum()` without an axis adds everything. Each row has its own sum.",
        ),
        Mistake(
            "not normalised",
            _numerators,
            "these are the numerators π_k N(x_n | μ_k, σ_k²). A row of them sums to p(x_n): divide by that.",
        ),
        Mistake(
            "weights left out",
            lambda x, weights, means, sds: _of_rows(_bells(x, means, sds)),
            "the mixing weights are missing: this treats all components as equally common.",
        ),
        Mistake(
            "weights too late",
            lambda x, weights, means, sds: weights * _of_rows(_bells(x, means, sds)),
            "the weights come in after the division, so that the rows do not sum to 1. Multiply first.",
        ),
        Mistake(
            "hard for soft",
            lambda x, weights, means, sds: np.eye(len(weights))[
                _numerators(x, weights, means, sds).argmax(axis=1)
            ],
            "these are hard labels, all or nothing. Keep the shares.",
        ),
        Mistake(
            "divided by the largest",
            lambda x, weights, means, sds: (
                _numerators(x, weights, means, sds)
                / _numerators(x, weights, means, sds).max(axis=1, keepdims=True)
            ),
            "you divided by the row's largest numerator, so that the winner has 1. Divide by the row's sum.",
        ),
        Mistake(
            "variance for sd",
            lambda x, weights, means, sds: _gamma(x, weights, means, sds**2),
            "the spread is squared once too often: `normal_density` wants σ, not σ².",
        ),
        Mistake(
            "root of the sd",
            lambda x, weights, means, sds: _gamma(x, weights, means, np.sqrt(sds)),
            "a square root too many: `sds` holds standard deviations, and `normal_density` wants just these.",
        ),
        Mistake(
            "shares of the logs",
            lambda x, weights, means, sds: _of_rows(np.log(_numerators(x, weights, means, sds))),
            "you divided the *logarithms* by their sum. Shares are of the numerators themselves: leave out the log.",
        ),
        Mistake(
            "no 1/σ",
            lambda x, weights, means, sds: _of_rows(_numerators(x, weights, means, sds) * sds),
            "the factor 1/σ_k of the bell is missing. It cancels only if all are equally wide: a wide bell is low.",
        ),
        Mistake(
            "softmax of densities",
            lambda x, weights, means, sds: _of_rows(np.exp(_numerators(x, weights, means, sds))),
            "this is a softmax of the joint densities. The softmax belongs to their *logarithms*; here, just divide.",
        ),
        Mistake(
            "squared",
            lambda x, weights, means, sds: _of_rows(_numerators(x, weights, means, sds) ** 2),
            "these shares are too sure: the numerators come in squared. Is the half in the exponent there, and is each "
            "density used once?",
        ),
        Mistake(
            "transposed",
            lambda x, weights, means, sds: _gamma(x, weights, means, sds).T,
            "right numbers, lying on their side: rows are the x_n, columns the components. Use `x[:, None]`.",
        ),
        Mistake(
            "p(x)",
            lambda x, weights, means, sds: _numerators(x, weights, means, sds).sum(axis=1),
            "this is p(x_n), the denominators. A responsibility is one numerator divided by it.",
        ),
        Mistake(
            "N_k",
            lambda x, weights, means, sds: _gamma(x, weights, means, sds).sum(axis=0),
            "these are the N_k: you have summed over the rows. Return the whole table [N, K].",
        ),
        Mistake("prior only", lambda x, weights, means, sds: np.tile(weights, (len(x), 1))),
    ),
    symptoms=(
        Symptom(lambda given, wanted: bool((given < 0).any()), "a responsibility is never negative."),
        Symptom(
            lambda given, wanted: given.shape == (len(wanted), 2),
            "there are two columns, even for three components. Does your function use the notebook's `pi` in place of "
            "its own argument `weights`?",
        ),
        Symptom(
            lambda given, wanted: (
                given.shape == wanted.shape and not np.allclose(given.sum(axis=1), 1, atol=1e-6)
            ),
            "each row of responsibilities must sum to 1, and these do not.",
        ),
    ),
)

# --- 01.4: log-sum-exp --------------------------------------------------------------------------------------


def _lse(a: Array) -> Array:
    largest = a.max(axis=1)
    return largest + np.log(np.exp(a - largest[:, None]).sum(axis=1))


def _shifted_by(shift: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def wrong(a: Array) -> Array:
        m = shift(a)
        return m[:, 0] + np.log(np.exp(a - m).sum(axis=1))

    return wrong


def _row_max(a: Array) -> Array:
    return a.max(axis=1, keepdims=True)


LOG_SUM_EXP = FunctionExercise(
    name="01.4",
    title="Log-sum-exp",
    question="Return log Σ_k exp a_nk for each row of a [N, K], also where all exponentials are 0 or infinite.",
    hints=(
        "Take out the largest number of each row: `m = a.max(axis=1, keepdims=True)`.",
        "exp(a) = exp(m) · exp(a − m), and m can leave the sum. What becomes of exp(m) under the logarithm?",
        "`m[:, 0] + np.log(np.exp(a - m).sum(axis=1))`: the largest term is exp(0) = 1, so the sum is at least 1.",
    ),
    praise="the sum now lies between 1 and K, whatever the rows are: no logarithm of 0, no infinity.",
    reference=_lse,
    probes=(
        (np.array([[0.0, 1.0, -1.0], [-0.5, -0.5, 2.0]]),),
        (np.array([[-1000.0, -1001.0], [3.0, 1.0], [-400.0, -410.0]]),),
        (np.array([[900.0, 902.0, 901.0, 0.0], [0.0, -1800.0, -1900.0, -1.0]]),),
    ),
    mistakes=(
        Mistake(
            "no shift",
            lambda a: np.log(np.exp(a).sum(axis=1)),
            "right on paper. But exp(−1000) is 0 for the computer, and exp(900) is infinite: subtract the row's "
            "largest number first, and add it again at the end.",
        ),
        Mistake(
            "one shift for all rows",
            _shifted_by(lambda a: np.full((len(a), 1), a.max())),
            "you subtracted the largest number of the *whole table*: a row far below it still vanishes. Each row "
            "needs its own: `a.max(axis=1, keepdims=True)`.",
        ),
        Mistake(
            "shift by the largest size",
            _shifted_by(lambda a: np.abs(a).max(axis=1, keepdims=True)),
            "you subtracted the largest *absolute* value. For negative numbers that makes things worse: −400 becomes "
            "−810. Take the largest number as it is, without `abs`.",
        ),
        Mistake(
            "shift not added back",
            lambda a: np.log(np.exp(a - _row_max(a)).sum(axis=1)),
            "the largest number was taken out, but never put back: add m after the logarithm.",
        ),
        Mistake(
            "shift subtracted again",
            lambda a: np.log(np.exp(a - _row_max(a)).sum(axis=1)) - a.max(axis=1),
            "the sign of the shift: exp(a) = exp(m) · exp(a − m), so the logarithm is m *plus* the rest.",
        ),
        Mistake(
            "shift multiplied",
            lambda a: np.log(np.exp(a - _row_max(a)).sum(axis=1)) * a.max(axis=1),
            "exp(m) is a factor of the sum; under the logarithm a factor becomes a term. Add m, do not multiply.",
        ),
        Mistake(
            "shift by the smallest",
            _shifted_by(lambda a: a.min(axis=1, keepdims=True)),
            "you took out the smallest number: then the others are exp of something large, which overflows. Take out "
            "the largest.",
        ),
        Mistake(
            "shift by the mean",
            _shifted_by(lambda a: a.mean(axis=1, keepdims=True)),
            "the mean is no safe shift: if the numbers of a row lie far apart, the largest still overflows.",
        ),
        Mistake(
            "the maximum",
            lambda a: a.max(axis=1),
            "this is the largest term alone. Often close, never right: where two components share a row, log 2 is "
            "missing.",
        ),
        Mistake(
            "a small number added",
            lambda a: np.log(np.exp(a).sum(axis=1) + 1e-300),
            "a tiny number under the logarithm hides the −∞, and gives −690.8 to every row that vanishes, however "
            "different. Shift instead.",
        ),
        Mistake(
            "mean for sum",
            lambda a: _lse(a) - np.log(a.shape[1]),
            "this is the logarithm of the *mean* of the exponentials: log K too little. Sum them.",
        ),
        Mistake(
            "no logarithm",
            lambda a: np.exp(_lse(a)),
            "this is the sum itself: it is 0 or infinite where it is needed most. Return its logarithm.",
        ),
        Mistake(
            "sum of the logarithms",
            lambda a: a.sum(axis=1),
            "you added the logarithms: that is the logarithm of a *product*. A mixture is a sum.",
        ),
        Mistake(
            "down the columns",
            lambda a: _lse(a.T),
            "you summed down the columns. A row is one x_n, and its components lie along axis 1.",
        ),
        Mistake(
            "softmax",
            lambda a: np.exp(a - _lse(a)[:, None]),
            "these are the responsibilities, exp(a − logsumexp). Wanted is the logsumexp itself, a number a row.",
        ),
        Mistake("base ten", lambda a: _lse(a) / np.log(10)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (len(wanted), 1),
            "nearly: one number a row is wanted, and this is a column [N, 1]. `m[:, 0]` drops the extra axis.",
        ),
    ),
)

# --- 01.5: responsibilities in D dimensions, by Cholesky and in logs ------------------------------------------


def _pieces(X: Array, means: Array, covariances: Array) -> tuple[Array, Array]:
    """Squared Mahalanobis distances [N, K] and log-determinants [K], in the dtype of X."""
    squares, logdets = [], []
    for mean, covariance in zip(means, covariances, strict=True):
        factor = np.linalg.cholesky(covariance)
        squares.append((np.linalg.solve(factor, (X - mean).T) ** 2).sum(axis=0))
        logdets.append(2 * np.log(np.diag(factor)).sum())
    return np.stack(squares, axis=1), np.array(logdets, dtype=X.dtype)


def _logs(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    squares, logdets = _pieces(X, means, covariances)
    return np.log(weights) - 0.5 * logdets - 0.5 * squares


def _softmax(logs: Array) -> Array:
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _fine(*arrays: Array) -> tuple[Array, ...]:
    return tuple(np.asarray(array, dtype=np.float64) for array in arrays)


def _gamma_nd(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    return _softmax(_logs(*_fine(X, weights, means, covariances)))


def _with_logs(change: Callable[[Array, Array, Array, int], Array]) -> Callable[..., Array]:
    """A wrong log-joint, rightly normalised: ``change(weights, logdets, squares, D)``."""

    def wrong(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
        X, weights, means, covariances = _fine(X, weights, means, covariances)
        squares, logdets = _pieces(X, means, covariances)
        return _softmax(change(weights, logdets, squares, X.shape[1]))

    return wrong


def _with_squares(distance: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """A wrong distance in the right formula: ``distance(X − μ_k, Σ_k)``, [N]."""

    def wrong(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
        X, weights, means, covariances = _fine(X, weights, means, covariances)
        logdets = _pieces(X, means, covariances)[1]
        pairs = zip(means, covariances, strict=True)
        squares = np.stack([distance(X - mean, covariance) for mean, covariance in pairs], axis=1)
        return _softmax(np.log(weights) - 0.5 * logdets - 0.5 * squares)

    return wrong


def _plain_joint(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    dimension = X.dtype.type(X.shape[1])
    constant = X.dtype.type(0.5 * np.log(2 * np.pi)) * dimension
    return np.exp(_logs(X, weights, means, covariances) - constant)


def _without_logs(dtype: type) -> Callable[..., Array]:
    def wrong(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
        joint = _plain_joint(*(np.asarray(a, dtype=dtype) for a in (X, weights, means, covariances)))
        return joint / joint.sum(axis=1, keepdims=True)

    return wrong


def _determinant_first(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    squares, _ = _pieces(X, means, covariances)
    return _softmax(np.log(weights) - 0.5 * np.log(np.linalg.det(covariances)) - 0.5 * squares)


def _one_shift(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    logs = _logs(X, weights, means, covariances)
    joint = np.exp(logs - logs.max())
    return joint / joint.sum(axis=1, keepdims=True)


def _expanded(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    squares = []
    for mean, covariance in zip(means, covariances, strict=True):
        precision = np.linalg.inv(covariance)
        squares.append(((X @ precision) * X).sum(axis=1) - 2 * X @ precision @ mean + mean @ precision @ mean)
    logdets = _pieces(X, means, covariances)[1]
    return _softmax(np.log(weights) - 0.5 * logdets - 0.5 * np.stack(squares, axis=1))


def _nd_probe(
    seed: int, n: int, k: int, d: int, scale: float, offset: float, far: float
) -> tuple[Array, ...]:
    """Float32 rows about the middle of the means, a last one `far` away, and dense covariances of that scale."""
    generator = np.random.default_rng(seed)
    means = generator.normal(0, 1.2 * scale / np.sqrt(d), (k, d))
    roots = generator.normal(0, 1 / np.sqrt(d), (k, d, d))
    widths = np.linspace(0.8, 1.3, k)[:, None, None]
    covariances = scale**2 * widths * (roots @ roots.transpose(0, 2, 1) + 0.4 * np.eye(d))
    X = means[np.arange(n) % k] + scale * generator.normal(size=(n, d)) * 0.7
    X[-1] += far * scale
    weights = np.arange(1.0, k + 1) / (k * (k + 1) / 2)
    return tuple(a.astype(np.float32) for a in (X + offset, weights, means + offset, covariances))


LOST_ROWS = (
    "rows whose p(x) is 0 for the computer come back as NaN, 0/0. Do not take `np.exp` of the log-joint as it is: "
    "subtract each row's largest log first."
)

CHOLESKY = FunctionExercise(
    name="01.5",
    title="Responsibilities in D dimensions",
    question="Return γ_nk [N, K] for X [N, D] and full covariances [K, D, D]; float32, D = 64, and far rows included.",
    hints=(
        "Stay in logs to the end. For each k you need log π_k − ½ log|Σ_k| − ½ Δ²; what is the same for all "
        "components cancels.",
        "`L = np.linalg.cholesky(covariances[k])`. Then `y = np.linalg.solve(L, (X - means[k]).T)` is the whitened "
        "residual [D, N].",
        "Δ² is `(y**2).sum(axis=0)`, and ½ log|Σ| is `np.log(np.diag(L)).sum()`.",
        "Stack the K columns to a log-joint [N, K]. Subtract each row's maximum, take exp, divide by each row's sum.",
    ),
    praise="no inverse, no determinant, no bare exp. This is how the library does its E-step.",
    reference=_gamma_nd,
    rtol=0.0,
    atol=2e-3,
    probes=(
        _nd_probe(0, 6, 2, 2, 1.0, 0.0, 0.5),
        _nd_probe(1, 7, 3, 3, 0.5, 0.0, 1.0),
        _nd_probe(2, 6, 2, 2, 1.0, 2000.0, 0.3),
        _nd_probe(3, 8, 3, 64, 4.0, 0.0, 9.0),
        _nd_probe(4, 8, 3, 64, 0.3, 0.0, 0.0),
        _nd_probe(5, 8, 2, 64, 1e6, 0.0, 0.0),
    ),
    mistakes=(
        Mistake("exp in float32", _without_logs(np.float32), LOST_ROWS),
        Mistake(
            "exp in float64",
            _without_logs(np.float64),
            "float64 has moved the cliff, not removed it: rows with a log-joint below −745 come back as NaN. "
            "Subtract each row's largest log before `np.exp`.",
        ),
        Mistake(
            "one shift for all",
            _one_shift,
            "you subtracted the largest log of the whole table. The far row still vanishes: each row needs its own "
            "maximum.",
        ),
        Mistake(
            "determinant first",
            _determinant_first,
            "the determinant of a 64 × 64 covariance is 0 or infinite in float32, before you take its logarithm. Sum "
            "the logs of the Cholesky factor's diagonal instead.",
        ),
        Mistake(
            "determinant first, in float64",
            lambda X, weights, means, covariances: _determinant_first(*_fine(X, weights, means, covariances)),
            "in float64 the determinant lasts longer, but with numbers around a million 64 variances multiply to "
            "10^768: infinite. `np.linalg.slogdet`, or the diagonal of the Cholesky factor, gives its logarithm.",
        ),
        Mistake(
            "expanded square",
            _expanded,
            "right near zero, wrong far from it: xᵀΣ⁻¹x − 2xᵀΣ⁻¹μ + μᵀΣ⁻¹μ subtracts huge numbers that agree in all "
            "the digits of float32. Form X − μ first.",
        ),
        Mistake(
            "no log-determinant",
            _with_logs(lambda weights, logdets, squares, d: np.log(weights) - 0.5 * squares),
            "the log-determinant is missing. It cancels only where all covariances have the same volume.",
        ),
        Mistake(
            "half the log-determinant",
            _with_logs(lambda weights, logdets, squares, d: np.log(weights) - 0.25 * logdets - 0.5 * squares),
            "only half of the log-determinant is there: |Σ| = |L|², so that ½ log|Σ| is the *whole* sum of log L_ii.",
        ),
        Mistake(
            "the whole log-determinant",
            _with_logs(lambda weights, logdets, squares, d: np.log(weights) - logdets - 0.5 * squares),
            "the log-determinant counts twice: the density has |Σ|^(−1/2), so a factor ½ belongs to log|Σ|.",
        ),
        Mistake(
            "sign of the log-determinant",
            _with_logs(lambda weights, logdets, squares, d: np.log(weights) + 0.5 * logdets - 0.5 * squares),
            "the sign of the log-determinant: a wide component is a *low* one, so it is subtracted.",
        ),
        Mistake(
            "not squared",
            _with_logs(
                lambda weights, logdets, squares, d: np.log(weights) - 0.5 * logdets - 0.5 * np.sqrt(squares)
            ),
            "the distance has to be squared: the exponent is −½ Δ², and Δ² is the sum of the squares of y. No root.",
        ),
        Mistake(
            "no half",
            _with_logs(lambda weights, logdets, squares, d: np.log(weights) - 0.5 * logdets - squares),
            "the half before Δ² is missing: these shares are too sure.",
        ),
        Mistake(
            "weights left out",
            _with_logs(lambda weights, logdets, squares, d: -0.5 * logdets - 0.5 * squares),
            "the mixing weights are missing: add log π_k.",
        ),
        Mistake(
            "weights without a log",
            _with_logs(lambda weights, logdets, squares, d: weights - 0.5 * logdets - 0.5 * squares),
            "π_k itself was added to logarithms: add log π_k.",
        ),
        Mistake(
            "weights multiplied",
            _with_logs(lambda weights, logdets, squares, d: weights * (-0.5 * logdets - 0.5 * squares)),
            "π_k multiplies the *density*. Once you are in logs, that is a term: add log π_k.",
        ),
        Mistake(
            "Euclidean",
            _with_squares(lambda away, covariance: (away**2).sum(axis=1)),
            "this is the squared Euclidean distance: it knows nothing of Σ_k. Whiten the residual: solve L y = x − μ.",
        ),
        Mistake(
            "covariance for precision",
            _with_squares(lambda away, covariance: ((away @ covariance) * away).sum(axis=1)),
            "Σ stands where its inverse belongs: along a wide direction a step should count *less*. Solve, do not "
            "multiply.",
        ),
        Mistake(
            "multiplied by L",
            _with_squares(
                lambda away, covariance: ((away @ np.linalg.cholesky(covariance).T) ** 2).sum(axis=1)
            ),
            "you multiplied by L. Whitening *undoes* it: solve L y = x − μ for y.",
        ),
        Mistake(
            "L transposed",
            _with_squares(
                lambda away, covariance: (np.linalg.solve(np.linalg.cholesky(covariance).T, away.T) ** 2).sum(
                    axis=0
                )
            ),
            "you solved with the transpose of L. NumPy's factor is lower triangular, Σ = L Lᵀ: solve L y = x − μ.",
        ),
        Mistake(
            "variances only",
            _with_squares(lambda away, covariance: (away**2 / np.diag(covariance)).sum(axis=1)),
            "only the variances are used: the tilt of the ellipse, outside the diagonal of Σ, is lost.",
        ),
        Mistake(
            "hard for soft",
            lambda X, weights, means, covariances: np.eye(len(weights))[
                _gamma_nd(X, weights, means, covariances).argmax(axis=1)
            ],
            "these are hard labels: keep the shares.",
        ),
        Mistake(
            "logs",
            lambda X, weights, means, covariances: (
                _logs(*_fine(X, weights, means, covariances))
                - _lse(_logs(*_fine(X, weights, means, covariances)))[:, None]
            ),
            "these are the logarithms of the responsibilities: one `np.exp` is left to do, and it is safe now.",
        ),
        Mistake(
            "columns sum to one",
            lambda X, weights, means, covariances: (
                _softmax(_logs(*_fine(X, weights, means, covariances)).T).T
            ),
            "each column sums to 1 here. Shift and divide along the row: axis=1, with keepdims.",
        ),
        Mistake(
            "equal shares",
            lambda X, weights, means, covariances: np.full((len(X), len(weights)), 1 / len(weights)),
        ),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape[::-1] and given.shape != wanted.shape,
            "this is [K, N]: stack the components as columns, `np.stack(..., axis=1)`.",
        ),
        Symptom(
            lambda given, wanted: (
                given.shape == wanted.shape
                and bool(np.isfinite(given).all())
                and not np.allclose(given.sum(axis=1), 1, atol=1e-3)
            ),
            "each row of responsibilities must sum to 1, and these do not.",
        ),
    ),
)

# --- 01.6: the log-odds are a parabola ------------------------------------------------------------------------


def _parts(weights: Array, means: Array, sds: Array) -> Array:
    """Quadratic, linear and constant part of each component's log-joint, [3, 2]."""
    precision = 1 / sds**2
    constant = np.log(weights) - np.log(sds) - 0.5 * means**2 * precision
    return np.array([-0.5 * precision, means * precision, constant])


def _coefficients(weights: Array, means: Array, sds: Array) -> Array:
    each = _parts(weights, means, sds)
    return each[:, 0] - each[:, 1]


def _parabola(change: Callable[[Array, Array, Array], tuple[Array, Array, Array]]) -> Callable[..., Array]:
    """A wrong quadratic, linear and constant part of each component's log-joint; their difference."""

    def wrong(weights: Array, means: Array, sds: Array) -> Array:
        each = np.array(change(weights, means, sds))
        return each[:, 0] - each[:, 1]

    return wrong


LOG_ODDS = FunctionExercise(
    name="01.6",
    title="The log-odds are a parabola",
    question="For two components in one dimension log γ_0/γ_1 = c₂ x² + c₁ x + c₀. Return [c₂, c₁, c₀].",
    hints=(
        "Take one component first: log π + log N(x | μ, σ²) = log π − log σ − (x − μ)²/(2σ²) + constant. Expand the "
        "square.",
        "It has −1/(2σ²) before x², μ/σ² before x, and log π − log σ − μ²/(2σ²) without x.",
        "The log-odds are the difference, component 0 minus component 1, of each of the three.",
    ),
    praise="equal widths: c₂ = 0 and one border. Unequal ones: a parabola, and up to two borders, an island.",
    reference=_coefficients,
    probes=(
        (np.array([0.357, 0.643]), np.array([54.5, 80.0]), np.array([5.8, 6.0])),
        (np.array([0.2, 0.8]), np.array([1.0, -1.5]), np.array([2.0, 2.0])),
        (np.array([0.7, 0.3]), np.array([0.5, 0.4]), np.array([3.0, 0.6])),
    ),
    mistakes=(
        Mistake(
            "weights left out",
            _parabola(lambda pi, mu, sd: (-0.5 / sd**2, mu / sd**2, -np.log(sd) - 0.5 * mu**2 / sd**2)),
            "c₂ and c₁ are right; in c₀ the prior odds are missing: log π_0 − log π_1.",
        ),
        Mistake(
            "no log σ",
            _parabola(lambda pi, mu, sd: (-0.5 / sd**2, mu / sd**2, np.log(pi) - 0.5 * mu**2 / sd**2)),
            "c₂ and c₁ are right; in c₀ the heights of the bells are missing: − log σ_0 + log σ_1.",
        ),
        Mistake(
            "log of the variance",
            _parabola(
                lambda pi, mu, sd: (
                    -0.5 / sd**2,
                    mu / sd**2,
                    np.log(pi) - 2 * np.log(sd) - 0.5 * mu**2 / sd**2,
                )
            ),
            "c₂ and c₁ are right; in c₀ log σ² stands for log σ: the bell is divided by σ, not by σ².",
        ),
        Mistake(
            "plus log σ",
            _parabola(
                lambda pi, mu, sd: (-0.5 / sd**2, mu / sd**2, np.log(pi) + np.log(sd) - 0.5 * mu**2 / sd**2)
            ),
            "c₂ and c₁ are right; in c₀ the sign of log σ is wrong: a wide bell is low.",
        ),
        Mistake(
            "weights without a log",
            _parabola(lambda pi, mu, sd: (-0.5 / sd**2, mu / sd**2, pi - np.log(sd) - 0.5 * mu**2 / sd**2)),
            "c₂ and c₁ are right; in c₀ take the *logarithm* of the weights.",
        ),
        Mistake(
            "means left out",
            _parabola(lambda pi, mu, sd: (-0.5 / sd**2, mu / sd**2, np.log(pi) - np.log(sd))),
            "c₂ and c₁ are right; in c₀ the end of the square is missing: (x − μ)² = x² − 2xμ + μ².",
        ),
        Mistake(
            "the other way round",
            lambda weights, means, sds: -_coefficients(weights, means, sds),
            "these are the log-odds of component 1 against component 0: all signs are turned round.",
        ),
        Mistake(
            "added",
            lambda weights, means, sds: _parts(weights, means, sds).sum(axis=1),
            "you *added* the two log-joints. Odds are a ratio, so their logarithm is a difference.",
        ),
        Mistake(
            "no half",
            _parabola(
                lambda pi, mu, sd: (-1 / sd**2, 2 * mu / sd**2, np.log(pi) - np.log(sd) - mu**2 / sd**2)
            ),
            "the half is missing: the bell's exponent is −(x − μ)²/(2σ²).",
        ),
        Mistake(
            "σ for σ²",
            _parabola(lambda pi, mu, sd: (-0.5 / sd, mu / sd, np.log(pi) - np.log(sd) - 0.5 * mu**2 / sd)),
            "σ stands where σ² belongs: the square in the exponent is of (x − μ)/σ, both of them.",
        ),
        Mistake(
            "sign of the slope",
            _parabola(
                lambda pi, mu, sd: (
                    -0.5 / sd**2,
                    -mu / sd**2,
                    np.log(pi) - np.log(sd) - 0.5 * mu**2 / sd**2,
                )
            ),
            "c₂ and c₀ are right, c₁ has the wrong sign: −½ times −2xμ is plus xμ.",
        ),
        Mistake(
            "twice the slope",
            _parabola(
                lambda pi, mu, sd: (
                    -0.5 / sd**2,
                    2 * mu / sd**2,
                    np.log(pi) - np.log(sd) - 0.5 * mu**2 / sd**2,
                )
            ),
            "c₂ and c₀ are right, c₁ is twice too large: the 2 of 2xμ cancels with the half before the square.",
        ),
        Mistake(
            "constant first",
            lambda weights, means, sds: _coefficients(weights, means, sds)[::-1],
            "right numbers, wrong order: the coefficient of x² comes first.",
        ),
        Mistake(
            "first component only",
            lambda weights, means, sds: _parts(weights, means, sds)[:, 0],
            "this is component 0's own log-joint. The odds compare: subtract that of component 1.",
        ),
        Mistake("straight", lambda weights, means, sds: np.array([0.0, 1.0, -(means.mean())])),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (3,) and bool(np.allclose(given[:2], wanted[:2])),
            "c₂ and c₁ are right. c₀ has three parts from each component: log π, − log σ and −μ²/(2σ²).",
        ),
        Symptom(
            lambda given, wanted: given.shape == (3,) and bool(np.isclose(given[0], wanted[0], atol=1e-9)),
            "c₂ is right, c₁ is not: expand −(x − μ)²/(2σ²) once more and look at the term with x.",
        ),
    ),
)

# --- 01.7: reading a responsibility ---------------------------------------------------------------------------

READING = ChoiceExercise(
    name="01.7",
    title="Read a responsibility",
    question="A new galaxy moves at 5,000 km/s, and the wide cluster's responsibility for it is 1.00. What follows?",
    hints=(
        "A responsibility is a share of p(x). How large is p(x) itself out there?",
        "Which of the three means is the nearest one to 5,000 km/s? Which one got the galaxy?",
        "γ divides by p(x): it compares the components with one another, and with nothing else.",
    ),
    praise="γ says *which of these*, never *whether any*. The second question is answered by p(x).",
    choices=("a", "b", "c", "d"),
    right="c",
    mistakes=(
        Mistake(
            "certain membership",
            "a",
            "only if one of the three clusters made it, and γ takes that for granted. At 5,000 km/s all three "
            "densities are next to nothing; the least small of them wins by far.",
        ),
        Mistake(
            "nearest mean",
            "b",
            "the slow cluster's mean is nearest, 4.7 away against 16.4. But that cluster is narrow: 4.7 is eleven of "
            "its standard deviations, and 16.4 only some seven of the wide one's.",
        ),
        Mistake(
            "high density",
            "d",
            "p(x) was divided out: γ is 1 in the middle of the wide cluster and out here, where p(x) is a million "
            "million times smaller.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (HEIGHTS, DRAW, ROWS, LOG_SUM_EXP, CHOLESKY, LOG_ODDS, READING)
