"""Exercises of notebook 05: uncertainty, entropy, similar rows, silhouettes, log odds, calibration, outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from mixturelab.exercises.compare import Numbers
from mixturelab.exercises.exercise import ChoiceExercise, Exercise, FunctionExercise, Mistake, Symptom

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]


def _random_gamma(seed: int, n: int, k: int) -> Array:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.7), size=n)


# Rows of three components, of two, of four: no axis has the length of another.
GAMMAS: tuple[tuple[Array], ...] = (
    (np.array([[0.7, 0.2, 0.1], [0.05, 0.15, 0.8], [0.34, 0.33, 0.33], [0.25, 0.6, 0.15]]),),
    (_random_gamma(0, 5, 2),),
    (_random_gamma(1, 7, 4),),
)


def _one_a_row(given: Numbers, wanted: Numbers) -> bool:
    return given.ndim == 2 and given.shape[:1] == wanted.shape and given.shape[1] > 1


def _column(given: Numbers, wanted: Numbers) -> bool:
    return given.ndim == 2 and given.shape == (len(wanted), 1)


A_COLUMN = Symptom(_column, "this is a column, N × 1: leave out `keepdims`, or return its `[:, 0]`.")


# --- 05.1: uncertainty --------------------------------------------------------------------------------------


def _uncertainty(gamma: Array) -> Array:
    return 1 - gamma.max(axis=1)


UNCERTAINTY = FunctionExercise(
    name="05.1",
    title="Uncertainty",
    question="Return the uncertainty 1 − max_k γ_nk of each row.",
    hints=(
        "One number a row: how probable is it that the row's hard label is wrong, if the mixture is right?",
        "The hard label is the component with the largest responsibility: `gamma.max(axis=1)`.",
        "`1 - gamma.max(axis=1)`.",
    ),
    praise="the probability that the hard label is wrong, as far as the mixture is to be believed. Its sum over "
    "the rows "
    "is the number of mistakes to expect.",
    reference=_uncertainty,
    probes=GAMMAS,
    mistakes=(
        Mistake(
            "largest",
            lambda gamma: gamma.max(axis=1),
            "this is how certain the row is. The uncertainty is what is left: 1 minus it.",
        ),
        Mistake(
            "wrong axis",
            lambda gamma: 1 - gamma.max(axis=0),
            "you took the maximum down the columns: one number for each component. Rows are wanted: `axis=1`.",
        ),
        Mistake(
            "of the whole table",
            lambda gamma: 1 - gamma.max(),
            "this is one number for the whole table, that of its surest row. Say along which axis: `axis=1`.",
        ),
        Mistake(
            "smallest",
            lambda gamma: gamma.min(axis=1),
            "this is the smallest responsibility. It equals the uncertainty only if K = 2; with more components "
            "all but the "
            "largest add up.",
        ),
        Mistake(
            "one minus smallest",
            lambda gamma: 1 - gamma.min(axis=1),
            "you subtracted the smallest responsibility from 1. Subtract the largest.",
        ),
        Mistake(
            "first component",
            lambda gamma: 1 - gamma[:, 0],
            "this is the doubt about component 0 alone: a row that is surely of component 1 would be called "
            "uncertain.",
        ),
        Mistake(
            "margin",
            lambda gamma: np.sort(gamma, axis=1)[:, -1] - np.sort(gamma, axis=1)[:, -2],
            "this is the margin between the first and the second. It measures certainty, and another one: keep "
            "to 1 − max.",
        ),
        Mistake(
            "second largest",
            lambda gamma: np.sort(gamma, axis=1)[:, -2],
            "this is the second largest responsibility. The third and all others belong to the doubt as well.",
        ),
        Mistake(
            "gini",
            lambda gamma: 1 - (gamma**2).sum(axis=1),
            "you squared and summed: that is the Gini impurity, the chance that two draws from γ differ. "
            "Here only the largest counts.",
        ),
        Mistake(
            "hard for soft",
            lambda gamma: (gamma.max(axis=1) < 0.9).astype(float),
            "this says yes or no. Keep the number: 0.11 and 0.5 are different doubts.",
        ),
        Mistake(
            "mean",
            lambda gamma: (1 - gamma.max(axis=1)).mean(),
            "this is the mean uncertainty of all rows. Return one number for each.",
        ),
        Mistake(
            "turned round",
            lambda gamma: gamma.max(axis=1) - 1,
            "the difference is turned round: a probability is never negative. 1 minus the largest.",
        ),
        Mistake(
            "sum for maximum",
            lambda gamma: 1 - gamma.sum(axis=1),
            "a row's shares sum to 1, so this is always 0: subtract the largest, not the sum.",
        ),
        Mistake(
            "entropy",
            lambda gamma: -(gamma * _safe_log(gamma)).sum(axis=1),
            "this is the entropy, the next measure. Here: 1 minus the largest.",
        ),
        Mistake(
            "percent",
            lambda gamma: 100 * (1 - gamma.max(axis=1)),
            "these are percentages. A probability runs from 0 to 1: leave out the 100.",
        ),
        Mistake("spread", lambda gamma: gamma.std(axis=1)),
    ),
    symptoms=(
        A_COLUMN,
        Symptom(
            _one_a_row,
            "this has a number for each component: one for each row is wanted, so take the maximum.",
        ),
    ),
)

# --- 05.2: entropy ------------------------------------------------------------------------------------------


def _safe_log(gamma: Array) -> Array:
    return np.log(np.where(gamma > 0, gamma, 1.0))


def _entropy(gamma: Array) -> Array:
    return -(gamma * _safe_log(gamma)).sum(axis=1)


def _naive_entropy(gamma: Array) -> Array:
    return -(gamma * np.log(gamma)).sum(axis=1)


ENTROPY = FunctionExercise(
    name="05.2",
    title="Entropy, with zeros",
    question="Return each row's entropy −Σ_k γ_nk log γ_nk in nats; a γ of exactly 0 adds nothing.",
    hints=(
        "Multiply each γ by its logarithm, add up along the row, change the sign.",
        "`np.log(0)` is minus infinity, and 0 times that is NaN. What would you like it to be?",
        "Take the log of something harmless where γ is 0: `np.log(np.where(gamma > 0, gamma, 1))`.",
    ),
    praise="in nats, and safe. A γ of exactly 0 does happen: exp(−746) is 0 in float64. `scipy.special.entr` is "
    "−γ log γ "
    "with that care taken.",
    reference=_entropy,
    probes=(
        *GAMMAS,
        (np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]),),
    ),
    atol=1e-6,
    mistakes=(
        Mistake(
            "zeros",
            _naive_entropy,
            "right wherever all γ are positive. Where one is exactly 0, 0 · log 0 has become NaN: its limit is "
            "0, so make it 0.",
        ),
        Mistake(
            "sign",
            lambda gamma: -_entropy(gamma),
            "the sign is missing: logarithms of shares are negative, an entropy is not.",
        ),
        Mistake(
            "bits",
            lambda gamma: _entropy(gamma) / np.log(2),
            "these are bits: you used log₂. Right in itself; here nats are asked for, `np.log`.",
        ),
        Mistake(
            "decimal",
            lambda gamma: _entropy(gamma) / np.log(10),
            "this is log₁₀. In nats the logarithm is the natural one, `np.log`.",
        ),
        Mistake(
            "normalised",
            lambda gamma: _entropy(gamma) / np.log(gamma.shape[1]),
            "you divided by log K. That is the normalised entropy, and useful; here it is asked for in nats.",
        ),
        Mistake(
            "mean over components",
            lambda gamma: _entropy(gamma) / gamma.shape[1],
            "you took the mean over the components. The γ in front is the weight already: sum.",
        ),
        Mistake(
            "missing weights",
            lambda gamma: -_safe_log(gamma).sum(axis=1),
            "the factor γ in front of the logarithm is missing: each surprise −log γ counts as often as it "
            "happens.",
        ),
        Mistake(
            "missing log",
            lambda gamma: (gamma * (1 - gamma)).sum(axis=1),
            "there is no logarithm in it: γ(1 − γ) is the Gini impurity. Entropy has γ log γ.",
        ),
        Mistake(
            "squared",
            lambda gamma: -(gamma**2 * _safe_log(gamma)).sum(axis=1),
            "γ is squared. Each surprise −log γ is weighted by γ itself.",
        ),
        Mistake(
            "leader only",
            lambda gamma: -np.log(gamma.max(axis=1)),
            "this is the surprise of the largest γ alone, −log max. Take the mean over all, weighted by γ.",
        ),
        Mistake(
            "wrong axis",
            lambda gamma: -(gamma * _safe_log(gamma)).sum(axis=0),
            "you added down the columns. One number for each row is wanted: `sum(axis=1)`.",
        ),
        Mistake(
            "of the whole table",
            lambda gamma: _entropy(gamma).sum(),
            "this is the entropy of the whole table (it is the term in ICL). Return one number for each row: "
            "`axis=1`.",
        ),
        Mistake(
            "both logs",
            lambda gamma: -(gamma * _safe_log(gamma) + (1 - gamma) * _safe_log(1 - gamma)).sum(axis=1),
            "you added (1 − γ) log(1 − γ). That is for a yes or no about each component; the K shares of a row "
            "are one "
            "distribution, so γ log γ is all.",
        ),
        Mistake(
            "perplexity",
            lambda gamma: np.exp(_entropy(gamma)),
            "this is exp(H), the perplexity: how many components it is, so to say. Leave out the `exp`.",
        ),
        Mistake(
            "uncertainty",
            lambda gamma: 1 - gamma.max(axis=1),
            "this is the uncertainty of the exercise before. Entropy has γ log γ, of all components.",
        ),
        Mistake(
            "log of one plus",
            lambda gamma: -(gamma * np.log(gamma + 1)).sum(axis=1),
            "you took log(1 + γ). It is safe at 0, but another function: −γ log γ has to come out for every γ "
            "above 0.",
        ),
        Mistake("even split", lambda gamma: np.full(len(gamma), np.log(gamma.shape[1]))),
    ),
    symptoms=(
        A_COLUMN,
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.abs(given - wanted).max() < 0.02),
            "very near. Did you add a small number inside the logarithm? It shifts every term: "
            "`np.where(gamma > 0, gamma, 1)` shifts none.",
        ),
        Symptom(
            _one_a_row, "these are the terms of the sum, one for each component: add them along each row."
        ),
        Symptom(
            lambda given, wanted: bool((given < -1e-9).any()), "an entropy is never negative: check the sign."
        ),
    ),
)

# --- 05.3: posterior similarity -----------------------------------------------------------------------------


def _similarity(gamma: Array) -> Array:
    together = gamma @ gamma.T
    np.fill_diagonal(together, 1.0)
    return together


def _hard_similarity(gamma: Array) -> Array:
    labels = gamma.argmax(axis=1)
    return (labels[:, None] == labels).astype(float)


def _with_diagonal(matrix: Array, value: float) -> Array:
    out = matrix.copy()
    np.fill_diagonal(out, value)
    return out


def _same_off_diagonal(given: Numbers, wanted: Numbers) -> bool:
    off = ~np.eye(len(wanted), dtype=bool)
    return bool(np.allclose(given[off], wanted[off]))


def _cosine(gamma: Array) -> Array:
    length = np.linalg.norm(gamma, axis=1)
    return gamma @ gamma.T / np.outer(length, length)


SIMILARITY = FunctionExercise(
    name="05.3",
    title="Which rows belong together?",
    question="Return [N, N]: the probability that rows n and m come from the same component; 1 on the diagonal.",
    hints=(
        "Both from component 0, or both from component 1, or …: probabilities of things that exclude each other "
        "add.",
        "Given the parameters, rows are independent: both from k has probability γ_nk γ_mk. Sum over k.",
        "A sum of products over k is a matrix product: `gamma @ gamma.T`. Then `np.fill_diagonal(S, 1)`.",
    ),
    praise="and no component's number occurs in it: relabel the components, and nothing changes. That is why "
    "whole samplers "
    "are summarised by this matrix.",
    reference=_similarity,
    probes=(*GAMMAS, (np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]),)),
    mistakes=(
        Mistake(
            "diagonal",
            lambda gamma: gamma @ gamma.T,
            "right off the diagonal. On it, Σ γ² is the chance that two *different* rows like this one agree; a "
            "row is "
            "surely in one component with itself: set the diagonal to 1.",
        ),
        Mistake(
            "diagonal zero",
            lambda gamma: _with_diagonal(gamma @ gamma.T, 0.0),
            "the diagonal is 0: a row surely comes from the same component as itself, so 1.",
        ),
        Mistake(
            "wrong side",
            lambda gamma: gamma.T @ gamma,
            "this is K × K: it compares components. Turn the product round, `gamma @ gamma.T`, to compare rows.",
        ),
        Mistake(
            "hard for soft",
            _hard_similarity,
            "these are hard labels compared: 1 or 0. Two rows at an even split would be sure to belong together; "
            "multiply the responsibilities.",
        ),
        Mistake(
            "cosine",
            _cosine,
            "you divided by the lengths: that is the cosine of the angle. For two rows at (½, ½) it says 1, but "
            "the chance "
            "that they agree is ½.",
        ),
        Mistake(
            "root",
            lambda gamma: np.sqrt(gamma) @ np.sqrt(gamma).T,
            "you took square roots: that compares two distributions (Bhattacharyya). The chance of agreement is "
            "Σ γ γ, "
            "without roots.",
        ),
        Mistake(
            "overlap",
            lambda gamma: np.minimum(gamma[:, None], gamma).sum(axis=2),
            "you summed the smaller of the two responsibilities. For independent rows probabilities multiply.",
        ),
        Mistake(
            "largest only",
            lambda gamma: _with_diagonal((gamma[:, None] * gamma).max(axis=2), 1.0),
            "you took the largest product over k. They exclude each other and so they add: sum over k.",
        ),
        Mistake(
            "mean over components",
            lambda gamma: _with_diagonal(gamma @ gamma.T / gamma.shape[1], 1.0),
            "you divided by K. The products γ_nk γ_mk are probabilities already: sum, do not average.",
        ),
        Mistake(
            "dissimilarity",
            lambda gamma: 1 - _similarity(gamma),
            "this is the probability that they come from *different* components. Leave out the `1 -`.",
        ),
        Mistake(
            "normalised rows",
            lambda gamma: _similarity(gamma) / _similarity(gamma).sum(axis=1, keepdims=True),
            "each line has been divided by its sum. A row may belong with many others: the lines need not sum "
            "to 1.",
        ),
        Mistake(
            "distance",
            lambda gamma: np.linalg.norm(gamma[:, None] - gamma, axis=2),
            "these are distances between rows of γ: 0 where two are alike. Asked for is a probability, Σ γ γ.",
        ),
        Mistake(
            "half of it",
            lambda gamma: np.triu(_similarity(gamma)),
            "below the diagonal there are zeros. n with m is m with n: fill both halves.",
        ),
        Mistake("correlation", np.corrcoef),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 3,
            "these are the single products, one for each component: sum over the components, the last axis.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and _same_off_diagonal(given, wanted),
            "right off the diagonal. On it, each row surely comes from the same component as itself: set 1.",
        ),
    ),
)

# --- 05.4: what a silhouette says ---------------------------------------------------------------------------

SILHOUETTE = ChoiceExercise(
    name="05.4",
    title="Read two silhouettes",
    question="For one table, k-means labels have silhouette 0.50, the labels of a mixture 0.13. What follows "
    "from that alone?",
    hints=(
        "Of what is a silhouette made? Of distances between rows, and of hard labels. Of nothing else.",
        "Which distance, and does it know a component's covariance? Did you see a case where the lower one was "
        "right?",
    ),
    praise="it compares Euclidean distances. Long, unequal or nested groups are not compact, however real they "
    "are.",
    choices=("a", "b", "c", "d"),
    right="d",
    mistakes=(
        Mistake(
            "true labels",
            "a",
            "in section 5 labels that were all right had 0.13 and useless ones 0.50: a silhouette never sees "
            "the truth.",
        ),
        Mistake(
            "likelihood",
            "b",
            "a silhouette knows no density. Compare log-likelihoods, BIC or held-out rows for that.",
        ),
        Mistake(
            "uncertainty",
            "c",
            "uncertainty is about γ, and the silhouette sees hard labels only. Two long groups side by side may "
            "have γ near 1 "
            "throughout and a silhouette near 0.",
        ),
    ),
)

# --- 05.5: the limit of small variance ----------------------------------------------------------------------


def _log_odds(x: Array, mu_1: Array, mu_2: Array, sigma: float) -> float:
    return float((((x - mu_2) ** 2).sum() - ((x - mu_1) ** 2).sum()) / (2 * sigma**2))


_NEAR, _FAR, _LEFT = np.array([1.0, 0.5]), np.array([3.0, 2.0]), np.array([-1.0, 0.2])

LOG_ODDS = FunctionExercise(
    name="05.5",
    title="The exponent that hardens",
    question="Two components, equal weights, covariance σ² times the identity: return log(γ_1 / γ_2) for one "
    "row x.",
    hints=(
        "The quotient of two responsibilities is the quotient of their numerators: p(x), weights and constants "
        "cancel.",
        "What is left is exp(−‖x − μ₁‖²/2σ²) over exp(−‖x − μ₂‖²/2σ²). Take the logarithm.",
        "The second squared distance minus the first, over `2 * sigma**2`.",
    ),
    praise="a difference that does not depend on σ, divided by 2σ². Halve σ and the log odds are four times as "
    "large: any "
    "lead becomes certainty.",
    reference=_log_odds,
    probes=(
        (_NEAR, _LEFT, _FAR, 0.7),
        (np.array([2.0, 1.0]), _LEFT, _FAR, 2.0),
        (np.array([0.3, 4.0, 1.0]), np.zeros(3), np.array([1.0, 2.0, 2.5]), 0.5),
    ),
    mistakes=(
        Mistake(
            "swapped",
            lambda x, m, n, s: -_log_odds(x, m, n, s),
            "the sign is turned round: when x is nearer to μ₁, γ₁ is the larger one and its log odds are positive.",
        ),
        Mistake(
            "sigma not squared",
            lambda x, m, n, s: _log_odds(x, m, n, np.sqrt(s)),
            "you divided by 2σ. In the exponent stands the variance: 2σ².",
        ),
        Mistake(
            "sigma to the fourth",
            lambda x, m, n, s: _log_odds(x, m, n, s**2),
            "σ is squared once too often: `sigma` is the standard deviation, so divide by `2 * sigma**2`.",
        ),
        Mistake(
            "no half",
            lambda x, m, n, s: 2 * _log_odds(x, m, n, s),
            "the factor ½ of the exponent is missing: divide by 2σ², not by σ².",
        ),
        Mistake(
            "not squared",
            lambda x, m, n, s: float((np.linalg.norm(x - n) - np.linalg.norm(x - m)) / (2 * s**2)),
            "these are distances: the exponent holds their squares. Leave out the root.",
        ),
        Mistake(
            "square of the difference",
            lambda x, m, n, s: float((np.linalg.norm(x - n) - np.linalg.norm(x - m)) ** 2 / (2 * s**2)),
            "you squared the difference of the distances. Wanted is the difference of the squares.",
        ),
        Mistake(
            "sum before square",
            lambda x, m, n, s: float(((x - n).sum() ** 2 - (x - m).sum() ** 2) / (2 * s**2)),
            "you added up the coordinates before squaring. Square each, then add: `((x - mu) ** 2).sum()`.",
        ),
        Mistake(
            "odds",
            lambda x, m, n, s: float(np.exp(_log_odds(x, m, n, s))),
            "these are the odds γ₁/γ₂ themselves: leave out the `exp`.",
        ),
        Mistake(
            "responsibility",
            lambda x, m, n, s: float(1 / (1 + np.exp(-_log_odds(x, m, n, s)))),
            "this is γ₁, the sigmoid of what is asked for. Return the log odds.",
        ),
        Mistake(
            "sum",
            lambda x, m, n, s: float((((x - n) ** 2).sum() + ((x - m) ** 2).sum()) / (2 * s**2)),
            "you added the squared distances. The log of a quotient is a difference.",
        ),
        Mistake(
            "not divided",
            lambda x, m, n, s: float(((x - n) ** 2).sum() - ((x - m) ** 2).sum()),
            "σ is missing, and it is the point: divide the difference by 2σ².",
        ),
        Mistake(
            "between the means",
            lambda x, m, n, s: float(((m - n) ** 2).sum() / (2 * s**2)),
            "this is the distance between the two means. Where does x come in?",
        ),
        Mistake(
            "precedence",
            lambda x, m, n, s: _log_odds(x, m, n, s) * s**4,
            "Python goes from left to right: `a / 2 * sigma**2` multiplies by σ². Set brackets: `a / (2 * sigma**2)`.",
        ),
        Mistake(
            "two squared as well",
            lambda x, m, n, s: _log_odds(x, m, n, s) / 2,
            "you squared the 2, too: the divisor is `2 * sigma**2`, not `(2 * sigma)**2`.",
        ),
        Mistake(
            "mean over coordinates",
            lambda x, m, n, s: _log_odds(x, m, n, s) / len(x),
            "you took the mean over the coordinates. A squared distance is their sum.",
        ),
        Mistake(
            "first term alone",
            lambda x, m, n, s: -float(((x - m) ** 2).sum() / (2 * s**2)),
            "this is the numerator's exponent alone. Dividing by the other one adds its exponent with a plus.",
        ),
        Mistake(
            "quotient of distances",
            lambda x, m, n, s: float(((x - n) ** 2).sum() / ((x - m) ** 2).sum()),
            "you divided the squared distances. A quotient of exponentials has the *difference* of the exponents.",
        ),
        Mistake("decimal", lambda x, m, n, s: _log_odds(x, m, n, s) / np.log(10)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1 and given.size > 1,
            "there is a number for each coordinate: add them up, `.sum()`.",
        ),
    ),
)

# --- 05.6: expected calibration error -----------------------------------------------------------------------


def _bins(confidence: Array, n_bins: int) -> NDArray[np.int64]:
    return np.minimum((confidence * n_bins).astype(int), n_bins - 1)


def _per_bin(confidence: Array, correct: Array, n_bins: int) -> tuple[Array, Array, Array]:
    """Rows, mean confidence and share of right ones, of each bin that has any."""
    bins = _bins(confidence, n_bins)
    count = np.bincount(bins, minlength=n_bins).astype(float)
    used = count > 0
    sums = [np.bincount(bins, np.asarray(v, dtype=float), n_bins)[used] for v in (confidence, correct)]
    return count[used], sums[0] / count[used], sums[1] / count[used]


def _calibration_error(confidence: Array, correct: Array, n_bins: int) -> float:
    n, claimed, right = _per_bin(confidence, correct, n_bins)
    return float((n * np.abs(right - claimed)).sum() / n.sum())


def _with_bins(confidence: Array, correct: Array, bins: Any) -> float:
    gaps = [abs((correct - confidence)[bins == b].sum()) for b in np.unique(bins)]
    return float(np.sum(gaps) / len(confidence))


def _unweighted(confidence: Array, correct: Array, n_bins: int) -> float:
    _, claimed, right = _per_bin(confidence, correct, n_bins)
    return float(np.abs(right - claimed).mean())


def _over_all_bins(confidence: Array, correct: Array, n_bins: int) -> float:
    _, claimed, right = _per_bin(confidence, correct, n_bins)
    return float(np.abs(right - claimed).sum() / n_bins)


def _of_midpoints(confidence: Array, correct: Array, n_bins: int) -> float:
    n, _, right = _per_bin(confidence, correct, n_bins)
    middle = (np.unique(_bins(confidence, n_bins)) + 0.5) / n_bins
    return float((n * np.abs(right - middle)).sum() / n.sum())


def _of_squares(confidence: Array, correct: Array, n_bins: int) -> float:
    n, claimed, right = _per_bin(confidence, correct, n_bins)
    return float((n * (right - claimed) ** 2).sum() / n.sum())


def _worst_bin(confidence: Array, correct: Array, n_bins: int) -> float:
    _, claimed, right = _per_bin(confidence, correct, n_bins)
    return float(np.abs(right - claimed).max())


def _not_divided(confidence: Array, correct: Array, n_bins: int) -> float:
    return _calibration_error(confidence, correct, n_bins) * len(confidence)


def _empty_bins(confidence: Array, correct: Array, n_bins: int) -> float:
    bins = _bins(confidence, n_bins)
    gaps = [
        np.abs(correct[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in range(n_bins)
    ]
    return float(np.sum(gaps))


def _ones_fall_out(confidence: Array, correct: Array, n_bins: int) -> float:
    kept = confidence < 1
    share = kept.mean()
    return share * _calibration_error(confidence[kept], correct[kept], n_bins)


def _claims(seed: int, n: int, bent: float, ones: int) -> tuple[Array, NDArray[np.bool_]]:
    """Confidences off the edges of the bins, `ones` of them exactly 1, and whether the rows are right."""
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.35, 0.999, n).round(3) + 0.0003
    correct = generator.random(n) < confidence**bent
    confidence[:ones], correct[:ones] = 1.0, np.arange(ones) > 1  # two of the surest are wrong
    return confidence, correct


CALIBRATION = FunctionExercise(
    name="05.6",
    title="Expected calibration error",
    question="Sort rows into n_bins equal bins of confidence; return the mean of |share right − mean confidence|, "
    "weighted by the rows in each bin.",
    hints=(
        "Give each row the number of its bin: `(confidence * n_bins).astype(int)`. In which bin is a confidence "
        "of 1?",
        "Loop over the bins. With `chosen = bins == b`, skip a bin where `chosen.any()` is false.",
        "In a bin: `abs(correct[chosen].mean() - confidence[chosen].mean())`. Each counts with the share "
        "`chosen.mean()`.",
    ),
    praise="0.05 reads: where it says 90 %, about 85 or 95 % are right. Fewer, wider bins make it smaller, and "
    "so do errors "
    "that cancel within one: always say the bins.",
    reference=_calibration_error,
    probes=((*_claims(0, 60, 2.5, 4), 10), (*_claims(1, 45, 0.4, 3), 5), (*_claims(2, 30, 3.0, 5), 8)),
    mistakes=(
        Mistake(
            "unweighted",
            _unweighted,
            "every bin counts alike: one with two rows as much as one with thirty. Weight each by its share of "
            "the rows.",
        ),
        Mistake(
            "over all bins",
            _over_all_bins,
            "you divided by the number of bins, empty ones too. Weight each bin by its share of the rows, and "
            "divide by nothing.",
        ),
        Mistake(
            "global",
            lambda c, y, b: abs(float(np.mean(y)) - float(np.mean(c))),
            "this is one bin for all: claims too high here and too low there cancel. Take the difference bin by "
            "bin.",
        ),
        Mistake(
            "signed",
            lambda c, y, b: float(np.mean(c)) - float(np.mean(y)),
            "the bins' differences keep their signs, so that they cancel. Take the absolute value in each bin, "
            "before adding.",
        ),
        Mistake(
            "row by row",
            lambda c, y, b: float(np.abs(np.asarray(y, dtype=float) - c).mean()),
            "you took |right − confidence| row by row: a single row is right or wrong, never 90 % right. "
            "Average within a "
            "bin first, then take the difference.",
        ),
        Mistake(
            "brier",
            lambda c, y, b: float(((np.asarray(y, dtype=float) - c) ** 2).mean()),
            "this is the Brier score, squared differences row by row. Average within each bin first.",
        ),
        Mistake(
            "squared",
            _of_squares,
            "the differences are squared. Take absolute values: `abs`.",
        ),
        Mistake(
            "rooted",
            lambda c, y, b: float(np.sqrt(_of_squares(c, y, b))),
            "this is the root mean square of the differences. It is used, too; here take the mean of the "
            "absolute values.",
        ),
        Mistake(
            "worst bin",
            _worst_bin,
            "this is the largest difference of any bin (the maximum calibration error). Take the weighted mean.",
        ),
        Mistake(
            "midpoints",
            _of_midpoints,
            "you compared with the middle of each bin. Compare with the mean confidence of the rows that are in "
            "it.",
        ),
        Mistake(
            "not divided",
            _not_divided,
            "you weighted by the number of rows and did not divide by all of them: use shares, `chosen.mean()`.",
        ),
        Mistake(
            "empty bins",
            _empty_bins,
            "a bin without rows has no mean, and its NaN has eaten the sum: skip empty bins.",
        ),
        Mistake(
            "ones fall out",
            _ones_fall_out,
            "rows whose confidence is exactly 1 have fallen out: 1 times n_bins is one bin too many. Put them "
            "into the last.",
        ),
        Mistake(
            "error rate",
            lambda c, y, b: 1 - float(np.mean(y)),
            "this is the share of wrong rows. An honest 60 % is wrong in 40 % of cases and has no calibration "
            "error at all.",
        ),
        Mistake(
            "ones in a bin of their own",
            lambda c, y, b: _with_bins(c, y, (c * b).astype(int)),
            "rows whose confidence is exactly 1 are in a bin of their own, the one after the last: "
            "`np.minimum(bins, n_bins - 1)`.",
        ),
        Mistake(
            "rounded",
            lambda c, y, b: _with_bins(c, y, np.round(c * b).astype(int)),
            "you rounded to the nearest edge. A bin runs from one edge to the next: cut off, `.astype(int)`.",
        ),
        Mistake(
            "one bin too few",
            lambda c, y, b: _with_bins(c, y, np.digitize(c, np.linspace(0, 1, b))),
            "n_bins bins have n_bins + 1 edges: `np.linspace(0, 1, n_bins + 1)`.",
        ),
        Mistake(
            "summed",
            lambda c, y, b: _unweighted(c, y, b) * len(_per_bin(c, y, b)[0]),
            "you added up the bins' differences. Average them: each weighted by its share of the rows.",
        ),
        Mistake("constant", lambda c, y, b: 0.1),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1,
            "these are numbers of the single bins or rows: return their weighted mean, one number.",
        ),
        Symptom(
            lambda given, wanted: bool((given < 0).any()), "a mean of absolute values is never negative."
        ),
    ),
)

# --- 05.7: squared Mahalanobis distance ---------------------------------------------------------------------


def _away(X: Array, mean: Array) -> Array:
    return X - mean


def _quadratic(away: Array, matrix: NDArray[np.floating]) -> Array:
    return np.einsum("ni,ij,nj->n", away, matrix, away)


def _squared_distance(X: Array, mean: Array, covariance: Array) -> Array:
    return _quadratic(_away(X, mean), np.linalg.inv(covariance))


def _table(seed: int, n: int, covariance: Array) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(seed)
    mean = generator.uniform(-2.0, 5.0, len(covariance))
    return mean + 2.0 * generator.standard_normal((n, len(covariance))), mean, covariance


_GEYSER = np.array([[0.17, 0.94], [0.94, 36.0]])
_THREE = np.array([[2.0, 0.9, -0.3], [0.9, 1.5, 0.4], [-0.3, 0.4, 0.6]])

DISTANCE = FunctionExercise(
    name="05.7",
    title="How far is far?",
    question="Return the squared Mahalanobis distance (x_n − μ)ᵀ Σ⁻¹ (x_n − μ) of each row.",
    hints=(
        "Subtract the mean from all rows at once, and invert the covariance: `np.linalg.inv(covariance)`.",
        "For one row it is `away @ inverse @ away`. A loop over the rows will do.",
        "All at once: `((away @ inverse) * away).sum(axis=1)`.",
    ),
    praise="in units of the component itself: 1 is one standard deviation, squared, whichever way x lies. Under "
    "a Gaussian "
    "it is chi-squared with D degrees of freedom.",
    reference=_squared_distance,
    probes=(
        _table(0, 4, _GEYSER),
        _table(1, 6, _THREE),
        (np.array([[6.5, 40.0], [4.3, 80.0], [5.0, 90.0], [3.0, 60.0]]), np.array([4.3, 80.0]), _GEYSER),
    ),
    mistakes=(
        Mistake(
            "root",
            lambda X, m, S: np.sqrt(_squared_distance(X, m, S)),
            "this is the distance: its square is wanted, so leave out the root. (Chi-squared goes with the "
            "square.)",
        ),
        Mistake(
            "not inverted",
            lambda X, m, S: _quadratic(_away(X, m), S),
            "you multiplied by Σ. Divide by it: a step along a wide direction must count less, hence the inverse.",
        ),
        Mistake(
            "euclidean",
            lambda X, m, S: (_away(X, m) ** 2).sum(axis=1),
            "this is the Euclidean distance, squared: minutes of waiting count as much as minutes of eruption. "
            "Put Σ⁻¹ in between.",
        ),
        Mistake(
            "diagonal only",
            lambda X, m, S: (_away(X, m) ** 2 / np.diag(S)).sum(axis=1),
            "you divided by the variances alone: the tilt is lost. Use the whole inverse of Σ.",
        ),
        Mistake(
            "entries inverted",
            lambda X, m, S: _quadratic(_away(X, m), 1 / S),
            "`1 / covariance` inverts each entry. The inverse of the matrix is `np.linalg.inv(covariance)`.",
        ),
        Mistake(
            "squared inverse",
            lambda X, m, S: _quadratic(_away(X, m), np.linalg.inv(S) @ np.linalg.inv(S)),
            "Σ⁻¹ comes in twice. If you whiten first, use the root: Σ⁻¹ once in all.",
        ),
        Mistake(
            "mean not subtracted",
            lambda X, m, S: _quadratic(X, np.linalg.inv(S)),
            "the mean is not subtracted: this measures from zero.",
        ),
        Mistake(
            "over D",
            lambda X, m, S: _squared_distance(X, m, S) / X.shape[1],
            "you divided by the number of features. Chi-squared with D degrees of freedom has the mean D: no "
            "division.",
        ),
        Mistake(
            "log density",
            lambda X, m, S: -0.5 * _squared_distance(X, m, S),
            "this is the exponent of the density: leave out the factor −½.",
        ),
        Mistake(
            "p-value",
            lambda X, m, S: chi2.sf(_squared_distance(X, m, S), X.shape[1]),
            "this is the probability of being still further away: one step too far. Return the distance itself.",
        ),
        Mistake(
            "from the rows' own mean",
            lambda X, m, S: _squared_distance(X, X.mean(axis=0), S),
            "you measured from the mean of the rows. Measure from the component's, `mean`.",
        ),
        Mistake(
            "own covariance",
            lambda X, m, S: _squared_distance(X, m, np.cov(X.T)),
            "you worked out a covariance from the rows. The component's is given: `covariance`.",
        ),
        Mistake(
            "all pairs",
            lambda X, m, S: _away(X, m) @ np.linalg.inv(S) @ _away(X, m).T,
            "this is N × N, each row with each other. What you want is on its diagonal.",
        ),
        Mistake(
            "whitened from the wrong side",
            lambda X, m, S: ((_away(X, m) @ np.linalg.inv(np.linalg.cholesky(S))) ** 2).sum(axis=1),
            "nearly: rows are whitened by `inv(L).T`, transposed, since L y = x − μ has x as a column.",
        ),
        Mistake(
            "variances squared",
            lambda X, m, S: (_away(X, m) ** 2 / np.diag(S) ** 2).sum(axis=1),
            "you divided by squared variances, and the tilt is lost. Use the inverse of the whole Σ, once.",
        ),
        Mistake(
            "euclidean root",
            lambda X, m, S: np.linalg.norm(_away(X, m), axis=1),
            "this is the plain distance: Σ does not come in, and the square is missing.",
        ),
        Mistake(
            "summed",
            lambda X, m, S: _squared_distance(X, m, S).sum(),
            "this is the sum over the rows. Return one number for each: `sum(axis=1)`.",
        ),
        Mistake("city blocks", lambda X, m, S: np.abs(_away(X, m)).sum(axis=1)),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 2 and given.shape[0] == len(wanted),
            "there is a number for each feature. Does `away` come in on both sides of Σ⁻¹? Then add along each row.",
        ),
        Symptom(lambda given, wanted: bool((given < 0).any()), "a squared distance is never negative."),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    UNCERTAINTY,
    ENTROPY,
    SIMILARITY,
    SILHOUETTE,
    LOG_ODDS,
    CALIBRATION,
    DISTANCE,
)
