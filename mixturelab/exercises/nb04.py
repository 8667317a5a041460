"""Exercises of notebook 04: BIC, its price, Laplace's bell, ICL, needles, a disagreement, cross-validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
Flags = NDArray[np.bool_]

# --- 04.1: BIC ------------------------------------------------------------------------------------------------


def _bic(log_likelihood: float, n_parameters: int, n_rows: int) -> float:
    return -2 * log_likelihood + n_parameters * math.log(n_rows)


BIC = FunctionExercise(
    name="04.1",
    title="BIC in one line",
    question="From the log-likelihood ℓ of a table (the sum over its rows), p and N: return BIC, lower is better.",
    hints=(
        "Two terms: how badly the rows are explained, and what the parameters cost. Both are to be small.",
        "The first is `-2 * log_likelihood`. The second is the price of one parameter, `np.log(n_rows)`, times p.",
        "`-2 * log_likelihood + n_parameters * np.log(n_rows)`.",
    ),
    praise="misfit plus price. Everything else in this notebook is about which price, and when to distrust the "
    "misfit.",
    reference=_bic,
    probes=((-1126.3, 11, 272), (-60.0, 5, 40), (12.5, 3, 1000)),
    mistakes=(
        Mistake(
            "mclust's sign",
            lambda log_likelihood, n_parameters, n_rows: -_bic(log_likelihood, n_parameters, n_rows),
            "right up to the sign: this is what R's mclust prints, higher is better. Ours is scikit-learn's, "
            "lower is "
            "better: turn both signs round.",
        ),
        Mistake(
            "AIC",
            lambda log_likelihood, n_parameters, n_rows: -2 * log_likelihood + 2 * n_parameters,
            "this is AIC: each parameter costs 2, however many rows there are. In BIC it costs log N.",
        ),
        Mistake(
            "no factor 2",
            lambda log_likelihood, n_parameters, n_rows: -log_likelihood + n_parameters * math.log(n_rows),
            "the 2 before the log-likelihood is missing: so the parameters cost twice as much as they should.",
        ),
        Mistake(
            "half of it",
            lambda log_likelihood, n_parameters, n_rows: 0.5 * _bic(log_likelihood, n_parameters, n_rows),
            "this is exactly half: minus the log evidence itself. By custom BIC is twice that (the scale of the "
            "deviance).",
        ),
        Mistake(
            "the log evidence",
            lambda log_likelihood, n_parameters, n_rows: (
                log_likelihood - 0.5 * n_parameters * math.log(n_rows)
            ),
            "this is the approximate log evidence itself, higher is better. BIC is −2 times that.",
        ),
        Mistake(
            "half the price",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood + 0.5 * n_parameters * math.log(n_rows)
            ),
            "the ½ before p log N belongs to the log evidence. Times −2, like the log-likelihood, it becomes 1.",
        ),
        Mistake(
            "price subtracted",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood - n_parameters * math.log(n_rows)
            ),
            "the price is subtracted: more parameters would be *rewarded*. Lower is better, so a cost is added.",
        ),
        Mistake(
            "likelihood added",
            lambda log_likelihood, n_parameters, n_rows: 2 * log_likelihood + n_parameters * math.log(n_rows),
            "a better fit has a *higher* log-likelihood and should have a *lower* BIC: the first term is −2ℓ.",
        ),
        Mistake(
            "logarithm to base 10",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood + n_parameters * math.log10(n_rows)
            ),
            "this logarithm has base 10. The likelihood is in nats, so the price is, too: `np.log`.",
        ),
        Mistake(
            "logarithm to base 2",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood + n_parameters * math.log2(n_rows)
            ),
            "this logarithm has base 2 and counts bits. The likelihood is in nats: `np.log`.",
        ),
        Mistake(
            "missing log",
            lambda log_likelihood, n_parameters, n_rows: -2 * log_likelihood + n_parameters * n_rows,
            "a parameter costs log N, not N: the logarithm is missing.",
        ),
        Mistake(
            "p left out",
            lambda log_likelihood, n_parameters, n_rows: -2 * log_likelihood + math.log(n_rows),
            "log N is the price of *one* parameter: multiply by how many there are.",
        ),
        Mistake(
            "p and N swapped",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood + n_rows * math.log(n_parameters)
            ),
            "p and N have changed places: p times the logarithm of N.",
        ),
        Mistake(
            "twice the price",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood + 2 * n_parameters * math.log(n_rows)
            ),
            "the 2 is in both terms: it belongs to the log-likelihood alone. (AIC has its 2 in the place of log N.)",
        ),
        Mistake(
            "ℓ taken for a mean",
            lambda log_likelihood, n_parameters, n_rows: _bic(log_likelihood * n_rows, n_parameters, n_rows),
            "you multiplied ℓ by N: that is needed after `model.score`, which is a mean per row. ℓ is the sum "
            "already.",
        ),
        Mistake(
            "per row",
            lambda log_likelihood, n_parameters, n_rows: _bic(log_likelihood, n_parameters, n_rows) / n_rows,
            "this is BIC divided by N. Leave it a sum: its differences mean something as they are (2, 6, 10).",
        ),
        Mistake(
            "no price",
            lambda log_likelihood, n_parameters, n_rows: -2 * log_likelihood,
            "this is the misfit alone. Without a price for parameters the largest K always wins.",
        ),
        Mistake(
            "product",
            lambda log_likelihood, n_parameters, n_rows: (
                -2 * log_likelihood * n_parameters * math.log(n_rows)
            ),
        ),
    ),
)

# --- 04.2: from how many rows on is BIC the stricter ---------------------------------------------------------

STRICTER = ValueExercise(
    name="04.2",
    title="When is BIC the stricter?",
    question="What is the smallest whole number of rows for which a parameter costs more in BIC than in AIC?",
    hints=(
        "Compare the price of one parameter: 2 in AIC, log N in BIC. The number of parameters cancels.",
        "log N > 2 means N > e². Which is the first whole number above it?",
        "`np.exp(2)` is 7.39: at 7 rows BIC is still cheaper.",
    ),
    praise="from 8 rows on BIC is the stricter, so for every table that you will ever fit. At 272 rows a "
    "parameter costs 5.6.",
    wanted=lambda: 8,
    mistakes=(
        Mistake(
            "not a whole number",
            math.exp(2),
            "this is e², where the two prices are equal. Rows come whole: the first number above it.",
        ),
        Mistake(
            "one too few", 7, "at 7 rows log N is 1.95: still below 2. One more row and BIC is the stricter."
        ),
        Mistake(
            "base 10",
            101,
            "that is where the logarithm to base 10 passes 2. The price is the natural one: `np.log`.",
        ),
        Mistake(
            "base 10, equal", 100, "at 100 the logarithm *to base 10* is 2. The price is natural: `np.log`."
        ),
        Mistake("base 2", 5, "that is where the logarithm to base 2 passes 2. The price is the natural one."),
        Mistake(
            "base 2, equal", 4, "at 4 the logarithm *to base 2* is 2. The price is the natural one, `np.log`."
        ),
        Mistake(
            "AIC's price is 1",
            3,
            "that is where log N passes 1. A parameter costs 2 in AIC: it is 2p, beside −2ℓ.",
        ),
        Mistake(
            "half of it",
            55,
            "that is where log N passes 4: half the logarithm against 2. Both criteria begin with −2ℓ, so "
            "compare log N with 2.",
        ),
        Mistake(
            "two", 2, "2 is the price in AIC. Asked is the number of rows N at which log N has passed it."
        ),
        Mistake("many", 1000),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 0 and 7 < float(given) < 8,
            "near e², where the two prices are equal. Rows come whole: the first number above it.",
        ),
        Symptom(
            lambda given, wanted: given.ndim == 0 and float(given) != round(float(given)),
            "rows come whole: this is no whole number.",
        ),
    ),
)

# --- 04.3: Laplace's approximation, one parameter ---------------------------------------------------------------

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _laplace(log_likelihood: float, curvature: float, log_prior: float) -> float:
    return log_likelihood + log_prior + HALF_LOG_2PI - 0.5 * math.log(curvature)


LAPLACE = FunctionExercise(
    name="04.3",
    title="Laplace's bell",
    question="One parameter: return log ∫ exp(ℓ̂ − A(θ − θ̂)²/2) p(θ̂) dθ, from ℓ̂, A = −ℓ''(θ̂) and log p(θ̂).",
    hints=(
        "Take out of the integral what does not depend on θ: e to the ℓ̂, and the prior at the peak.",
        "What is left, ∫ exp(−A(θ − θ̂)²/2) dθ, is a bell that nobody has normalised, with variance 1/A. Its "
        "area is √(2π/A).",
        "Take the logarithm: `log_likelihood + log_prior + 0.5 * np.log(2 * np.pi / curvature)`.",
    ),
    praise="height times width. A grows like N, so that −½ log A brings the ½ log N of BIC; the rest stays bounded.",
    reference=_laplace,
    probes=((-177.2, 1185.0, 0.0), (-10.0, 4.0, -1.5), (3.0, 0.3, 0.7)),
    mistakes=(
        Mistake(
            "no half",
            lambda log_likelihood, curvature, log_prior: (
                _laplace(log_likelihood, curvature, log_prior) - 0.5 * math.log(curvature)
            ),
            "the area of the bell has a square root, √(2π/A): its logarithm has ½ log A, not log A.",
        ),
        Mistake(
            "no root at all",
            lambda log_likelihood, curvature, log_prior: (
                log_likelihood + log_prior + math.log(2 * math.pi) - math.log(curvature)
            ),
            "the square root is missing: in one dimension the area is √(2π/A), so the logarithm has a ½ before it.",
        ),
        Mistake(
            "curvature upside down",
            lambda log_likelihood, curvature, log_prior: _laplace(log_likelihood, 1 / curvature, log_prior),
            "A stands on the wrong side: a sharper peak (larger A) has *less* area. The variance of the bell is 1/A.",
        ),
        Mistake(
            "no 2π",
            lambda log_likelihood, curvature, log_prior: (
                log_likelihood + log_prior - 0.5 * math.log(curvature)
            ),
            "the √(2π) of the bell's area is missing: add ½ log 2π.",
        ),
        Mistake(
            "2π without its half",
            lambda log_likelihood, curvature, log_prior: (
                _laplace(log_likelihood, curvature, log_prior) + HALF_LOG_2PI
            ),
            "2π stands under the square root, too: ½ log 2π.",
        ),
        Mistake(
            "2π on the other side",
            lambda log_likelihood, curvature, log_prior: (
                log_likelihood + log_prior - 0.5 * math.log(2 * math.pi * curvature)
            ),
            "1/√(2πA) is the *height* of a bell whose variance is A. The area here is √(2π/A): 2π above, A below.",
        ),
        Mistake(
            "prior left out",
            lambda log_likelihood, curvature, log_prior: _laplace(log_likelihood, curvature, 0.0),
            "the prior at the peak is missing. (BIC will leave it out, because it does not grow with N. Here it "
            "counts.)",
        ),
        Mistake(
            "prior subtracted",
            lambda log_likelihood, curvature, log_prior: _laplace(log_likelihood, curvature, -log_prior),
            "the prior is a factor of the integrand: its logarithm is added, not subtracted.",
        ),
        Mistake(
            "no bell",
            lambda log_likelihood, curvature, log_prior: log_likelihood + log_prior,
            "this is the height of the integrand at its peak. Multiply by the bell's area: how wide is it?",
        ),
        Mistake(
            "area not logged",
            lambda log_likelihood, curvature, log_prior: (
                log_likelihood + log_prior + math.sqrt(2 * math.pi / curvature)
            ),
            "the area √(2π/A) is a factor of the integral: beside ℓ̂ and the log prior its *logarithm* is added.",
        ),
        Mistake(
            "no logarithm",
            lambda log_likelihood, curvature, log_prior: math.exp(
                _laplace(log_likelihood, curvature, log_prior)
            ),
            "this is the evidence itself, a number that soon underflows to 0. Asked is its logarithm: add, do not "
            "multiply.",
        ),
        Mistake(
            "times −2",
            lambda log_likelihood, curvature, log_prior: -2 * _laplace(log_likelihood, curvature, log_prior),
            "right, on BIC's scale: asked is the log evidence itself, without the factor −2.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda log_likelihood, curvature, log_prior: (
                log_likelihood + log_prior + HALF_LOG_2PI - 0.25 * math.log(curvature)
            ),
            "one root too many: 1/A is the variance, its root is the standard deviation σ, and the area is σ√(2π).",
        ),
        Mistake(
            "prior in place of the peak", lambda log_likelihood, curvature, log_prior: log_prior - curvature
        ),
    ),
)

# --- 04.4: ICL from the responsibilities ------------------------------------------------------------------------


def _xlogx(gamma: Array) -> Array:
    return np.asarray(gamma * np.log(np.maximum(gamma, 1e-300)))


def _doubt(gamma: Array) -> float:
    return float(-_xlogx(gamma).sum())


def _icl(bic: float, gamma: Array) -> float:
    return bic + 2 * _doubt(gamma)


def _random_gamma(seed: int, n: int, k: int) -> Array:
    """Responsibilities, soft ones and one that is certain."""
    gamma = np.random.default_rng(seed).dirichlet(np.full(k, 0.7), size=n)
    gamma[0] = np.eye(k)[1]
    return gamma


ICL = FunctionExercise(
    name="04.4",
    title="A price for doubt",
    question="From BIC and the responsibilities γ [N, K] return ICL = BIC + 2 Σ_n H(γ_n). Mind that 0 log 0 "
    "counts as 0.",
    hints=(
        "H(γ_n) is −Σ_k γ_nk log γ_nk: one number a row. You need the sum over all rows and components.",
        "The computer's 0 · log 0 is NaN. `scipy.special.xlogy(gamma, gamma)` makes it 0; so does "
        "`np.maximum(gamma, 1e-300)` in "
        "the logarithm.",
        "`bic - 2 * xlogy(gamma, gamma).sum()`.",
    ),
    praise="ICL charges for every row in doubt: it wants groups that are apart, where BIC wants a density that fits.",
    reference=_icl,
    probes=(
        (2314.3, _random_gamma(0, 12, 3)),
        (100.0, _random_gamma(1, 7, 2)),
        (-5.0, _random_gamma(2, 20, 4)),
    ),
    mistakes=(
        Mistake(
            "0 log 0",
            lambda bic, gamma: bic - 2 * (gamma * np.log(gamma)).sum(),
            "0 · log 0 became NaN: to the computer it is 0 · (−∞). Its limit is 0: use `scipy.special.xlogy`, or "
            "`np.maximum(gamma, 1e-300)` in the logarithm.",
        ),
        Mistake(
            "once",
            lambda bic, gamma: bic + _doubt(gamma),
            "the entropy counts twice: BIC is on the scale of −2 times a logarithm, and so is the price for doubt.",
        ),
        Mistake(
            "minus",
            lambda bic, gamma: bic - 2 * _doubt(gamma),
            "wrong sign: this *rewards* doubt. γ log γ is negative already: the entropy has a minus of its own.",
        ),
        Mistake(
            "hard for soft",
            lambda bic, gamma: bic - 2 * np.log(gamma.max(axis=1)).sum(),
            "this is the hard version, with the largest responsibility alone (R's mclust does it so). Here all "
            "shares count: "
            "Σ γ log γ.",
        ),
        Mistake(
            "unchanged",
            lambda bic, gamma: bic,
            "this is BIC, unchanged: hard assignments have no entropy. Put in the soft γ.",
        ),
        Mistake(
            "doubt alone",
            lambda bic, gamma: 2 * _doubt(gamma),
            "this is the price for doubt alone: add BIC.",
        ),
        Mistake(
            "mean over rows",
            lambda bic, gamma: bic + 2 * _doubt(gamma) / len(gamma),
            "this is the mean doubt of a row. ICL takes the sum over all rows, as the log-likelihood does.",
        ),
        Mistake(
            "bits",
            lambda bic, gamma: bic + 2 * _doubt(gamma) / math.log(2),
            "this entropy is in bits. BIC is in nats: use the natural logarithm.",
        ),
        Mistake(
            "entropy of the weights",
            lambda bic, gamma: bic + 2 * _doubt(gamma.mean(axis=0)),
            "you averaged over the rows first: that is the entropy of the weights π. Doubt is about single "
            "rows: log first, "
            "then sum.",
        ),
        Mistake(
            "entropy down the columns",
            lambda bic, gamma: bic + 2 * sum(_doubt(column / column.sum()) for column in gamma.T),
            "this is the entropy of each *column*, rescaled to sum to 1: that is what `scipy.stats.entropy` does by "
            "itself. A row is a distribution: `axis=1`.",
        ),
        Mistake(
            "logarithm not weighted",
            lambda bic, gamma: bic - 2 * np.log(np.where(gamma > 0, gamma, 1.0)).sum(),
            "each log γ has to be weighted with its own γ: `gamma * np.log(gamma)`.",
        ),
        Mistake(
            "squares",
            lambda bic, gamma: bic + 2 * (gamma * (1 - gamma)).sum(),
            "γ(1 − γ) measures doubt as well (it is Gini's), but another way: the entropy has −γ log γ.",
        ),
        Mistake(
            "1 − max",
            lambda bic, gamma: bic + 2 * (1 - gamma.max(axis=1)).sum(),
            "1 − max γ is the chance of a wrong label. The entropy is −Σ γ log γ.",
        ),
        Mistake(
            "share of the most",
            lambda bic, gamma: bic + 2 * _doubt(gamma) / math.log(gamma.shape[1]),
            "you divided by log K, the largest possible entropy. Leave it in nats: more components *may* cost more.",
        ),
        Mistake("first component", lambda bic, gamma: bic - 2 * _xlogx(gamma[:, 0]).sum()),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1 and given.size > 1,
            "this is one number for each row (or component). The sum runs over both: `.sum()` without an axis.",
        ),
    ),
)

# --- 04.5: which components are degenerate ----------------------------------------------------------------------

FACTOR = 10


def _smallest(covariances: Array) -> Array:
    return np.asarray(np.linalg.eigvalsh(covariances)[:, 0])


def _starved(covariances: Array, counts: Array) -> Flags:
    return np.asarray(counts < covariances.shape[-1] + 1)


def _needles(covariances: Array, counts: Array, ridge: float) -> Flags:
    return (_smallest(covariances) <= FACTOR * ridge) | _starved(covariances, counts)


def _turned(small: float, large: float, angle: float) -> Array:
    """A covariance with these variances along axes turned by the angle."""
    c, s = math.cos(angle), math.sin(angle)
    axes = np.array([[c, -s], [s, c]])
    return np.asarray(axes @ np.diag([large, small]) @ axes.T)


def _three(*variances: float) -> Array:
    return np.diag(np.array(variances))


# Honest; thin along an axis, at a tilt; small but honest; starved twice; just enough rows; small round clumps; starved.
FLAT = np.array(
    [
        _turned(0.2, 30.0, 0.3),
        _turned(1e-6, 0.2, 0.0),
        _turned(4e-6, 90.0, 0.8),
        _turned(1e-3, 2e-3, 0.2),
        _turned(0.5, 2.0, 1.0),
        _turned(0.7, 1.0, 1.5),
        _turned(0.5, 2.0, 2.0),
        _turned(2e-6, 3e-6, 0.5),
        _turned(2e-6, 1.5e-5, 0.5),
        _turned(3e-6, 4e-6, 0.1),
        _turned(0.4, 1.2, 0.7),
    ]
)
FLAT_COUNTS = np.array([120.0, 14.0, 20.0, 7.0, 2.6, 2.0, 3.0, 31.0, 8.0, 1.2, 1.4])
SOLID = np.array(
    [_three(1.0, 2.0, 3.0), _three(0.5, 0.5, 0.5), _three(4.0, 9e-4, 1.0), _three(1e-2, 1e-2, 1e-2)]
)
SOLID_COUNTS = np.array([60.0, 3.4, 9.0, 4.0])
# A large ridge, as for a column in small units: here a square root makes a difference the other way.
COARSE = np.array([_turned(0.2, 5.0, 0.4), _turned(0.4, 3.0, 1.1), _turned(0.8, 3.0, 2.0)])

NEEDLES = FunctionExercise(
    name="04.5",
    title="Spot the needle",
    question="For each component: is its smallest variance in any direction ≤ 10 · ridge, or its N_k below D + "
    "1? Return K "
    "times True or False.",
    hints=(
        "A needle may lie at a tilt: then no entry on the diagonal is small. Which number is the variance along "
        "the thinnest "
        "direction?",
        "The smallest eigenvalue. `np.linalg.eigvalsh(covariances)` takes all K matrices at once and gives [K, "
        "D], ascending.",
        "`(np.linalg.eigvalsh(covariances)[:, 0] <= 10 * ridge) | (counts < covariances.shape[-1] + 1)`.",
    ),
    praise="thin or starved: two signs, either is enough. `spurious_` looks for the same two.",
    reference=_needles,
    probes=((FLAT, FLAT_COUNTS, 1e-6), (SOLID, SOLID_COUNTS, 1e-4), (COARSE, FLAT_COUNTS[:3], 0.05)),
    mistakes=(
        Mistake(
            "the diagonal",
            lambda covariances, counts, ridge: (
                (np.diagonal(covariances, axis1=1, axis2=2).min(axis=1) <= FACTOR * ridge)
                | _starved(covariances, counts)
            ),
            "you look along the axes only: a needle at a tilt escapes. The variance along the thinnest "
            "direction is the "
            "smallest eigenvalue.",
        ),
        Mistake(
            "determinant",
            lambda covariances, counts, ridge: (
                (np.linalg.det(covariances) <= FACTOR * ridge) | _starved(covariances, counts)
            ),
            "the determinant is the *product* of the variances: a long needle hides in it, and a small round "
            "group is accused. "
            "Look at the smallest eigenvalue.",
        ),
        Mistake(
            "the largest",
            lambda covariances, counts, ridge: (
                (np.linalg.eigvalsh(covariances)[:, -1] <= FACTOR * ridge) | _starved(covariances, counts)
            ),
            "this asks for the *largest* variance to be tiny: only points are found. A needle is long in one "
            "direction: take the "
            "smallest, `[:, 0]`.",
        ),
        Mistake(
            "the mean variance",
            lambda covariances, counts, ridge: (
                (np.linalg.eigvalsh(covariances).mean(axis=1) <= FACTOR * ridge)
                | _starved(covariances, counts)
            ),
            "an average over directions hides the thin one behind the long one: take the minimum.",
        ),
        Mistake(
            "both at once",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) & _starved(covariances, counts)
            ),
            "you ask for both signs at once: fourteen rows on a line are a needle, too. Either is enough: `|`, "
            "not `&`.",
        ),
        Mistake(
            "thin only",
            lambda covariances, counts, ridge: _smallest(covariances) <= FACTOR * ridge,
            "thin ones are found. The starved ones are missing: N_k below D + 1.",
        ),
        Mistake(
            "starved only",
            lambda covariances, counts, ridge: _starved(covariances, counts),
            "starved ones are found. The thin ones are missing: a smallest variance of at most 10 · ridge.",
        ),
        Mistake(
            "D for D + 1",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) | (counts < covariances.shape[-1])
            ),
            "D rows span no ellipse yet (two points make a line): D + 1 are needed.",
        ),
        Mistake(
            "at most D",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) | (counts <= covariances.shape[-1])
            ),
            "N_k is a sum of shares and no whole number: 2.6 rows are more than 2, and fewer than 3. Ask for "
            "`< D + 1`.",
        ),
        Mistake(
            "K for D",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) | (counts < len(covariances) + 1)
            ),
            "`len(covariances)` is K, the number of components. D is the size of one matrix: "
            "`covariances.shape[-1]`.",
        ),
        Mistake(
            "3 for D + 1",
            lambda covariances, counts, ridge: (_smallest(covariances) <= FACTOR * ridge) | (counts < 3),
            "3 is right in two dimensions only, and this is tried in three as well: `covariances.shape[-1] + 1`.",
        ),
        Mistake(
            "not sorted",
            lambda covariances, counts, ridge: (
                (np.linalg.eigvals(covariances)[:, 0] <= FACTOR * ridge) | _starved(covariances, counts)
            ),
            "`eigvals` gives the eigenvalues in no particular order: the first need not be the smallest. "
            "`eigvalsh` sorts them, or take `.min(axis=1)`.",
        ),
        Mistake(
            "at most",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) | (counts <= covariances.shape[-1] + 1)
            ),
            "exactly D + 1 rows are enough: `<`, not `<=`, for the counts.",
        ),
        Mistake(
            "ridge without the 10",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= ridge) | _starved(covariances, counts)
            ),
            "too strict: the ridge is *added* to what variance there is, so a needle ends just above it. Allow "
            "10 times.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda covariances, counts, ridge: (
                (np.sqrt(_smallest(covariances)) <= FACTOR * ridge) | _starved(covariances, counts)
            ),
            "the ridge is a variance, in squared units: compare it with the eigenvalue, without a square root.",
        ),
        Mistake(
            "the other way round",
            lambda covariances, counts, ridge: ~_needles(covariances, counts, ridge),
            "the wrong way round: these are the honest ones.",
        ),
        Mistake(
            "starved as a share",
            lambda covariances, counts, ridge: (
                (_smallest(covariances) <= FACTOR * ridge) | (counts / counts.sum() < 0.05)
            ),
            "a small share is no crime: a group of 14 in 1000 may be real. What counts is rows, N_k < D + 1.",
        ),
        Mistake(
            "the thinnest one",
            lambda covariances, counts, ridge: _smallest(covariances) == _smallest(covariances).min(),
        ),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 0,
            "this is one answer for all. Give one for each component, K of them.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and not np.isin(given, (0, 1)).all(),
            "True or False is wanted for each component, not the variances or numbers themselves.",
        ),
    ),
)

# --- 04.6: what a disagreement means ----------------------------------------------------------------------------

DISAGREEMENT = ChoiceExercise(
    name="04.6",
    title="Read a disagreement",
    question="BIC chooses three components, ICL two, AIC six. What may you conclude?",
    hints=(
        "Each criterion answers a question of its own. Which?",
        "BIC asks for the likelier density, ICL for groups that are apart, AIC for the better forecast of new rows.",
        "When ICL wants fewer than BIC, some bells overlap: they describe one group together.",
    ),
    praise="three questions, three answers. Say which one you asked before you say K.",
    choices=("a", "b", "c", "d", "e"),
    right="c",
    mistakes=(
        Mistake(
            "one truth",
            "a",
            "nobody has miscounted: the criteria differ in what they ask, and real rows need not come from any K.",
        ),
        Mistake(
            "highest likelihood",
            "b",
            "six components *must* fit these rows better than three: likelihood rises with K. That is why it "
            "cannot choose.",
        ),
        Mistake(
            "lowest number of all",
            "d",
            "values of different criteria cannot be compared: AIC is always below BIC (from 8 rows on), and BIC "
            "never above ICL. "
            "Compare models within one criterion.",
        ),
        Mistake(
            "average",
            "e",
            "a vote between answers to different questions answers none of them.",
        ),
    ),
)

# --- 04.7: cross-validated log-likelihood -----------------------------------------------------------------------

Fitter = Callable[[Array], Callable[[Array], Array]]


class _OneBell:
    """Fits a single Gaussian; called with rows, it gives their log density as a function."""

    def __init__(self, diagonal: bool):
        self.diagonal = diagonal

    def __repr__(self) -> str:
        return "fit"

    def __call__(self, rows: Array) -> Callable[[Array], Array]:
        mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
        covariance = np.diag(np.diag(covariance)) if self.diagonal else covariance
        precision, size = np.linalg.inv(covariance), np.linalg.slogdet(2 * np.pi * covariance)[1]

        def log_density(new: Array) -> Array:
            away = new - mean
            return np.asarray(-0.5 * (size + np.einsum("ni,ij,nj->n", away, precision, away)))

        return log_density


def _unseen(X: Array, folds: Array, fit: Fitter) -> Array:
    """The log density of every row under the fit that has not seen it."""
    values = np.empty(len(X))
    for fold in np.unique(folds):
        out = folds == fold
        values[out] = fit(X[~out])(X[out])
    return values


def _score(values: Array) -> Array:
    return np.array([values.mean(), values.std() / math.sqrt(len(values))])


def _cross_validated(X: Array, folds: Array, fit: Fitter) -> Array:
    return _score(_unseen(X, folds, fit))


def _by_fold(X: Array, folds: Array, fit: Fitter) -> list[Array]:
    values = _unseen(X, folds, fit)
    return [values[folds == fold] for fold in np.unique(folds)]


def _seen(X: Array, folds: Array, fit: Fitter) -> Array:
    return np.concatenate([fit(X[folds != fold])(X[folds != fold]) for fold in np.unique(folds)])


def _swapped(X: Array, folds: Array, fit: Fitter) -> Array:
    return np.concatenate([fit(X[folds == fold])(X[folds != fold]) for fold in np.unique(folds)])


def _fold_means(X: Array, folds: Array, fit: Fitter) -> Array:
    return np.array([values.mean() for values in _by_fold(X, folds, fit)])


def _probe(seed: int, sizes: tuple[int, ...], diagonal: bool) -> tuple[Array, Array, Any]:
    """Rows in folds of unequal size, in mixed order."""
    generator = np.random.default_rng(seed)
    folds = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = generator.standard_t(4, size=(len(folds), 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    return rows + 0.3 * folds[:, None], folds, _OneBell(diagonal)


CROSS_VALIDATION = FunctionExercise(
    name="04.7",
    title="Cross-validation from scratch",
    question="Each row is scored by the fit to the other folds. Return [mean, standard error] of the N log "
    "densities.",
    hints=(
        "Make room for one log density for each row: `values = np.empty(len(X))`. Then go through "
        "`np.unique(folds)`.",
        "In each turn `out = folds == fold` are the rows kept back. Fit to `X[~out]`; what is fitted then "
        "scores `X[out]`.",
        "`values[out] = fit(X[~out])(X[out])`. After the loop: `[values.mean(), values.std() / np.sqrt(len(X))]`.",
    ),
    praise="no row has judged itself. And the standard error says which differences you need not explain.",
    reference=_cross_validated,
    probes=(
        _probe(0, (20, 8, 12), diagonal=False),
        _probe(1, (9, 15), diagonal=True),
        _probe(2, (12, 7, 10, 16), diagonal=False),
    ),
    mistakes=(
        Mistake(
            "scored what was fitted",
            lambda X, folds, fit: _score(_seen(X, folds, fit)),
            "you score the rows that were fitted. The point is to score the others: fit to `X[~out]`, score "
            "`X[out]`.",
        ),
        Mistake(
            "fitted all rows",
            lambda X, folds, fit: _score(fit(X)(X)),
            "the fit has seen all rows, those kept back too: this is the training log-likelihood. Fit anew in "
            "each turn.",
        ),
        Mistake(
            "fold and rest swapped",
            lambda X, folds, fit: _score(_swapped(X, folds, fit)),
            "fold and rest have changed places: you fit to one fold and score all others. Fit to the many, "
            "score the few.",
        ),
        Mistake(
            "each fold by itself",
            lambda X, folds, fit: _score(
                np.concatenate([fit(X[folds == fold])(X[folds == fold]) for fold in np.unique(folds)])
            ),
            "each fold is fitted and scored by itself: every row has been seen. Fit to the *others*, `X[~out]`.",
        ),
        Mistake(
            "mean of means",
            lambda X, folds, fit: np.array(
                [_fold_means(X, folds, fit).mean(), _cross_validated(X, folds, fit)[1]]
            ),
            "the mean is one of the folds' means: a small fold counts as much as a large one. Average over the "
            "*rows*.",
        ),
        Mistake(
            "all over the folds",
            lambda X, folds, fit: _score(_fold_means(X, folds, fit)),
            "you reduced each fold to its mean first. Keep one log density a row: the mean and the standard "
            "error are over N rows.",
        ),
        Mistake(
            "folds over root N",
            lambda X, folds, fit: np.array(
                [_fold_means(X, folds, fit).mean(), _fold_means(X, folds, fit).std() / math.sqrt(len(X))]
            ),
            "both numbers come from the folds' means. Keep one log density a row, N of them, before you reduce.",
        ),
        Mistake(
            "sum",
            lambda X, folds, fit: np.array(
                [_unseen(X, folds, fit).sum(), _cross_validated(X, folds, fit)[1]]
            ),
            "this is the sum over the rows: take the mean, so that tables of different size can be compared.",
        ),
        Mistake(
            "only the last fold",
            lambda X, folds, fit: _score(_by_fold(X, folds, fit)[-1]),
            "this is the last fold alone: each turn of the loop overwrites the one before. Write into `values[out]`.",
        ),
        Mistake(
            "only the first fold",
            lambda X, folds, fit: _score(_by_fold(X, folds, fit)[0]),
            "this is the first fold alone: is the `return` inside the loop?",
        ),
        Mistake(
            "standard deviation",
            lambda X, folds, fit: np.array([_unseen(X, folds, fit).mean(), _unseen(X, folds, fit).std()]),
            "the mean is right. The second number is the standard deviation of one row; that of the mean is "
            "smaller by √N.",
        ),
        Mistake(
            "variance",
            lambda X, folds, fit: np.array(
                [_unseen(X, folds, fit).mean(), _unseen(X, folds, fit).var() / len(X)]
            ),
            "the mean is right. The second number is the standard error squared: take the root.",
        ),
        Mistake(
            "divided by N",
            lambda X, folds, fit: np.array(
                [_unseen(X, folds, fit).mean(), _unseen(X, folds, fit).std() / len(X)]
            ),
            "the mean is right. The standard deviation of a mean shrinks with √N, not with N.",
        ),
        Mistake(
            "n minus one",
            lambda X, folds, fit: np.array(
                [_unseen(X, folds, fit).mean(), _unseen(X, folds, fit).std(ddof=1) / math.sqrt(len(X))]
            ),
            "as good as right: this divides by N − 1. Here, for the sake of checking, use `values.std()` as it is.",
        ),
        Mistake(
            "minus",
            lambda X, folds, fit: _cross_validated(X, folds, fit) * np.array([-1.0, 1.0]),
            "the sign of the mean is turned: a log-likelihood is better when higher, and needs no minus.",
        ),
        Mistake(
            "deviance",
            lambda X, folds, fit: _cross_validated(X, folds, fit) * np.array([-2.0, 2.0]),
            "this is on the scale of −2ℓ. Asked is the mean log density itself.",
        ),
        Mistake(
            "density for log density",
            lambda X, folds, fit: _score(np.exp(_unseen(X, folds, fit))),
            "these are densities: `fit(...)` gives log densities already. Average the logarithms.",
        ),
        Mistake("nothing learnt", lambda X, folds, fit: np.array([0.0, 1.0])),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.isclose(given[0], wanted[0])),
            "the mean is right, the standard error is not: `values.std() / np.sqrt(len(X))`.",
        ),
        Symptom(
            lambda given, wanted: given.ndim == 0,
            "two numbers are wanted: the mean and its standard error.",
        ),
        Symptom(
            lambda given, wanted: given.ndim == 1 and given.size > 2,
            "this is one number for each row (or fold). Return two: their mean, and its standard error.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (BIC, STRICTER, LAPLACE, ICL, NEEDLES, DISAGREEMENT, CROSS_VALIDATION)
