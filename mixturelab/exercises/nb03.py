"""Exercises of notebook 03: half-axes, volume and shape, counting parameters, four M-steps, invariance, units."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mixturelab.exercises.compare import Numbers, shape_words
from mixturelab.exercises.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    Mistake,
    Symptom,
    ValueExercise,
)
from mixturelab.exercises.guard import attempt
from mixturelab.exercises.result import Outcome

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]


def _covariance(seed: int, n_features: int) -> Array:
    """A covariance with unequal, tilted axes: the same for the same seed."""
    generator = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(generator.normal(size=(n_features, n_features)))
    return (axes * generator.uniform(0.3, 6.0, n_features)) @ axes.T


def _variances(covariance: Array) -> Array:
    """Eigenvalues, the largest first."""
    return np.linalg.eigvalsh(covariance)[::-1].astype(np.float64)


def _same_shape(given: Numbers, wanted: Numbers) -> bool:
    return given.shape == wanted.shape


# --- 03.1: half-axes of an ellipse at a stated mass -----------------------------------------------------------


def _radius(mass: float) -> float:
    return math.sqrt(-2 * math.log(1 - mass))


def _half_axes(covariance: Array, mass: float) -> Array:
    return _radius(mass) * np.sqrt(_variances(covariance))


HALF_AXES = FunctionExercise(
    name="03.1",
    title="How long are the axes?",
    question="Return the long and the short half-axis of the ellipse that holds the share `mass` of a 2-D Gaussian.",
    hints=(
        "Along an eigenvector the standard deviation is the root of its eigenvalue. How many of those out is it?",
        "In two dimensions the radius is r = √(−2 ln(1 − mass)); a half-axis is r times a standard deviation.",
        "`np.linalg.eigvalsh(covariance)` gives the eigenvalues, the smallest first: turn them round with `[::-1]`.",
    ),
    praise="r times the root of an eigenvalue. The matrix gives the form, the probability gives the size.",
    reference=_half_axes,
    probes=(
        (np.array([[9.4, 1.9], [1.9, 1.0]]), 0.9),
        (np.array([[2.0, -0.7], [-0.7, 5.0]]), 0.5),
        (_covariance(1, 2), 0.99),
    ),
    mistakes=(
        Mistake(
            "variance for standard deviation",
            lambda covariance, mass: _radius(mass) * _variances(covariance),
            "eigenvalues are variances. A length is a standard deviation times r: take the root.",
        ),
        Mistake(
            "radius not rooted",
            lambda covariance, mass: _radius(mass) ** 2 * np.sqrt(_variances(covariance)),
            "−2 ln(1 − mass) is the *squared* radius (the quantile of chi-square): take its root as well.",
        ),
        Mistake(
            "one-dimensional quantile",
            lambda covariance, mass: norm.ppf((1 + mass) / 2) * np.sqrt(_variances(covariance)),
            "this is the radius for one dimension (1.64 for 90 %). In the plane there is more room to stray: "
            "r = √(−2 ln(1 − mass)), 2.15 for 90 %.",
        ),
        Mistake(
            "one standard deviation",
            lambda covariance, mass: np.sqrt(_variances(covariance)),
            "this is the ellipse at one standard deviation, which holds 39 %: multiply by the radius that belongs to "
            "`mass`.",
        ),
        Mistake(
            "full length",
            lambda covariance, mass: 2 * _half_axes(covariance, mass),
            "twice too long: this is from end to end. A half-axis runs from the mean to the curve.",
        ),
        Mistake(
            "diagonal for eigenvalues",
            lambda covariance, mass: _radius(mass) * np.sqrt(np.sort(np.diag(covariance))[::-1]),
            "you used the diagonal: variances along the table's axes. The ellipse is tilted: use the eigenvalues.",
        ),
        Mistake(
            "short first",
            lambda covariance, mass: _half_axes(covariance, mass)[::-1],
            "right lengths, wrong order: the long one comes first. `eigvalsh` sorts upwards.",
        ),
        Mistake(
            "mass for its complement",
            lambda covariance, mass: math.sqrt(-2 * math.log(mass)) * np.sqrt(_variances(covariance)),
            "ln(mass) in place of ln(1 − mass): your ellipse leaves out what it should hold.",
        ),
        Mistake(
            "factor 2 missing",
            lambda covariance, mass: math.sqrt(-math.log(1 - mass)) * np.sqrt(_variances(covariance)),
            "the factor 2 under the root is missing: r² = −2 ln(1 − mass).",
        ),
        Mistake(
            "decimal logarithm",
            lambda covariance, mass: math.sqrt(-2 * math.log10(1 - mass)) * np.sqrt(_variances(covariance)),
            "a logarithm to base 10: the exponential of a Gaussian wants the natural one, `np.log`.",
        ),
        Mistake(
            "squared lengths",
            lambda covariance, mass: _half_axes(covariance, mass) ** 2,
            "these are squared lengths, r² times the eigenvalue: take the root of the whole.",
        ),
        Mistake(
            "inverse",
            lambda covariance, mass: _radius(mass) / np.sqrt(_variances(covariance)),
            "these are roots of the eigenvalues of the *inverse*: where the variance is large the ellipse is long.",
        ),
        Mistake(
            "inverse, turned round",
            lambda covariance, mass: _radius(mass) / np.sqrt(_variances(covariance)[::-1]),
            "these are roots of the eigenvalues of the *inverse* covariance: take those of the covariance itself.",
        ),
        Mistake(
            "one-sided quantile",
            lambda covariance, mass: norm.ppf(mass) * np.sqrt(_variances(covariance)),
            "this radius leaves out one tail of a *line* (1.28 for 90 %). In the plane r = √(−2 ln(1 − mass)).",
        ),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: _same_shape(given, wanted) and bool(np.isnan(given).any()),
            "a root of a negative number: ln(1 − mass) is below zero, so a minus belongs before the 2.",
        ),
        Symptom(
            lambda given, wanted: _same_shape(given, wanted) and bool(given[0] < given[1]),
            "the long half-axis comes first.",
        ),
    ),
)

# --- 03.2: volume and shape -----------------------------------------------------------------------------------


def _volume(covariance: Array) -> float:
    return float(np.linalg.det(covariance) ** (1 / len(covariance)))


def _with_shape(volume: float, shape: Array) -> Array:
    return np.concatenate([[volume], shape])


def _apart(covariance: Array) -> Array:
    return _with_shape(_volume(covariance), _variances(covariance) / _volume(covariance))


def _apart_with(volume: Callable[[Array], float]) -> Callable[[Array], Array]:
    """Taken apart with another idea of the volume."""
    return lambda covariance: _with_shape(volume(covariance), _variances(covariance) / volume(covariance))


APART = FunctionExercise(
    name="03.2",
    title="Take it apart",
    question="Return the volume λ of a D × D covariance, then the D numbers of its shape A, the largest first.",
    hints=(
        "λ = |Σ|^{1/D}: `np.linalg.det` gives the determinant; D is `len(covariance)`.",
        "The eigenvalues of Σ are λ times the diagonal of A. So A's diagonal is the eigenvalues divided by λ.",
        "`np.linalg.eigvalsh(covariance)[::-1] / volume`, and `np.r_[volume, shape]` puts both into one array.",
    ),
    praise="λ is the geometric mean of the eigenvalues, and A is what is left: its product is 1, whatever the size.",
    reference=_apart,
    probes=((np.array([[9.4, 1.9], [1.9, 1.0]]),), (_covariance(2, 3),), (_covariance(3, 4),)),
    mistakes=(
        Mistake(
            "determinant itself",
            _apart_with(lambda s: float(np.linalg.det(s))),
            "this λ is the determinant itself: take its D-th root, so that λ has the units of a variance.",
        ),
        Mistake(
            "always the square root",
            _apart_with(lambda s: math.sqrt(np.linalg.det(s))),
            "a square root is right for D = 2 only: in D dimensions take the D-th root, `** (1 / D)`.",
        ),
        Mistake(
            "mean for geometric mean",
            _apart_with(lambda s: float(np.trace(s)) / len(s)),
            "this λ is trace/D, the *arithmetic* mean of the eigenvalues. With it the product of A is not 1: the "
            "volume is the geometric mean, |Σ|^{1/D}.",
        ),
        Mistake(
            "trace",
            _apart_with(lambda s: float(np.trace(s))),
            "you divided by the trace, the sum of the eigenvalues: then the shape *sums* to 1. Its *product* has to be "
            "1: the volume comes from the determinant.",
        ),
        Mistake(
            "largest",
            _apart_with(lambda s: float(_variances(s)[0])),
            "this λ is the largest eigenvalue, so that the shape begins with 1 (some books do that). Here |A| = 1.",
        ),
        Mistake(
            "shape not divided",
            lambda s: _with_shape(_volume(s), _variances(s)),
            "the volume is right. The shape still contains it: divide the eigenvalues by λ.",
        ),
        Mistake(
            "smallest first",
            lambda s: _with_shape(_volume(s), _apart(s)[:0:-1]),
            "right numbers; the shape begins with its largest: `eigvalsh` sorts upwards.",
        ),
        Mistake(
            "diagonal for eigenvalues",
            lambda s: _with_shape(_volume(s), np.sort(np.diag(s))[::-1] / _volume(s)),
            "the volume is right. For the shape you used the diagonal of Σ, which depends on its orientation: use the "
            "eigenvalues.",
        ),
        Mistake(
            "standard deviations",
            lambda s: _with_shape(_volume(s), np.sqrt(_variances(s) / _volume(s))),
            "the volume is right. The shape holds ratios of lengths, one root too many: A is made of variances.",
        ),
        Mistake(
            "standard deviations throughout",
            lambda s: np.sqrt(_apart(s)),
            "everything is rooted: Σ = λ D A Dᵀ is about variances.",
        ),
        Mistake(
            "logarithm",
            lambda s: _with_shape(
                float(np.linalg.slogdet(s)[1]) / len(s),
                _variances(s) / np.exp(np.linalg.slogdet(s)[1] / len(s)),
            ),
            "the first number is ln λ (`slogdet` gives the logarithm of the determinant): take `np.exp`.",
        ),
        Mistake("sphere", lambda s: _with_shape(_volume(s), np.ones(len(s)))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1 and len(given) == len(wanted) - 1,
            "one number is missing: the volume and D numbers of the shape are D + 1.",
        ),
        Symptom(
            lambda given, wanted: _same_shape(given, wanted) and np.allclose(given[1:], wanted[1:]),
            "the shape is right, the volume is not: λ is the D-th root of the determinant.",
        ),
        Symptom(
            lambda given, wanted: _same_shape(given, wanted) and abs(given[1:].prod() - 1) > 1e-6,
            "the shape has to multiply to 1, and this does not.",
        ),
    ),
)

# --- 03.3: count ------------------------------------------------------------------------------------------------

WINE_K, WINE_D = 3, 13


def _count(family: str, k: int, d: int) -> int:
    """All free parameters of a mixture: covariances, means and weights."""
    own = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}
    return own[family] + k * d + k - 1


def _count_wine() -> int:
    return _count("full", WINE_K, WINE_D)


COUNT = ValueExercise(
    name="03.3",
    title="Count them",
    question="How many free parameters has a full mixture with K = 3 of wine's D = 13 columns, all told?",
    hints=(
        "Three kinds of numbers: covariances, means, weights. Count each kind on its own.",
        "A symmetric 13 × 13 matrix has 13 · 14 / 2 = 91 different entries.",
        "3 · 91 for the covariances, 3 · 13 for the means; and of the 3 weights the last one follows from the others.",
    ),
    praise="314 = 273 + 39 + 2, for 178 wines. Seven in eight of them sit in the covariances.",
    wanted=_count_wine,
    mistakes=(
        Mistake(
            "covariances alone",
            273,
            "these are the covariances. The means and the weights are fitted as well.",
        ),
        Mistake(
            "means or diagonals left out",
            275,
            "39 are missing: either the means (3 · 13), or the diagonals of the matrices, if you counted "
            "D(D − 1)/2 entries in place of D(D + 1)/2.",
        ),
        Mistake(
            "weights left out",
            312,
            "the weights are missing: three of them, of which two are free.",
        ),
        Mistake(
            "all weights free",
            315,
            "one too many: the weights sum to 1, so that the last one follows from the others.",
        ),
        Mistake(
            "all D squared entries",
            3 * 169 + 39 + 2,
            "you counted all 169 entries of a matrix. It is symmetric: each one off the diagonal stands there twice.",
        ),
        Mistake(
            "one component",
            91 + 13,
            "this is one component: there are three, and the weights.",
        ),
        Mistake(
            "one matrix",
            91,
            "this is one covariance matrix: there are three of them, and means, and weights.",
        ),
        Mistake(
            "tied",
            _count("tied", WINE_K, WINE_D),
            "this is the tied family: one matrix for all. In the full one each component has its own.",
        ),
        Mistake(
            "diag",
            _count("diag", WINE_K, WINE_D),
            "this is the diagonal family, 13 variances a component. A full matrix has covariances, too.",
        ),
        Mistake(
            "spherical",
            _count("spherical", WINE_K, WINE_D),
            "this is the spherical family, one variance a component. A full matrix has 91 entries.",
        ),
        Mistake(
            "not halved",
            3 * 13 * 14 + 39 + 2,
            "13 · 14 = 182 has to be halved: there are D(D + 1)/2 different entries.",
        ),
        Mistake(
            "rows counted",
            178 * 13,
            "this is how many numbers the table has. Asked is how many numbers the mixture has.",
        ),
        Mistake(
            "covariances and weights",
            273 + 3,
            "these are the covariances and three weights: the means are missing, and one weight is not free.",
        ),
        Mistake("guess", 300),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 0 and bool(abs(given - wanted) <= 10),
            "close, but a count is exact. Go through them once more: covariances, means, weights.",
        ),
    ),
)

# --- 03.4: a derivation step: the slope for the sphere --------------------------------------------------------


def _slope(v: float, n_k: float, trace: float, d: int) -> float:
    return -0.5 * n_k * d / v + 0.5 * trace / v**2


SLOPE = FunctionExercise(
    name="03.4",
    title="The slope for the sphere",
    question="Q(v) = −½ (N_k D ln v + tr W_k / v). Return its derivative with respect to v.",
    hints=(
        "Two terms: differentiate ln v and 1/v.",
        "(ln v)′ = 1/v and (1/v)′ = −1/v². The second changes the sign.",
        "Q′(v) = −½ N_k D / v + ½ tr W_k / v².",
    ),
    praise="zero where v = tr W_k / (D N_k): the mean of the diagonal of W_k / N_k. That is the spherical M-step.",
    reference=_slope,
    probes=((0.7, 10.0, 30.0, 2), (2.5, 44.0, 61.0, 3), (1.3, 7.5, 80.0, 5)),
    mistakes=(
        Mistake(
            "sign of the second term",
            lambda v, n_k, trace, d: -0.5 * n_k * d / v - 0.5 * trace / v**2,
            "the derivative of 1/v is −1/v²: with the −½ in front, the second term becomes positive.",
        ),
        Mistake(
            "D forgotten",
            lambda v, n_k, trace, d: -0.5 * n_k / v + 0.5 * trace / v**2,
            "where is D? The determinant of v·I is v to the power D, so that its logarithm is D ln v.",
        ),
        Mistake(
            "not squared",
            lambda v, n_k, trace, d: -0.5 * n_k * d / v + 0.5 * trace / v,
            "the derivative of 1/v has v² below the line, not v.",
        ),
        Mistake(
            "half forgotten",
            lambda v, n_k, trace, d: -n_k * d / v + trace / v**2,
            "the factor ½ is missing. (The zero is the same: it would not hurt the M-step.)",
        ),
        Mistake(
            "upside down",
            lambda v, n_k, trace, d: -_slope(v, n_k, trace, d),
            "all signs are turned: this is the slope of −Q, which one would minimise.",
        ),
        Mistake(
            "N_k forgotten",
            lambda v, n_k, trace, d: -0.5 * d / v + 0.5 * trace / v**2,
            "the first term counts every row: N_k belongs to it. (tr W_k is a sum over rows already.)",
        ),
        Mistake(
            "N_k twice",
            lambda v, n_k, trace, d: n_k * (-0.5 * d / v + 0.5 * trace / v**2),
            "N_k belongs to the first term alone: W_k is a sum over rows already.",
        ),
        Mistake(
            "Q itself",
            lambda v, n_k, trace, d: -0.5 * (n_k * d * math.log(v) + trace / v),
            "this is Q itself: differentiate it.",
        ),
        Mistake(
            "logarithm kept",
            lambda v, n_k, trace, d: -0.5 * n_k * d * math.log(v) + 0.5 * trace / v**2,
            "ln v is still there: its derivative is 1/v.",
        ),
        Mistake(
            "solved already",
            lambda v, n_k, trace, d: trace / (d * n_k),
            "this is where the slope is zero: one step ahead. Asked is the slope at any v.",
        ),
        Mistake(
            "first term only",
            lambda v, n_k, trace, d: -0.5 * n_k * d / v,
            "this is the first term alone: tr W_k / v depends on v as well.",
        ),
        Mistake(
            "bracket lost",
            lambda v, n_k, trace, d: -0.5 * n_k * d / v - trace / v**2,
            "the bracket is lost: the factor −½ belongs to both terms.",
        ),
        Mistake(
            "half once",
            lambda v, n_k, trace, d: -0.5 * n_k * d / v + trace / v**2,
            "the signs are right; the ½ belongs to the second term as well.",
        ),
        Mistake("second term only", lambda v, n_k, trace, d: 0.5 * trace / v**2),
    ),
)

# --- 03.5: four M-steps -----------------------------------------------------------------------------------------


def _statistics(seed: int, n_rows: int, k: int, d: int) -> tuple[Array, Array, Array]:
    """N_k, S1 and S2 of rows away from zero with soft responsibilities of unequal size."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n_rows, d)) @ generator.normal(size=(d, d)) + generator.uniform(1, 3, d)
    gamma = generator.dirichlet(np.linspace(0.4, 2.0, k), size=n_rows)
    return gamma.sum(axis=0), gamma.T @ rows, np.einsum("nk,ni,nj->kij", gamma, rows, rows)


def _scatter(mass: Array, first: Array, second: Array) -> Array:
    """W_k = S2_k − N_k μ_k μ_kᵀ."""
    return second - np.einsum("ki,kj->kij", first, first) / mass[:, None, None]


def _estimate(family: str, mass: Array, scatter: Array) -> Array:
    """Each family's Σ_k [K, D, D] from the scatters about the means."""
    k, d = scatter.shape[:2]
    own = scatter / mass[:, None, None]
    if family == "full":
        return own
    if family == "tied":
        return np.broadcast_to(scatter.sum(axis=0) / mass.sum(), (k, d, d))
    if family == "diag":
        return own * np.eye(d)
    return np.trace(own, axis1=1, axis2=2)[:, None, None] / d * np.eye(d)


MStep = Callable[[str, Array, Array, Array], Array]


def _m_step(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    return _estimate(family, N_k, _scatter(N_k, S1, S2))


def _but_for(family: str, change: Callable[[Array, Array], Array]) -> MStep:
    """Right for all families but one; ``change(N_k, W)`` is what that one gets."""

    def m_step(name: str, N_k: Array, S1: Array, S2: Array) -> Array:
        scatter = _scatter(N_k, S1, S2)
        return change(N_k, scatter) if name == family else _estimate(name, N_k, scatter)

    return m_step


def _spheres(variances: Array, d: int) -> Array:
    return np.asarray(variances)[:, None, None] * np.eye(d)


def _own(mass: Array, scatter: Array) -> Array:
    return scatter / mass[:, None, None]


def _all_alike(matrix: Array, mass: Array) -> Array:
    return np.repeat(matrix[None], len(mass), axis=0)


def _about_zero(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    return _estimate(family, N_k, S2)


def _sums_squared(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    return _estimate(family, N_k, S2 - np.einsum("ki,kj->kij", S1, S1))


def _mean_squared_once(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    means = S1 / N_k[:, None]
    return _estimate(family, N_k, S2 - np.einsum("ki,kj->kij", means, means))


def _total_for_tied(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    if family != "tied":
        return _m_step(family, N_k, S1, S2)
    mean = S1.sum(axis=0) / N_k.sum()
    return _all_alike(S2.sum(axis=0) / N_k.sum() - np.outer(mean, mean), N_k)


def _unbiased(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    return _estimate(family, N_k - 1, _scatter(N_k, S1, S2))


def _divided_by_n(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    scatter = _scatter(N_k, S1, S2)
    return _estimate(family, np.full_like(N_k, N_k.sum() / (len(N_k) if family == "tied" else 1)), scatter)


def _not_divided(family: str, N_k: Array, S1: Array, S2: Array) -> Array:
    mass = np.full_like(N_k, 1 / len(N_k) if family == "tied" else 1.0)
    return _estimate(family, mass, _scatter(N_k, S1, S2))


_FAMILIES = ("full", "tied", "diag", "spherical")


@dataclass(frozen=True, kw_only=True, eq=False)
class _ByFamily(FunctionExercise):
    """A function of a family's name, which may be written and is judged one family at a time."""

    def _judge(self, answer: Any, seconds: float) -> tuple[Outcome, str]:
        open_ones = self._unwritten(answer, seconds) if callable(answer) else []
        if not 0 < len(open_ones) < len(_FAMILIES):
            return super()._judge(answer, seconds)
        outcome, message = super()._judge(self._completed(answer, open_ones), seconds)
        if outcome is not Outcome.CORRECT:
            return outcome, message
        right = [family for family in _FAMILIES if family not in open_ones]
        return (
            Outcome.NOT_ATTEMPTED,
            f"right so far: {', '.join(right)}. Still to write: {', '.join(open_ones)}.",
        )

    def _unwritten(self, answer: Callable[..., Any], seconds: float) -> list[str]:
        """Families for which nothing comes back yet; none at all if the function stops with an error."""
        found = []
        for family, *statistics in self.probes[: len(_FAMILIES)]:
            run = attempt(functools.partial(answer, family, *copy.deepcopy(statistics)), answer, seconds)
            if run.problem:
                return []
            if run.unwritten or run.value is ... or run.value is None:
                found.append(family)
        return found

    def _completed(self, answer: Callable[..., Any], open_ones: list[str]) -> Callable[..., Any]:
        """The learner's function, with the reference in place of what is not written yet."""

        @functools.wraps(answer)
        def completed(family: str, *statistics: Any) -> Any:
            return (self.reference if family in open_ones else answer)(family, *statistics)

        return completed

    def _diagnosis(self, given: list[Numbers], wanted: list[Numbers]) -> str:
        for mistake in self.mistakes:
            if mistake.message and self._behaves_like(mistake.answer, given):
                return mistake.message
        found = (self._of_family(family, given, wanted) for family in _FAMILIES)
        return next(filter(None, found), "") or super()._diagnosis(given, wanted)

    def _of_family(self, family: str, given: list[Numbers], wanted: list[Numbers]) -> str:
        """The message of a mistake that was made in this family, whatever the others do; empty if there is none."""
        mine = [i for i, arguments in enumerate(self.probes) if arguments[0] == family]
        if all(self._same(given[i], wanted[i]) for i in mine):
            return ""
        strange = next((i for i in mine if not _same_shape(given[i], wanted[i])), None)
        if strange is not None:
            return (
                f"{family}: this is {shape_words(given[strange])}; wanted are all K covariances as full matrices, "
                f"{shape_words(wanted[strange])}."
            )
        for mistake in filter(lambda each: each.message, self.mistakes):
            if all(self._same(given[i], mistake.answer(*self.probes[i])) for i in mine):
                message = str(mistake.message)
                return message if message.startswith(f"{family}:") else f"{family}: {message}"
        return ""


M_STEPS = _ByFamily(
    name="03.5",
    title="Four M-steps from one S2",
    question="From the family's name and N_k, S1, S2 return all K covariances as full matrices, an array [K, D, D].",
    hints=(
        "First the scatters about the new means, the same for all families: W_k = S2_k − N_k μ_k μ_kᵀ, with "
        "μ_k = S1_k / N_k. `np.einsum('ki,kj->kij', mu, mu)` makes the K outer products.",
        "full: `W / N_k[:, None, None]`. tied: the sum of all W over the sum of all N_k, repeated K times.",
        "diag: full times `np.eye(D)`, which keeps the diagonal. spherical: the mean of that diagonal, "
        "`np.trace(full, axis1=1, axis2=2) / D`, times `np.eye(D)`.",
    ),
    praise="one scatter, four answers: own, pooled, its diagonal, the mean of its diagonal. The library's "
    "`model/covariance.py` has the same four lines.",
    reference=_m_step,
    probes=tuple(
        (family, *_statistics(seed, 40, k, d))
        for seed, k, d in ((0, 2, 2), (1, 3, 3))
        for family in _FAMILIES
    ),
    mistakes=(
        Mistake(
            "mean not subtracted",
            _about_zero,
            "S2 is about zero; the scatter is about the mean: subtract N_k μ_k μ_kᵀ first.",
        ),
        Mistake(
            "sums squared",
            _sums_squared,
            "you subtracted S1 S1ᵀ: N_k² times μ_k μ_kᵀ. Divide it by N_k, or use the means.",
        ),
        Mistake(
            "mean subtracted once",
            _mean_squared_once,
            "you subtracted μ_k μ_kᵀ once from a *sum* over N_k rows: multiply it by N_k, or divide S2 by N_k first.",
        ),
        Mistake(
            "N minus one",
            _unbiased,
            "you divided by N_k − 1. The maximum of the likelihood divides by N_k.",
        ),
        Mistake(
            "divided by N",
            _divided_by_n,
            "you divided each component by all N rows: each is an average over its own N_k.",
        ),
        Mistake(
            "not divided",
            _not_divided,
            "these are scatters, sums over rows: divide by the number of rows they are made of.",
        ),
        Mistake(
            "tied: plain average",
            _but_for("tied", lambda mass, w: _all_alike(_own(mass, w).mean(axis=0), mass)),
            "tied: you averaged the K covariances, each counted alike. A component with more rows counts more: add the "
            "scatters, divide by N.",
        ),
        Mistake(
            "tied: total",
            _total_for_tied,
            "tied: this is the covariance of the whole table about *one* mean, so that the spread between the "
            "components is in it. Add the scatters about their own means.",
        ),
        Mistake(
            "tied: summed",
            _but_for("tied", lambda mass, w: _all_alike(_own(mass, w).sum(axis=0), mass)),
            "tied: you added the K covariances. A sum of averages is no average: add the scatters, divide by N.",
        ),
        Mistake(
            "tied: own",
            _but_for("tied", _own),
            "tied: every component still has its own matrix. They are to be equal.",
        ),
        Mistake(
            "diag: standard deviations",
            _but_for("diag", lambda mass, w: np.sqrt(np.abs(_own(mass, w) * np.eye(w.shape[1])))),
            "diag: these are standard deviations. A covariance holds variances: no root.",
        ),
        Mistake(
            "diag: inverse",
            _but_for(
                "diag",
                lambda mass, w: np.array([np.diag(1 / np.diag(np.linalg.inv(s))) for s in _own(mass, w)]),
            ),
            "diag: this is one over the diagonal of the inverse. That is the variance of a column *given* the others, "
            "and smaller. The likelihood wants the diagonal of Σ itself.",
        ),
        Mistake(
            "diag: eigenvalues",
            _but_for(
                "diag", lambda mass, w: np.array([np.diag(np.linalg.eigvalsh(s)) for s in _own(mass, w)])
            ),
            "diag: you put the eigenvalues on the diagonal. They belong to the tilted axes: take the diagonal of Σ.",
        ),
        Mistake(
            "spherical: trace",
            _but_for(
                "spherical", lambda mass, w: _spheres(np.trace(_own(mass, w), axis1=1, axis2=2), w.shape[1])
            ),
            "spherical: this is the trace, the *sum* of the diagonal. One variance for D columns: divide by D.",
        ),
        Mistake(
            "spherical: volume",
            _but_for(
                "spherical",
                lambda mass, w: _spheres(np.linalg.det(_own(mass, w)) ** (1 / w.shape[1]), w.shape[1]),
            ),
            "spherical: you kept the volume |Σ|^{1/D}, the geometric mean of the eigenvalues. A good idea, and not the "
            "maximum: exercise 03.4 gives the arithmetic mean.",
        ),
        Mistake(
            "spherical: all entries",
            _but_for("spherical", lambda mass, w: _spheres(_own(mass, w).mean(axis=(1, 2)), w.shape[1])),
            "spherical: you averaged all D² entries. The covariances off the diagonal do not count.",
        ),
        Mistake(
            "spherical: one for all",
            _but_for(
                "spherical",
                lambda mass, w: _all_alike(
                    np.trace(w.sum(axis=0)) / (mass.sum() * w.shape[1]) * np.eye(w.shape[1]), mass
                ),
            ),
            "spherical: you pooled the components. That is a family too (EII); ours gives each its own variance (VII).",
        ),
        Mistake(
            "spherical: rooted",
            _but_for(
                "spherical",
                lambda mass, w: _spheres(
                    np.sqrt(np.trace(_own(mass, w), axis1=1, axis2=2) / w.shape[1]), w.shape[1]
                ),
            ),
            "spherical: this is a standard deviation. No root: a covariance holds variances.",
        ),
        Mistake(
            "spherical: diagonal",
            _but_for("spherical", lambda mass, w: _own(mass, w) * np.eye(w.shape[1])),
            "spherical: the diagonal still has D different numbers. Replace each by their mean.",
        ),
        Mistake(
            "diag: covariances kept",
            _but_for("diag", _own),
            "diag: the entries off the diagonal are still there. They are to be zero.",
        ),
        Mistake(
            "spherical: own",
            _but_for("spherical", _own),
            "spherical: this is the full matrix. Wanted is one variance for all columns, and zeros off the diagonal.",
        ),
        Mistake(
            "all full",
            lambda family, N_k, S1, S2: _m_step("full", N_k, S1, S2),
            "the same full matrices, whatever `family` says. Full is right; the other three make something simpler "
            "of them.",
        ),
    ),
)

# --- 03.6: what a change of units does -----------------------------------------------------------------------

UNITS = ChoiceExercise(
    name="03.6",
    title="From grams to kilograms",
    question="One column is divided by 1000. Which families give the same groups as before, from the same start?",
    hints=(
        "Stretching a column turns Σ into C Σ C with a diagonal C. Is the result of the same family?",
        "diag stays diagonal. tied: all become the same C Σ C. spherical: is C (v I) C a multiple of I?",
    ),
    praise="stretching an axis keeps full, tied and diag what they are. A circle becomes an ellipse, and the spherical "
    "family has none: standardise before you use it.",
    choices=("a", "b", "c", "d"),
    right="c",
    mistakes=(
        Mistake(
            "all",
            "a",
            "it is tempting to think that units cannot matter. But a circle in millimetres and grams is a long "
            "ellipse in millimetres and kilograms: the spherical family has to answer with other circles.",
        ),
        Mistake(
            "diag fails",
            "b",
            "that is the answer for a *rotation*. Stretching an axis turns one diagonal matrix into "
            "another: diag follows.",
        ),
        Mistake(
            "full only",
            "d",
            "tied and diag follow as well: one matrix for all stays one for all, and a diagonal one stays diagonal.",
        ),
    ),
)

# --- 03.7: BIC in other units ------------------------------------------------------------------------------------


def _bic_moved(bic: float, n_rows: int, factors: Array) -> float:
    return bic + 2 * n_rows * float(np.log(factors).sum())


MOVED = FunctionExercise(
    name="03.7",
    title="BIC in other units",
    question="A full fit has this BIC. Column d is multiplied by factors[d] and the fit repeated. What is its BIC?",
    hints=(
        "If y = c·x, then p(y) = p(x)/c: the same probability spread over c times the length.",
        "In D columns the density of each row is divided by the product of the factors. What happens to ℓ = Σ_n ln p?",
        "ℓ falls by N Σ_d ln c_d, and BIC = −2ℓ + p ln N. So BIC grows by `2 * n_rows * np.log(factors).sum()`.",
    ),
    praise="the same groups, another number: a BIC may only be compared with one of the same table in the same units.",
    reference=_bic_moved,
    probes=(
        (10558.1, 342, np.array([1.0, 1.0, 1.0, 0.001])),
        (574.0, 150, np.array([10.0, 10.0, 2.0, 3.0])),
        (2322.2, 272, np.array([60.0, 0.5])),
    ),
    mistakes=(
        Mistake(
            "unchanged",
            lambda bic, n_rows, factors: bic,
            "unchanged? The *groups* are. The density is per unit, so it changes with the units, and BIC with it.",
        ),
        Mistake(
            "sign",
            lambda bic, n_rows, factors: 2 * bic - _bic_moved(bic, n_rows, factors),
            "wrong direction: larger numbers are spread more thinly, so the density falls, and −2ℓ grows.",
        ),
        Mistake(
            "factor 2 missing",
            lambda bic, n_rows, factors: bic + n_rows * np.log(factors).sum(),
            "that is by how much ℓ changes. BIC has −2ℓ in it.",
        ),
        Mistake(
            "one row",
            lambda bic, n_rows, factors: bic + 2 * np.log(factors).sum(),
            "this is the change for one row. The log-likelihood is a sum over N.",
        ),
        Mistake(
            "no logarithm",
            lambda bic, n_rows, factors: bic + 2 * n_rows * factors.sum(),
            "the logarithm is missing: the density is *divided* by the factors, so the log-density changes by their "
            "logarithms.",
        ),
        Mistake(
            "log of the sum",
            lambda bic, n_rows, factors: bic + 2 * n_rows * np.log(factors.sum()),
            "the logarithm of a product is the sum of the logarithms: first `np.log`, then `.sum()`.",
        ),
        Mistake(
            "product without logarithm",
            lambda bic, n_rows, factors: bic * factors.prod(),
            "BIC is a logarithm: what multiplies a density is *added* to it, as a logarithm.",
        ),
        Mistake(
            "divided",
            lambda bic, n_rows, factors: bic / factors.prod(),
            "you divided BIC itself. The density is divided; BIC is −2 times its logarithm, and something is added.",
        ),
        Mistake(
            "decimal logarithm",
            lambda bic, n_rows, factors: bic + 2 * n_rows * np.log10(factors).sum(),
            "a logarithm to base 10: likelihoods are in nats, so take the natural one, `np.log`.",
        ),
        Mistake(
            "squared factors",
            lambda bic, n_rows, factors: bic + 4 * n_rows * np.log(factors).sum(),
            "twice too much. The variances change by the squares, but the density holds the *root* of the determinant.",
        ),
        Mistake(
            "mean over columns",
            lambda bic, n_rows, factors: bic + 2 * n_rows * np.log(factors).mean(),
            "you averaged over the columns: each one spreads the density by its own factor, so their logarithms add.",
        ),
        Mistake(
            "standardised only",
            lambda bic, n_rows, factors: bic + np.log(n_rows) * np.log(factors).sum(),
            "ln N belongs to the number of parameters, which has not changed. Each of the N rows loses Σ ln c.",
        ),
        Mistake("largest factor", lambda bic, n_rows, factors: bic + 2 * n_rows * np.log(factors.max())),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.ndim == 1,
            "one number is wanted, the new BIC: add the logarithms of all columns.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (HALF_AXES, APART, COUNT, SLOPE, M_STEPS, UNITS, MOVED)
