"""Exercises of notebook 08: positives, NT-Xent by hand, R², effective rank, an alarm rule, and a diagnosis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixturelab.exercises.exercise import ChoiceExercise, Exercise, FunctionExercise, Mistake, Symptom

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]

# --- 08.1: where each row's other view is -------------------------------------------------------------------


def _positives(n: int) -> NDArray[np.int64]:
    return (np.arange(2 * n) + n) % (2 * n)


POSITIVES = FunctionExercise(
    name="08.1",
    title="Where is the other view?",
    question="2n rows: first views 0 to n − 1, then second views in the same order. Which row is each row's positive?",
    hints=(
        "Write down n = 2 first. Rows 0 and 1 are first views, 2 and 3 second views. Who belongs to row 0? To row 2?",
        "A first view's partner is n rows further down, a second view's n rows further up.",
        "`np.arange(2 * n) + n` is right for the first half and runs over the end in the second. "
        "The remainder `% (2 * n)` brings it back.",
    ),
    praise="row i belongs to row i ± n. All 2n − 2 other rows are negatives of row i.",
    reference=_positives,
    probes=((2,), (3,), (5,)),
    mistakes=(
        Mistake(
            "itself",
            lambda n: np.arange(2 * n),
            "here each row is its own partner. Its cosine with itself is always 1 and teaches nothing: "
            "the partner is the other view of the same image.",
        ),
        Mistake(
            "neighbours",
            lambda n: np.arange(2 * n) ^ 1,
            "this pairs neighbours: 0 with 1, 2 with 3. That would be right if the two views of an image stood "
            "side by side; here all first views come first.",
        ),
        Mistake(
            "over the end",
            lambda n: np.arange(2 * n) + n,
            "the second half points beyond the last row, which is 2n − 1. A second view's partner stands n rows "
            "further up: take the remainder, `% (2 * n)`.",
        ),
        Mistake(
            "first views only",
            lambda n: np.arange(n) + n,
            "these are the partners of the first views. The second views look for theirs too: 2n numbers.",
        ),
        Mistake(
            "mirrored",
            lambda n: np.arange(2 * n)[::-1],
            "this mirrors the rows, so that the first is paired with the last. The second views stand in the same "
            "order as the first ones.",
        ),
        Mistake(
            "number of the image",
            lambda n: np.arange(2 * n) % n,
            "this is the image that each row shows. Wanted is the row that shows the same image once more.",
        ),
        Mistake(
            "table",
            lambda n: np.roll(np.eye(2 * n), n, axis=1),
            "this is the mask as a table of 0 and 1, and as such it is right. Give the column of the 1 in each row: "
            "`.argmax(axis=1)`.",
        ),
        Mistake(
            "next row",
            lambda n: (np.arange(2 * n) + 1) % (2 * n),
            "this is the next row, another image. The partner is n rows away, not 1.",
        ),
        Mistake(
            "counted from 1",
            lambda n: _positives(n) + 1,
            "this counts rows from 1. Python counts them from 0.",
        ),
        Mistake("all zero", lambda n: np.zeros(2 * n)),
    ),
)

# --- 08.2: the loss of one row ------------------------------------------------------------------------------


def _loss_of_row(s: Array, i: int, j: int, tau: float) -> float:
    others = np.delete(s, i)
    return -s[j] / tau + np.log(np.exp(others / tau).sum())


def _share(s: Array, i: int, j: int, tau: float) -> float:
    """The probability that the row finds its other view."""
    return np.exp(-_loss_of_row(s, i, j, tau))


def _negatives(s: Array, i: int, j: int, tau: float) -> Array:
    return np.exp(np.delete(s, [i, j]) / tau)


# Cosines of one row with all rows, itself among them: as in the notebook, then six and eight rows.
ROW_PROBES = (
    (np.array([1.0, 0.087, 0.866, -0.423]), 0, 2, 0.5),
    (np.array([0.3, 0.8, -0.2, 0.1, 1.0, -0.6]), 4, 1, 0.2),
    (np.array([-0.4, 0.2, 0.5, 1.0, 0.1, -0.1, 0.6, 0.7]), 3, 7, 2.0),
)

LOSS_OF_ROW = FunctionExercise(
    name="08.2",
    title="The loss of one row",
    question="Write ℓ = −log [ exp(s_j/τ) / Σ_{k≠i} exp(s_k/τ) ] for the cosines s of row i with all rows.",
    hints=(
        "The fraction first: the numerator is one number, the denominator a sum over all rows but row i itself.",
        "`np.delete(s, i)` leaves row i out. The positive j stays in the sum.",
        "`share = np.exp(s[j] / tau) / np.exp(np.delete(s, i) / tau).sum()`, and the loss is `-np.log(share)`.",
    ),
    praise="it is a cross entropy: of all other rows, which one shows the same image? Certain and right costs 0.",
    reference=_loss_of_row,
    probes=ROW_PROBES,
    mistakes=(
        Mistake(
            "itself in the sum",
            lambda s, i, j, tau: -s[j] / tau + np.log(np.exp(s / tau).sum()),
            "row i itself is in the sum. Its cosine with itself is 1, the largest there can be, so that the loss could "
            "never come near 0: leave k = i out.",
        ),
        Mistake(
            "positive not in the sum",
            lambda s, i, j, tau: -s[j] / tau + np.log(_negatives(s, i, j, tau).sum()),
            "the positive is missing in the sum. It runs over all k ≠ i, the positive among them: otherwise the "
            "fraction is no probability.",
        ),
        Mistake(
            "no minus",
            lambda s, i, j, tau: -_loss_of_row(s, i, j, tau),
            "the sign is turned round: the logarithm of a probability is negative, and a loss is minus that.",
        ),
        Mistake(
            "no logarithm",
            _share,
            "this is the probability of finding the positive. The loss is minus its logarithm.",
        ),
        Mistake(
            "one minus the share",
            lambda s, i, j, tau: 1 - _share(s, i, j, tau),
            "this is 1 minus the probability. The loss is minus its logarithm, which punishes certain mistakes harder.",
        ),
        Mistake(
            "no temperature",
            lambda s, i, j, tau: _loss_of_row(s, i, j, 1.0),
            "the temperature is missing: divide every cosine by τ before the exponential.",
        ),
        Mistake(
            "times the temperature",
            lambda s, i, j, tau: _loss_of_row(s, i, j, 1 / tau),
            "you multiply by τ. Divide: a small τ makes differences large.",
        ),
        Mistake(
            "temperature above only",
            lambda s, i, j, tau: -s[j] / tau + np.log(np.exp(np.delete(s, i)).sum()),
            "τ is in the numerator only. The cosines in the sum are divided by it as well.",
        ),
        Mistake(
            "temperature below only",
            lambda s, i, j, tau: -s[j] + np.log(np.exp(np.delete(s, i) / tau).sum()),
            "τ is in the denominator only. The positive's cosine is divided by it as well.",
        ),
        Mistake(
            "mean for sum",
            lambda s, i, j, tau: -s[j] / tau + np.log(np.exp(np.delete(s, i) / tau).mean()),
            "you take the mean over k where the sum is wanted: a mean hides how many rows there are to choose from.",
        ),
        Mistake(
            "largest for sum",
            lambda s, i, j, tau: (np.delete(s, i).max() - s[j]) / tau,
            "this compares with the most similar row alone (a hard maximum). The sum lets every row count, "
            "the similar ones most.",
        ),
        Mistake(
            "no exponential",
            lambda s, i, j, tau: -np.log(s[j] / np.delete(s, i).sum()),
            "the exponentials are missing. Cosines can be negative, so that shares of them are no probabilities.",
        ),
        Mistake(
            "positive alone",
            lambda s, i, j, tau: -s[j] / tau,
            "this is the numerator's part alone. It asks the two views to agree, and nothing else: you will see in "
            "section 6 what such a loss does to a network.",
        ),
        Mistake(
            "base 2",
            lambda s, i, j, tau: _loss_of_row(s, i, j, tau) / np.log(2),
            "this is in bits, from `np.log2`. The loss is in nats: `np.log`.",
        ),
        Mistake(
            "over the rows",
            lambda s, i, j, tau: _loss_of_row(s, i, j, tau) / len(s),
            "you divide by the number of rows. That mean is for later, over the losses of all rows.",
        ),
        Mistake("distance", lambda s, i, j, tau: 2 - 2 * s[j]),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1,
            "this is one number for each row k. The loss of row i is one number, with its positive j in the numerator.",
        ),
    ),
)

# --- 08.3: R² of a mixture ----------------------------------------------------------------------------------


def _trace_b(pi: Array, mu: Array) -> float:
    return float(pi @ ((mu - pi @ mu) ** 2).sum(axis=1))


def _trace_w(pi: Array, sigma: Array) -> float:
    return float(pi @ np.trace(sigma, axis1=1, axis2=2))


def _r_squared(pi: Array, mu: Array, Sigma: Array) -> float:
    return _ratio(_trace_b(pi, mu), _trace_w(pi, Sigma))


def _ratio(between: float, within: float) -> float:
    return between / (between + within)


def _covariances(*scales: float) -> Array:
    """Of three features, the first two correlated; one for each scale."""
    shape = np.array([[1.0, 0.4, 0.0], [0.4, 0.5, -0.1], [0.0, -0.1, 0.3]])
    return np.stack([scale * shape for scale in scales])


# The last one has a component without any weight.
MIXTURE_PROBES = (
    (np.array([0.6, 0.4]), np.array([[1.0, 0.0, 0.5], [-1.0, 1.0, 2.0]]), _covariances(1.0, 0.3)),
    (
        np.array([0.5, 0.3, 0.2]),
        np.array([[0.5, 0.1, 0.0], [-0.4, 0.3, 0.6], [0.2, -0.7, 0.3]]),
        _covariances(0.1, 0.4, 0.2),
    ),
    (
        np.array([0.7, 0.3, 0.0]),
        np.array([[0.2, 0.9, 0.1], [0.3, -0.5, 0.4], [5.0, 5.0, 5.0]]),
        _covariances(0.2, 0.3, 0.9),
    ),
)

R_SQUARED = FunctionExercise(
    name="08.3",
    title="How much lies between?",
    question="Write R² = tr B / (tr B + tr W) of a mixture: weights π [K], means μ [K, D], covariances Σ [K, D, D].",
    hints=(
        "tr W is the weighted mean of the traces of the Σ_k. tr B is the weighted mean of squared distances: "
        "of each μ_k from the overall mean.",
        "The overall mean is `pi @ mu`. The trace of each Σ_k: `np.trace(Sigma, axis1=1, axis2=2)`.",
        "`between = pi @ ((mu - pi @ mu) ** 2).sum(axis=1)`, and `within = pi @ (those traces)`.",
    ),
    praise="the share of the variance that the components explain. 0: they tell nothing. 1: they tell everything.",
    reference=_r_squared,
    probes=MIXTURE_PROBES,
    mistakes=(
        Mistake(
            "B over W",
            lambda pi, mu, Sigma: _trace_b(pi, mu) / _trace_w(pi, Sigma),
            "this is tr B / tr W, which can be larger than 1. A share is of the total: tr B + tr W.",
        ),
        Mistake(
            "the share within",
            lambda pi, mu, Sigma: 1 - _r_squared(pi, mu, Sigma),
            "this is the share of W, what the components leave unexplained. R² is the share of B.",
        ),
        Mistake(
            "not centred",
            lambda pi, mu, Sigma: _ratio(float(pi @ (mu**2).sum(axis=1)), _trace_w(pi, Sigma)),
            "the means are not centred: B is about the overall mean `pi @ mu`, not about 0. Move all means by the same "
            "vector, and R² must not change.",
        ),
        Mistake(
            "plain centre",
            lambda pi, mu, Sigma: _ratio(
                float(pi @ ((mu - mu.mean(axis=0)) ** 2).sum(axis=1)), _trace_w(pi, Sigma)
            ),
            "the overall mean has to be weighted too: `pi @ mu`, not `mu.mean(axis=0)`.",
        ),
        Mistake(
            "B without weights",
            lambda pi, mu, Sigma: _ratio(
                float(((mu - pi @ mu) ** 2).sum(axis=1).mean()), _trace_w(pi, Sigma)
            ),
            "in B every component counts alike. Weigh each squared distance by its π_k.",
        ),
        Mistake(
            "B without weights, summed",
            lambda pi, mu, Sigma: _ratio(float(((mu - pi @ mu) ** 2).sum()), _trace_w(pi, Sigma)),
            "the squared distances in B are added up without weights. Weigh each by its π_k before adding.",
        ),
        Mistake(
            "W without weights",
            lambda pi, mu, Sigma: _ratio(_trace_b(pi, mu), float(np.trace(Sigma, axis1=1, axis2=2).mean())),
            "in W every component counts alike. Weigh each trace by its π_k.",
        ),
        Mistake(
            "W summed",
            lambda pi, mu, Sigma: _ratio(_trace_b(pi, mu), float(np.trace(Sigma, axis1=1, axis2=2).sum())),
            "the traces in W are added up without weights. Weigh each by its π_k before adding.",
        ),
        Mistake(
            "all entries",
            lambda pi, mu, Sigma: _ratio(_trace_b(pi, mu), float(pi @ Sigma.sum(axis=(1, 2)))),
            "you add up all entries of Σ_k. The trace is the diagonal alone: `np.trace(Sigma, axis1=1, axis2=2)`.",
        ),
        Mistake(
            "standard deviations",
            lambda pi, mu, Sigma: _ratio(
                _trace_b(pi, mu), float(pi @ np.sqrt(np.diagonal(Sigma, axis1=1, axis2=2)).sum(axis=1))
            ),
            "there is a square root in W. Σ_k holds variances, and variances add.",
        ),
        Mistake(
            "distances not squared",
            lambda pi, mu, Sigma: _ratio(
                float(pi @ np.linalg.norm(mu - pi @ mu, axis=1)), _trace_w(pi, Sigma)
            ),
            "the distances in B are not squared. Variance is the mean *squared* distance.",
        ),
        Mistake(
            "weights squared",
            lambda pi, mu, Sigma: _ratio(
                float(((pi[:, None] * (mu - pi @ mu)) ** 2).sum()), _trace_w(pi, Sigma)
            ),
            "π_k is squared along with the distance. Square first, then weigh.",
        ),
        Mistake(
            "trace of B alone",
            lambda pi, mu, Sigma: _trace_b(pi, mu),
            "this is tr B. Divide it by the total, tr B + tr W.",
        ),
        Mistake(
            "its square root",
            lambda pi, mu, Sigma: np.sqrt(_r_squared(pi, mu, Sigma)),
            "this is R. R² is the share itself: no square root.",
        ),
        Mistake("half", lambda pi, mu, Sigma: 0.5),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 0 and not 0 <= given <= 1,
            "a share lies between 0 and 1, and this does not.",
        ),
    ),
)

# --- 08.4: the effective rank -------------------------------------------------------------------------------


def _entropy(shares: Array) -> float:
    kept = shares[shares > 0]
    return float(-(kept * np.log(kept)).sum())


def _effective_rank(values: Array) -> float:
    return np.exp(_entropy(values / values.sum()))


def _naive(values: Array) -> float:
    p = values / values.sum()
    return np.exp(-(p * np.log(p)).sum())


# The second one has a direction without any variance, the third has equal ones.
SPECTRA = (
    (np.array([4.0, 2.0, 1.0, 1.0]),),
    (np.array([0.9, 0.05, 0.05, 0.0]),),
    (np.array([2.0, 2.0, 2.0]),),
)

EFFECTIVE_RANK = FunctionExercise(
    name="08.4",
    title="How many directions are in use?",
    question="Write the effective rank exp(−Σ p log p), p the eigenvalues divided by their sum. Some may be 0.",
    hints=(
        "First the shares: each eigenvalue divided by the sum of all. They sum to 1, like probabilities.",
        "Then the entropy −Σ p log p, in nats. A share of 0 adds nothing; leave it out, since log 0 is no number.",
        "`p = values / values.sum()`, then `p = p[p > 0]`, then `np.exp(-(p * np.log(p)).sum())`.",
    ),
    praise="from 1, all variance along one line, to D, the same in every direction. No threshold to choose.",
    reference=_effective_rank,
    probes=SPECTRA,
    mistakes=(
        Mistake(
            "entropy",
            lambda values: _entropy(values / values.sum()),
            "this is the entropy. Its exponential is a number of directions.",
        ),
        Mistake(
            "no minus",
            lambda values: np.exp(-_entropy(values / values.sum())),
            "the minus is missing: the result is below 1, and there is at least one direction.",
        ),
        Mistake(
            "zero times log zero",
            _naive,
            "right, but for a direction without variance: 0 · log 0 is NaN for the computer and 0 in the limit. "
            "Leave the zeros out: `p = p[p > 0]`.",
        ),
        Mistake(
            "not normalised",
            lambda values: np.exp(_entropy(values)),
            "the eigenvalues have to become shares first: divide by their sum. A rank must not depend on the unit.",
        ),
        Mistake(
            "divided by the largest",
            lambda values: np.exp(_entropy(values / values.max())),
            "you divided by the largest eigenvalue. Shares are of the total: divide by the sum.",
        ),
        Mistake(
            "number of the positive ones",
            lambda values: float((values > 0).sum()),
            "this counts the eigenvalues above 0, the ordinary rank. It takes a direction with a millionth of the "
            "variance for a whole one.",
        ),
        Mistake(
            "stable rank",
            lambda values: values.sum() / values.max(),
            "this is the sum over the largest, the stable rank: the same idea with another formula. Use the entropy.",
        ),
        Mistake(
            "participation ratio",
            lambda values: values.sum() ** 2 / (values**2).sum(),
            "this is (Σλ)² / Σλ², the participation ratio: the same idea with another formula. Use the entropy.",
        ),
        Mistake(
            "square roots",
            lambda values: np.exp(_entropy(np.sqrt(values) / np.sqrt(values).sum())),
            "you took square roots first. That is for singular values of the data; shares of *variance* are wanted.",
        ),
        Mistake(
            "squares",
            lambda values: np.exp(_entropy(values**2 / (values**2).sum())),
            "the eigenvalues are squared. They are variances already.",
        ),
        Mistake(
            "two bases",
            lambda values: np.exp(_entropy(values / values.sum()) / np.log(2)),
            "the bases do not go together: `np.log2` inside, `np.exp` outside. Take the natural logarithm.",
        ),
        Mistake(
            "share of all directions",
            lambda values: _effective_rank(values) / len(values),
            "you divide by the number of directions. The effective rank is a number of directions itself.",
        ),
        Mistake("one", lambda values: 1.0),
    ),
)

# --- 08.5: an alarm rule ------------------------------------------------------------------------------------


def _first_alarm(spread: Array, limit: float, patience: int) -> int:
    running = 0
    for step, value in enumerate(spread):
        running = running + 1 if value < limit else 0
        if running == patience:
            return step
    return -1


def _first(found: Array) -> int:
    """The first True, or −1."""
    return int(found.argmax()) if found.any() else -1


def _later(step: int, by: int) -> int:
    return step + by if step >= 0 else step


# A dip that is no alarm and then a real one; none at all, though the mean is low; values exactly at the limit; and a
# dip that is just long enough.
ALARM_PROBES = (
    (np.array([0.9, 0.05, 0.06, 0.8, 0.3, 0.09, 0.08, 0.05, 0.04, 0.03]), 0.1, 3),
    (np.array([0.3, 0.01, 0.12, 0.01, 0.9, 0.05, 0.9]), 0.1, 2),
    (np.array([0.9, 0.2, 0.19, 0.1, 0.1, 0.9, 0.9, 0.9]), 0.2, 4),
    (np.array([0.9, 0.05, 0.04, 0.9, 0.9]), 0.1, 2),
)

FIRST_ALARM = FunctionExercise(
    name="08.5",
    title="An alarm with patience",
    question="At which step has the spread first been under the limit `patience` times running? −1: never.",
    hints=(
        "Go through the steps and keep a count: how many times running has it been under the limit?",
        "Under the limit, the count goes up by 1; otherwise it goes back to 0.",
        "`running = running + 1 if value < limit else 0`, and as soon as it equals `patience`, `return step`. "
        "After the loop: `return -1`.",
    ),
    praise="a single odd batch does not wake anybody, and a true collapse is reported after a few steps.",
    reference=_first_alarm,
    probes=ALARM_PROBES,
    mistakes=(
        Mistake(
            "no patience",
            lambda spread, limit, patience: _first(spread < limit),
            "this is the first step under the limit. One odd batch would raise the alarm: "
            "wait until it has happened `patience` times running.",
        ),
        Mistake(
            "not running",
            lambda spread, limit, patience: _first(np.cumsum(spread < limit) == patience),
            "this counts all steps under the limit, also with others in between. "
            "*Running* means without a break: start again at 0.",
        ),
        Mistake(
            "beginning of the dip",
            lambda spread, limit, patience: _later(_first_alarm(spread, limit, patience), 1 - patience),
            "this is the step at which the dip began. Nobody could know then: the alarm is raised when the last of "
            "the `patience` steps has been seen.",
        ),
        Mistake(
            "one too many",
            lambda spread, limit, patience: _first_alarm(spread, limit, patience + 1),
            "this waits for one step more than `patience`: compare with `==` or `>=`, not with `>`.",
        ),
        Mistake(
            "counted from 1",
            lambda spread, limit, patience: _later(_first_alarm(spread, limit, patience), 1),
            "this counts the steps from 1. They count from 0 here, as everywhere in Python.",
        ),
        Mistake(
            "at the limit",
            lambda spread, limit, patience: _first_alarm(spread, np.nextafter(limit, 2), patience),
            "this takes a value that equals the limit for one under it: `<`, not `<=`.",
        ),
        Mistake(
            "above for under",
            lambda spread, limit, patience: _first_alarm(-spread, -limit, patience),
            "the comparison is turned round: a *small* spread is the bad sign.",
        ),
        Mistake(
            "last for first",
            lambda spread, limit, patience: _last_alarm(spread, limit, patience),
            "this is the last step of an alarm. Return as soon as the first one is there.",
        ),
        Mistake(
            "mean of the last",
            lambda spread, limit, patience: _mean_alarm(spread, limit, patience),
            "this compares the *mean* of the last steps with the limit: one very small value can pull it under. "
            "Each of them has to be under it.",
        ),
        Mistake(
            "yes or no",
            lambda spread, limit, patience: _first_alarm(spread, limit, patience) >= 0,
            "this says whether there was an alarm. Wanted is the step, or −1.",
        ),
        Mistake(
            "how many",
            lambda spread, limit, patience: int((spread < limit).sum()),
            "this is the number of steps under the limit. Wanted is the step at which the alarm is raised.",
        ),
        Mistake("always at once", lambda spread, limit, patience: 0),
    ),
)


def _windows(spread: Array, patience: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(spread, patience)


def _last_alarm(spread: Array, limit: float, patience: int) -> int:
    found = np.flatnonzero((_windows(spread, patience) < limit).all(axis=1))
    return int(found[-1]) + patience - 1 if len(found) else -1


def _mean_alarm(spread: Array, limit: float, patience: int) -> int:
    return _later(_first(_windows(spread, patience).mean(axis=1) < limit), patience - 1)


# --- 08.6: a diagnosis --------------------------------------------------------------------------------------

DIAGNOSIS = ChoiceExercise(
    name="08.6",
    title="A colleague's run",
    question="Loss far lower than ever, spread 1, effective rank 31 of 32, no alarm, R² 0.1. What do you say?",
    hints=(
        "Take the numbers one by one. Which collapse does a spread of 1 rule out? And an effective rank of 31?",
        "Neither collapse, then. What does R² say about the components?",
        "One of today's runs looked just like this. Which one, and what was it worth?",
    ),
    praise="no collapse, and of no use: each image stands alone. Alarms tell of collapses; R² told of this one.",
    choices=("a", "b", "c", "d"),
    right="d",
    mistakes=(
        Mistake(
            "believes the loss",
            "a",
            "so it looks: low loss, all directions in use, no alarm. But losses of different tasks cannot be compared, "
            "and R² says that the components explain a tenth of the variance: nothing is grouped.",
        ),
        Mistake(
            "complete collapse",
            "b",
            "then the spread of a batch would be near 0. It is 1: the embeddings lie as far apart as they can.",
        ),
        Mistake(
            "low-rank collapse",
            "c",
            "then the effective rank would be near 2. It is 31 of 32: every direction is in use, each as much as the "
            "next.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    POSITIVES,
    LOSS_OF_ROW,
    R_SQUARED,
    EFFECTIVE_RANK,
    FIRST_ALARM,
    DIAGNOSIS,
)
