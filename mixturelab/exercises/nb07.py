"""Exercises of notebook 07: folding sums, what averaging forgets, weights of batches, merging, forgetting, reading."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mixturelab.exercises.compare import Numbers
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


def _pair(mean: float, variance: float) -> Array:
    return np.array([mean, variance], dtype=float)


def _negative_variance(given: Numbers, wanted: Numbers) -> bool:
    return given.shape == wanted.shape and bool(given.ravel()[-1] < 0)


NEGATIVE = Symptom(_negative_variance, "a variance is never negative: look at what you subtract from what.")

# --- 07.1: from chunks of sums to a mean and a variance -------------------------------------------------------


def _sums(rows: Array, shares: Array) -> Array:
    """(N_k, S1_k, S2_k) of one chunk, for one component and one feature."""
    return np.array([shares.sum(), shares @ rows, shares @ rows**2])


def _random_chunks(seed: int, sizes: tuple[int, ...], shift: float) -> Array:
    """Chunks of unequal size whose means differ, with soft shares."""
    generator = np.random.default_rng(seed)
    rows = [generator.normal(shift * i, 1.0, size) for i, size in enumerate(sizes)]
    return np.array([_sums(x, generator.uniform(0.1, 1.0, len(x))) for x in rows])


def _folded(chunks: Array) -> Array:
    n, s1, s2 = chunks.sum(axis=0)
    return _pair(s1 / n, s2 / n - (s1 / n) ** 2)


def _own_variances(chunks: Array) -> Array:
    n, s1, s2 = chunks.T
    return s2 / n - (s1 / n) ** 2


def _own_means(chunks: Array) -> Array:
    return chunks[:, 1] / chunks[:, 0]


def _shares(chunks: Array) -> Array:
    return chunks[:, 0] / chunks[:, 0].sum()


FOLDED = FunctionExercise(
    name="07.1",
    title="Add first, divide last",
    question="Each line of `chunks` holds N_k, S1_k and S2_k of a chunk. Return mean and variance of all rows.",
    hints=(
        "Sums add. What are the N, S1 and S2 of all chunks together?",
        "`n, s1, s2 = chunks.sum(axis=0)` adds the lines. The mean is `s1 / n`.",
        "The variance is the mean square minus the squared mean: `s2 / n - (s1 / n) ** 2`.",
    ),
    praise="add the sums, divide once, at the end. You never needed a second look at a row.",
    reference=_folded,
    probes=(
        (_random_chunks(0, (40, 10, 25), 1.0),),
        (_random_chunks(1, (5, 90), -3.0),),
        (_random_chunks(2, (30, 12, 20, 8), 0.5),),
    ),
    mistakes=(
        Mistake(
            "averages of averages",
            lambda chunks: _pair(_own_means(chunks).mean(), _own_variances(chunks).mean()),
            "you averaged the chunks' own means and variances: a chunk of 5 rows counts as much as one of 90. "
            "Add the sums first, then divide once.",
        ),
        Mistake(
            "variances averaged",
            lambda chunks: _pair(_folded(chunks)[0], float(_shares(chunks) @ _own_variances(chunks))),
            "the mean is right. The variance is an average of the chunks' own variances: how far the chunks' means lie "
            "apart is lost. Use the summed S2, and the mean of all.",
        ),
        Mistake(
            "unweighted mean",
            lambda chunks: _pair(_own_means(chunks).mean(), _folded(chunks)[1]),
            "the variance is right. The mean is an average of the chunks' means, each counted alike: divide the summed "
            "S1 by the summed N.",
        ),
        Mistake(
            "mean not subtracted",
            lambda chunks: _pair(_folded(chunks)[0], chunks[:, 2].sum() / chunks[:, 0].sum()),
            "S2/N is the mean square, about zero. The variance is about the mean: subtract the squared mean.",
        ),
        Mistake(
            "mean not squared",
            lambda chunks: _pair(
                _folded(chunks)[0], chunks[:, 2].sum() / chunks[:, 0].sum() - _folded(chunks)[0]
            ),
            "you subtracted the mean itself: subtract its square (the units tell: a variance is in squared units).",
        ),
        Mistake(
            "standard deviation",
            lambda chunks: _pair(_folded(chunks)[0], math.sqrt(_folded(chunks)[1])),
            "the second number is the standard deviation: leave out the square root.",
        ),
        Mistake(
            "n minus one",
            lambda chunks: _folded(chunks) * np.array([1.0, chunks[:, 0].sum() / (chunks[:, 0].sum() - 1)]),
            "you divided by N − 1. The M-step divides by N, the sum of the responsibilities.",
        ),
        Mistake(
            "divided by the chunks",
            lambda chunks: _pair(chunks[:, 1].mean(), chunks[:, 2].mean() - chunks[:, 1].mean() ** 2),
            "you divided by the number of chunks: `.mean(axis=0)` averages the sums. Divide by the number of rows, N.",
        ),
        Mistake(
            "not divided",
            lambda chunks: chunks.sum(axis=0)[1:],
            "these are the sums S1 and S2: divide both by N, then subtract the squared mean from the second.",
        ),
        Mistake(
            "last chunk",
            lambda chunks: _folded(chunks[-1:]),
            "this is the last chunk alone: each turn of the loop has to add to what is there, `+=`, not replace it.",
        ),
        Mistake(
            "S1 squared too early",
            lambda chunks: _pair(
                _folded(chunks)[0], (chunks[:, 2].sum() - chunks[:, 1].sum() ** 2) / chunks[:, 0].sum()
            ),
            "you squared S1, the sum. Square the mean: `(s1 / n) ** 2`.",
        ),
        Mistake("no spread", lambda chunks: _pair(_folded(chunks)[0], 0.0)),
    ),
    symptoms=(
        NEGATIVE,
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.isclose(given[0], wanted[0])),
            "the mean is right, the variance is not: it is the mean square S2/N minus the squared mean.",
        ),
    ),
)

# --- 07.2: the law of total variance --------------------------------------------------------------------------


def _mean_of(weights: Array, means: Array) -> float:
    return float(weights @ means)


def _between(weights: Array, means: Array) -> float:
    return float(weights @ (means - _mean_of(weights, means)) ** 2)


def _total(weights: Array, means: Array, variances: Array) -> float:
    return float(weights @ variances) + _between(weights, means)


TOTAL = FunctionExercise(
    name="07.2",
    title="What averaging forgets",
    question="Batches have weights w_t that sum to 1, means m_t and variances v_t. What is the variance of all rows?",
    hints=(
        "Two parts: how far rows lie from their own batch's mean, and how far these means lie from the mean of all.",
        "The first part is `weights @ variances`. For the second, the mean of all is `m = weights @ means`.",
        "The second part is the weighted mean of the squared distances: `weights @ (means - m) ** 2`. Add the two.",
    ),
    praise="within plus between: the law of total variance. An average of variances keeps the first part only.",
    reference=_total,
    probes=(
        (np.array([0.2, 0.3, 0.5]), np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.5, 2.0])),
        (np.array([0.9, 0.1]), np.array([-2.0, 4.0]), np.array([0.3, 0.7])),
        (np.array([0.1, 0.2, 0.3, 0.4]), np.array([5.0, 5.5, 4.0, 6.5]), np.array([0.2, 1.4, 0.6, 0.9])),
    ),
    mistakes=(
        Mistake(
            "within only",
            lambda weights, means, variances: weights @ variances,
            "this is the average of the variances: the very thing that went wrong above. Add how far the batches' "
            "means lie from the mean of all.",
        ),
        Mistake(
            "between only",
            lambda weights, means, variances: _between(weights, means),
            "this is the second part, between the batches. Add the first, within them: the weighted variances.",
        ),
        Mistake(
            "mean of all not subtracted",
            lambda weights, means, variances: weights @ (variances + means**2),
            "this is the mean square, about zero. Subtract the square of the mean of all, or use `means - m`.",
        ),
        Mistake(
            "unweighted centre",
            lambda weights, means, variances: weights @ variances + weights @ (means - means.mean()) ** 2,
            "you measure from `means.mean()`, in which each batch counts alike. The centre is `weights @ means`.",
        ),
        Mistake(
            "unweighted between",
            lambda weights, means, variances: weights @ variances + means.var(),
            "`means.var()` counts each batch alike. Weight the squared distances, too: `weights @ (means - m) ** 2`.",
        ),
        Mistake(
            "no weights",
            lambda weights, means, variances: variances.mean() + means.var(),
            "the weights are not used: batches do not count alike.",
        ),
        Mistake(
            "minus",
            lambda weights, means, variances: weights @ variances - _between(weights, means),
            "right parts, wrong sign: spread between batches makes the whole wider. Add.",
        ),
        Mistake(
            "not squared",
            lambda weights, means, variances: (
                weights @ variances + weights @ abs(means - _mean_of(weights, means))
            ),
            "the distances of the means are not squared: variance is a mean of squares.",
        ),
        Mistake(
            "standard deviation",
            lambda weights, means, variances: math.sqrt(_total(weights, means, variances)),
            "this is the standard deviation: leave out the square root.",
        ),
        Mistake(
            "root of the variances",
            lambda weights, means, variances: weights @ np.sqrt(variances) + _between(weights, means),
            "`variances` are variances already: no square root. (And variances can be averaged, standard deviations "
            "cannot.)",
        ),
        Mistake(
            "squared weights",
            lambda weights, means, variances: weights**2 @ variances,
            "squared weights give the variance of the weighted *mean*: how sure you are of it. Asked is how far the "
            "rows spread.",
        ),
        Mistake(
            "weights on the distances",
            lambda weights, means, variances: (
                weights @ variances + ((weights * means - _mean_of(weights, means)) ** 2).sum()
            ),
            "the weights belong outside the square: `weights @ (means - m) ** 2`.",
        ),
        Mistake("the largest", lambda weights, means, variances: variances.max()),
    ),
    symptoms=(
        NEGATIVE,
        Symptom(
            lambda given, wanted: given.ndim == 1 and given.size > 1,
            "this is one number for each batch. Sum over the batches, with their weights: `weights @ ...`.",
        ),
    ),
)

# --- 07.3: what a batch weighs --------------------------------------------------------------------------------


def _ages(n_batches: int) -> Array:
    """0 for the newest batch, which comes last."""
    return np.arange(n_batches - 1.0, -1.0, -1.0)


def _to_one(numbers: Array) -> Array:
    return numbers / numbers.sum()


def _ema_weights(n_batches: int, g: float) -> Array:
    return _to_one(g ** _ages(n_batches))


def _starting_with_the_first(n_batches: int, g: float) -> Array:
    weights = (1 - g) * g ** _ages(n_batches)
    weights[0] = g ** (n_batches - 1)
    return weights


def _window(n_batches: int, g: float) -> Array:
    return _to_one((_ages(n_batches) < round(1 / (1 - g))).astype(float))


WEIGHTS = FunctionExercise(
    name="07.3",
    title="What a batch weighs",
    question="Return the weights of `n_batches` batches with the decay g, the oldest first. They have to sum to 1.",
    hints=(
        "The newest batch has age 0 and stands last. How old is the first one?",
        "`np.arange(n_batches)[::-1]` are the ages. A batch of age a weighs in proportion to g to the power a.",
        "Divide `g ** ages` by its own sum. (The factor 1 − g is the same for all: it cancels.)",
    ),
    praise="in proportion to g to the power of the age, and divided by the total: that is the whole bias correction.",
    reference=_ema_weights,
    probes=((4, 0.5), (10, 0.9), (3, 0.8), (25, 0.95)),
    mistakes=(
        Mistake(
            "newest first",
            lambda n_batches, g: _ema_weights(n_batches, g)[::-1],
            "the wrong way round: the oldest batch comes first and weighs least. Turn the ages round: `[::-1]`.",
        ),
        Mistake(
            "no bias correction",
            lambda n_batches, g: (1 - g) * g ** _ages(n_batches),
            "these sum to 1 − g^T: after few batches much of the weight is still on zero, where the plain recursion "
            "began. Divide by the sum.",
        ),
        Mistake(
            "powers alone",
            lambda n_batches, g: g ** _ages(n_batches),
            "right proportions, but the newest weighs 1 by itself: divide by the sum.",
        ),
        Mistake(
            "g and 1 − g swapped",
            lambda n_batches, g: _to_one((1 - g) ** _ages(n_batches)),
            "g and 1 − g have changed places: g is what is *kept* from one batch to the next, 0.9 means slow "
            "forgetting.",
        ),
        Mistake(
            "first batch as the start",
            _starting_with_the_first,
            "this is an average that starts *as* the first batch: that one weighs 1/(1 − g) times too much. It has to "
            "come in like all others.",
        ),
        Mistake(
            "all alike",
            lambda n_batches, g: np.full(n_batches, 1 / n_batches),
            "all batches weigh alike here: this is the plain mean, which never forgets.",
        ),
        Mistake(
            "moving window",
            _window,
            "this is a moving window: the last 1/(1 − g) batches alike, the others nothing. An exponential average "
            "fades out.",
        ),
        Mistake(
            "linear",
            lambda n_batches, g: _to_one(np.arange(1.0, n_batches + 1)),
            "here weights fall by the same *amount* from batch to batch. They should fall by the same *factor* g.",
        ),
        Mistake(
            "a rate",
            lambda n_batches, g: _to_one(np.exp(-g * _ages(n_batches))),
            "g is a factor for each batch, not a rate: `g ** ages`, not `exp(-g * ages)`.",
        ),
        Mistake(
            "only the last",
            lambda n_batches, g: (_ages(n_batches) == 0).astype(float),
            "only the newest batch counts here (that is mode per_batch): older ones fade, they do not vanish.",
        ),
        Mistake(
            "one weight",
            lambda n_batches, g: (1 - g) * g ** (n_batches - 1),
            "this is a single batch's weight: return all of them, an array of `n_batches` numbers.",
        ),
        Mistake("the ages", lambda n_batches, g: _to_one(g * _ages(n_batches))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: (
                given.ndim == 1 and len(given) == len(wanted) + 1 and bool(np.allclose(given.sum(), 1))
            ),
            "there is one weight too many: n batches have the ages 0 to n − 1.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given.sum() - 1) > 1e-6,
            "the weights have to sum to 1, and these do not: divide them by their sum.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(given[0] > given[-1]),
            "the oldest batch comes first, and weighs least.",
        ),
    ),
)

# --- 07.4: Chan's merge ---------------------------------------------------------------------------------------


def _merged(n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float) -> Array:
    f, shift = n_b / (n_a + n_b), mean_b - mean_a
    return np.array(
        [n_a + n_b, mean_a + f * shift, (1 - f) * var_a + f * var_b + f * (1 - f) * shift * shift]
    )


def _by_raw_moments(
    n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float
) -> Array:
    n = n_a + n_b
    mean = (n_a * mean_a + n_b * mean_b) / n
    square = (n_a * (var_a + mean_a * mean_a) + n_b * (var_b + mean_b * mean_b)) / n
    return np.array([n, mean, square - mean * mean])


def _lost_digits(given: Numbers, wanted: Numbers) -> bool:
    """Whether the variance differs by what the square of the mean was rounded by, and by nothing else."""
    if given.shape != wanted.shape or not np.allclose(given[:2], wanted[:2], rtol=1e-6):
        return False
    rounding = 64 * np.finfo(float).eps * wanted[1] ** 2
    return bool(abs(given[2] - wanted[2]) <= 1e-8 * wanted[2] + rounding)


LOST = (
    "the algebra is right, and near zero your numbers are, too. Far from zero the digits are gone: the mean square and "
    "the squared mean are huge and almost equal. Work with the difference of the two means."
)


def _with_variance(change: Callable[..., float]) -> Callable[..., Array]:
    """A wrong merge whose count and mean are right; ``change(f, var_a, var_b, shift)`` is its variance."""

    def merge(n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float) -> Array:
        right = _merged(n_a, mean_a, var_a, n_b, mean_b, var_b)
        right[2] = change(n_b / (n_a + n_b), var_a, var_b, mean_b - mean_a)
        return right

    return merge


def _with_mean(n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float) -> Array:
    right = _merged(n_a, mean_a, var_a, n_b, mean_b, var_b)
    right[1] = (mean_a + mean_b) / 2
    return right


def _crossed(n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float) -> Array:
    return _merged(n_b, mean_a, var_a, n_a, mean_b, var_b)


def _sum_of_squares(
    n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float
) -> Array:
    right = _merged(n_a, mean_a, var_a, n_b, mean_b, var_b)
    right[2] *= n_a + n_b
    return right


def _deviation(n_a: float, mean_a: float, var_a: float, n_b: float, mean_b: float, var_b: float) -> Array:
    right = _merged(n_a, mean_a, var_a, n_b, mean_b, var_b)
    right[2] = math.sqrt(right[2])
    return right


MERGE = FunctionExercise(
    name="07.4",
    title="Merge without the origin",
    question="Merge two groups of rows, given as count, mean and variance, into one: return its [n, mean, variance].",
    hints=(
        "f = n_b/(n_a + n_b) is the second group's share, δ = mean_b − mean_a the way between the means.",
        "The new mean lies the share f along that way: `mean_a + f * delta`.",
        "Within plus between: (1 − f)·var_a + f·var_b, and f(1 − f)·δ² for two groups that lie δ apart.",
    ),
    praise="Chan's merge: only the difference of the means is squared, so that nothing large cancels.",
    reference=_merged,
    probes=(
        (3.0, 1.0, 2.0, 9.0, 4.0, 0.5),
        (50.0, -2.0, 1.5, 10.0, 1.0, 3.0),
        (40.0, 1e8, 1.0, 20.0, 1e8 + 2.0, 0.6),
    ),
    mistakes=(
        Mistake("raw moments", _by_raw_moments, LOST),
        Mistake(
            "within only",
            _with_variance(lambda f, var_a, var_b, shift: (1 - f) * var_a + f * var_b),
            "the variance is an average of the two: what lies between the groups is missing. Add f(1 − f)·δ².",
        ),
        Mistake(
            "unweighted variances",
            _with_variance(lambda f, var_a, var_b, shift: (var_a + var_b) / 2 + f * (1 - f) * shift**2),
            "the two variances count alike here: weight them by the groups' shares, 1 − f and f.",
        ),
        Mistake(
            "whole distance",
            _with_variance(lambda f, var_a, var_b, shift: (1 - f) * var_a + f * var_b + shift**2),
            "δ² comes in whole: each row is only *part* of the way from the new mean. The factor is f(1 − f).",
        ),
        Mistake(
            "one share",
            _with_variance(lambda f, var_a, var_b, shift: (1 - f) * var_a + f * var_b + f * shift**2),
            "δ² is weighted by f alone: the new mean has moved towards the second group, too. The factor is f(1 − f).",
        ),
        Mistake(
            "distance not squared",
            _with_variance(
                lambda f, var_a, var_b, shift: (1 - f) * var_a + f * var_b + f * (1 - f) * abs(shift)
            ),
            "the distance of the means is not squared.",
        ),
        Mistake(
            "variances added",
            _with_variance(lambda f, var_a, var_b, shift: var_a + var_b),
            "variances add if two random numbers are added. Here two groups of rows are put together.",
        ),
        Mistake(
            "unweighted mean",
            _with_mean,
            "the new mean is half way between the two: the larger group pulls more. Go the share f of the way.",
        ),
        Mistake(
            "shares crossed",
            _crossed,
            "the shares have changed places: the mean lies nearer to the smaller group.",
        ),
        Mistake(
            "sum of squares",
            _sum_of_squares,
            "the third number is a sum of squares: divide by the number of rows.",
        ),
        Mistake(
            "standard deviation",
            _deviation,
            "the third number is a standard deviation: leave out the square root.",
        ),
        Mistake("first group's variance", _with_variance(lambda f, var_a, var_b, shift: var_a)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == (2,),
            "two numbers came back; wanted are three: the count, the mean and the variance.",
        ),
        Symptom(_lost_digits, LOST),
        NEGATIVE,
    ),
)

# --- 07.5: how long until a class is forgotten ----------------------------------------------------------------

DECAY, SHARE, LEAST = 0.95, 0.10, 0.01


def _batches_until() -> int:
    """The first whole t with SHARE·DECAY^t < LEAST: the mass fades, the total stays."""
    return math.ceil(math.log(LEAST / SHARE) / math.log(DECAY))


FORGOTTEN = ValueExercise(
    name="07.5",
    title="How long until it is forgotten?",
    question="A class holds 10 % of the weight, then stays away. With g = 0.95, when is its π below 1 %?",
    hints=(
        "Its mass is multiplied by 0.95 at each batch. The total stays what it is: others bring what it loses.",
        "You look for the smallest whole t with 0.10 · 0.95^t < 0.01, that is 0.95^t < 0.1.",
        "Take logarithms: t > ln 0.1 / ln 0.95. Both are negative. Round up.",
    ),
    praise="45 batches: 0.95 to the power of 45 is 0.099. Its mean and covariance are still those of its last rows.",
    wanted=_batches_until,
    mistakes=(
        Mistake(
            "rounded down",
            44,
            "at batch 44 it is still a little above 1 % (0.95^44 = 0.105): round up.",
        ),
        Mistake(
            "not a whole number",
            math.log(0.1) / math.log(DECAY),
            "right equation. Batches come whole: after how many is it *below*?",
        ),
        Mistake(
            "the memory",
            20,
            "1/(1 − g) = 20 is the effective memory: by then a weight has fallen to 36 %, not to a tenth.",
        ),
        Mistake(
            "to a hundredth",
            math.ceil(math.log(0.01) / math.log(DECAY)),
            "you let it fall to 1 % *of where it was*. From 10 % to 1 % is only a factor of ten.",
        ),
        Mistake(
            "half-life",
            math.ceil(math.log(0.5) / math.log(DECAY)),
            "this is the half-life: by then it is 5 %. Go on until it is 1 %.",
        ),
        Mistake(
            "linear",
            18,
            "you let it lose the same *amount* at each batch. It loses the same *factor*: 0.10, 0.095, 0.09025, …",
        ),
        Mistake(
            "g and 1 − g swapped",
            1,
            "one batch takes only 5 % of it away: 0.95 is what is kept.",
        ),
        Mistake(
            "the factor",
            10,
            "10 is the factor that it has to fall by. How many times 0.95 make a tenth?",
        ),
        Mistake(
            "never",
            np.inf,
            "it never reaches zero, true; but below 1 % it comes.",
        ),
        Mistake(
            "sign",
            -_batches_until(),
            "the logarithms of 0.1 and of 0.95 are both negative: their ratio is positive.",
        ),
        Mistake("guess", 100),
    ),
)

# --- 07.6: what trace_B alone cannot tell ---------------------------------------------------------------------

READING = ChoiceExercise(
    name="07.6",
    title="Read the monitor",
    question="Over a training run trace_B rises from 2.1 to 3.8. What may you conclude from that alone?",
    hints=(
        "trace_B is a sum over directions. What does a sum not tell of its parts?",
        "Look at the two clouds above: which of them has the larger trace_B, and which would you rather have?",
    ),
    praise="trace_B is a sum: ten directions or one can make it up. Read opnorm_B/trace_B or the effective rank, too.",
    choices=("a", "b", "c", "d"),
    right="c",
    mistakes=(
        Mistake(
            "larger is better",
            "a",
            "the flattened digits have the larger trace_B, and their components mix up the digits. *Further apart* may "
            "mean: along one direction only.",
        ),
        Mistake(
            "larger is collapse",
            "b",
            "it may be a collapse to few directions, or embeddings that simply spread: trace_B is the same for both.",
        ),
        Mistake(
            "within fell as much",
            "d",
            "the law of total covariance says trace_B + trace_W = total. Nobody said that the total stood still.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (FOLDED, TOTAL, WEIGHTS, MERGE, FORGOTTEN, READING)
