"""Exercises of notebook 02: the bound, Jensen, λ, a gradient, one EM iteration, how far still to go, matching."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mixturelab.exercises.exercise import ChoiceExercise, Exercise, FunctionExercise, Mistake, Symptom

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]


def _shares(seed: int, rows: int, components: int) -> Array:
    """Random q_nk > 0; each row sums to 1."""
    return np.random.default_rng(seed).dirichlet(np.full(components, 1.5), rows)


def _joints(seed: int, rows: int, components: int) -> Array:
    return np.random.default_rng(seed).normal(-3.0, 1.5, (rows, components))


# --- 02.1: the bound ------------------------------------------------------------------------------------------


def _bound(log_joint: Array, q: Array) -> float:
    return float(np.sum(q * (log_joint - np.log(q))))


def _level(log_joint: Array) -> float:
    return float(logsumexp(log_joint, axis=1).sum())


def _likeliest_only(log_joint: Array, q: Array) -> float:
    chosen = q.argmax(axis=1)[:, None]
    return float(np.take_along_axis(log_joint, chosen, axis=1).sum())


def _log_of_a_log(log_joint: Array, q: Array) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.sum(q * np.log(log_joint / q)))


BOUND = FunctionExercise(
    name="02.1",
    title="The bound by hand",
    question="Write 𝓛(q, θ) = Σ_n Σ_k q_nk [log p(x_n, z_n = k | θ) − log q_nk] from log_joint [N, K] and q [N, K].",
    hints=(
        "Begin inside the bracket: one number for each row and component, [N, K] like both arguments.",
        "The bracket is `log_joint - np.log(q)`. Each entry counts as much as its q.",
        "`q * (log_joint - np.log(q))`, summed over rows and components.",
    ),
    praise="two parts: the mean of the log joint under q, and the entropy of q. Only the first contains θ.",
    reference=_bound,
    probes=(
        (_joints(0, 5, 2), _shares(0, 5, 2)),
        (_joints(1, 3, 3), _shares(1, 3, 3)),
        (_joints(2, 1, 2), _shares(2, 1, 2)),
    ),
    mistakes=(
        Mistake(
            "no entropy",
            lambda log_joint, q: np.sum(q * log_joint),
            "this is the expected log joint alone. The other half of the bracket, −log q, is missing: without it this "
            "is no longer tight when q is the responsibilities.",
        ),
        Mistake(
            "entropy with the wrong sign",
            lambda log_joint, q: np.sum(q * (log_joint + np.log(q))),
            "the sign of log q: the quotient joint/q becomes log joint *minus* log q.",
        ),
        Mistake(
            "log q not weighted",
            lambda log_joint, q: np.sum(q * log_joint) - np.sum(np.log(q)),
            "log q stands inside the bracket: it is weighted by q too.",
        ),
        Mistake(
            "not weighted",
            lambda log_joint, q: np.sum(log_joint - np.log(q)),
            "the bracket is added up as it is: weight each entry by q_nk. A mean of logs, not a sum.",
        ),
        Mistake(
            "the log-likelihood",
            lambda log_joint, q: _level(log_joint),
            "this is ℓ itself, the log of the sum, and q does not occur in it. The bound takes the logarithm first, "
            "then the mean.",
        ),
        Mistake(
            "missing log",
            lambda log_joint, q: np.sum(q * (np.exp(log_joint) - q)),
            "there is no logarithm left: `log_joint` is one already, and q needs `np.log`.",
        ),
        Mistake(
            "log of a log",
            _log_of_a_log,
            "`log_joint` is a logarithm already. Where it is negative, the log of `log_joint / q` is NaN. The log of a "
            "quotient is a difference: `log_joint - np.log(q)`.",
        ),
        Mistake(
            "log joint not weighted",
            lambda log_joint, q: np.sum(log_joint - q * np.log(q)),
            "the entropy is right, but the log joint stands inside the bracket too: it is weighted by q as well.",
        ),
        Mistake(
            "log of the mean",
            lambda log_joint, q: np.sum(np.log(np.sum(q * np.exp(log_joint), axis=1))),
            "this is the log of a mean: the logarithm has to go *inside* the sum. (And dividing by q is missing.)",
        ),
        Mistake(
            "mean over rows",
            lambda log_joint, q: _bound(log_joint, q) / len(q),
            "this is 𝓛/N, the mean per row: leave the sum over rows as it is.",
        ),
        Mistake(
            "mean over everything",
            lambda log_joint, q: _bound(log_joint, q) / q.size,
            "you took `.mean()` over rows and components. The mean over components is made by q already: `.sum()`.",
        ),
        Mistake(
            "the gap",
            lambda log_joint, q: _level(log_joint) - _bound(log_joint, q),
            "this is ℓ − 𝓛, the gap above the bound. The bound itself is wanted.",
        ),
        Mistake(
            "other sign",
            lambda log_joint, q: -_bound(log_joint, q),
            "right up to the sign: 𝓛 lies below ℓ, so do not turn it round.",
        ),
        Mistake(
            "hard for soft",
            _likeliest_only,
            "you kept the likeliest component of each row only (a hard q). Use all entries of q.",
        ),
        Mistake(
            "one number a row",
            lambda log_joint, q: np.sum(q * (log_joint - np.log(q)), axis=1),
            "these are the rows' own bounds. Their sum is wanted: drop `axis=1`.",
        ),
        Mistake("squared", lambda log_joint, q: np.sum(q * (log_joint - np.log(q)) ** 2)),
    ),
)

# --- 02.2: when Jensen is exact -------------------------------------------------------------------------------

TOUCH = ChoiceExercise(
    name="02.2",
    title="When does the bound touch?",
    question="With r_k = p(x, k) / q_k: for which q is Σ_k q_k log r_k = log Σ_k q_k r_k = log Σ_k p(x, k)?",
    choices=("a", "b", "c", "d"),
    right="b",
    hints=(
        "Look at the picture of the chord. When would the gap close, whatever the weights of the mean?",
        "The chord has no length if both points coincide: if what is averaged does not vary with k.",
        "What is averaged is r_k = p(x, k) / q_k, not p(x, k) itself.",
    ),
    praise="let p(x, k) = c · q_k for all k. As q sums to 1, c is p(x), so q_k = p(x, k) / p(x): Bayes' rule, the "
    "responsibility.",
    mistakes=(
        Mistake(
            "uniform q",
            "a",
            "with equal weights the chord still has a length, and its middle is not on the curve. The *ratios* have to "
            "be equal, and with equal q_k they vary as p(x, k) does.",
        ),
        Mistake(
            "one-hot q",
            "c",
            "a hard q leaves one term in both sums, but the other p(x, k) > 0 are then lost: what is left is the log "
            "of one of them, not of their sum. The bound lies below ℓ by −log γ of the chosen component.",
        ),
        Mistake(
            "never",
            "d",
            "the gap does close: where what is averaged is constant, the mean of the logs is the log of the mean.",
        ),
    ),
)

# --- 02.3: the multiplier -------------------------------------------------------------------------------------

MULTIPLIER = FunctionExercise(
    name="02.3",
    title="The value of λ",
    question="Maximise Σ_k N_k log π_k + λ (1 − Σ_k π_k). Which λ makes the π_k sum to 1? From the K numbers N_k.",
    hints=(
        "Set the derivative by π_k to zero: N_k / π_k − λ = 0. So π_k = N_k / λ.",
        "Now add these up over k. The left side has to be 1.",
        "1 = Σ_k N_k / λ.",
    ),
    praise="λ = Σ_k N_k = N, and so π_k = N_k / N. λ is also a price: 𝓛 would gain N nats per unit of extra weight.",
    reference=lambda N_k: N_k.sum(),
    probes=((np.array([97.2, 174.8]),), (np.array([3.5, 0.5, 8.0]),), (np.array([2.5, 1.0, 4.0, 7.5]),)),
    mistakes=(
        Mistake(
            "the counts",
            lambda N_k: N_k,
            "these are the N_k, one for each component. There is one constraint, so one λ: what must it be that the "
            "N_k / λ sum to 1?",
        ),
        Mistake(
            "sign",
            lambda N_k: -N_k.sum(),
            "right size, other sign: −N belongs to the constraint written as Σ π_k − 1. Here it is 1 − Σ π_k.",
        ),
        Mistake(
            "one",
            lambda N_k: 1.0,
            "1 is what the weights sum to. With λ = 1 the solution π_k = N_k / λ would sum to N.",
        ),
        Mistake(
            "number of components",
            lambda N_k: float(len(N_k)),
            "this is K. With λ = K the weights N_k / K would sum to N / K.",
        ),
        Mistake(
            "inverse",
            lambda N_k: 1 / N_k.sum(),
            "upside down: λ divides the N_k, so it has to be as large as all of them together.",
        ),
        Mistake(
            "the weights",
            lambda N_k: N_k / N_k.sum(),
            "these are the π_k, what λ is good for. Which number did you divide the N_k by?",
        ),
        Mistake(
            "mean count",
            lambda N_k: N_k.mean(),
            "this is the average of the N_k. The weights would then sum to K: take the sum.",
        ),
        Mistake(
            "norm",
            lambda N_k: np.sqrt((N_k**2).sum()),
            "this makes the *squares* of the weights sum to 1. The weights themselves have to: no squares, no root.",
        ),
        Mistake(
            "log",
            lambda N_k: np.log(N_k).sum(),
            "a logarithm is left over: the derivative of N_k log π_k is N_k / π_k, and there is no log in it.",
        ),
        Mistake("largest", lambda N_k: N_k.max()),
    ),
)

# --- 02.4: the gradient by a mean -----------------------------------------------------------------------------


def _gradient(x: Array, gamma_k: Array, mean: Array, covariance: Array) -> Array:
    return np.asarray(np.linalg.solve(covariance, gamma_k @ (x - mean)))


def _rows(seed: int, rows: int, features: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(features, features)) + 1.5 * np.eye(features)
    x = rng.normal(2.0, 2.0, (rows, features))
    return x, rng.uniform(0.05, 1.0, rows), rng.normal(size=features), root @ root.T


GRADIENT = FunctionExercise(
    name="02.4",
    title="The gradient by a mean",
    question="The gradient of Σ_n γ_nk log N(x_n | μ_k, Σ_k) with respect to μ_k, as an array of D numbers.",
    hints=(
        "Only −½ (x_n − μ)ᵀ Σ⁻¹ (x_n − μ) contains μ. The derivative of vᵀAv by v is 2Av for symmetric A; here "
        "v = x_n − μ, so a minus sign comes in as well.",
        "One row gives Σ⁻¹ (x_n − μ). Weight each by γ_nk and add.",
        "`gamma_k @ (x - mean)` is the weighted sum, D numbers. Then `np.linalg.solve(covariance, ...)`.",
    ),
    praise="Σ_k⁻¹ Σ_n γ_nk (x_n − μ_k). Zero where the weighted residuals cancel, whatever Σ_k: the M-step's mean.",
    reference=_gradient,
    probes=(_rows(0, 6, 2), _rows(1, 9, 3), _rows(2, 4, 2)),
    mistakes=(
        Mistake(
            "sign",
            lambda x, gamma_k, mean, covariance: -_gradient(x, gamma_k, mean, covariance),
            "the sign: −½ from the exponent times −2 from the square gives +1. The gradient points *towards* the rows.",
        ),
        Mistake(
            "no inverse covariance",
            lambda x, gamma_k, mean, covariance: gamma_k @ (x - mean),
            "Σ_k⁻¹ is missing. It drops out only when you set the gradient to zero.",
        ),
        Mistake(
            "covariance for its inverse",
            lambda x, gamma_k, mean, covariance: covariance @ (gamma_k @ (x - mean)),
            "you multiplied by Σ_k. The exponent has its inverse: a narrow bell pulls harder.",
        ),
        Mistake(
            "responsibilities left out",
            lambda x, gamma_k, mean, covariance: np.linalg.solve(covariance, (x - mean).sum(axis=0)),
            "the responsibilities are missing: each row pulls as much as component k answers for it.",
        ),
        Mistake(
            "factor two",
            lambda x, gamma_k, mean, covariance: 2 * _gradient(x, gamma_k, mean, covariance),
            "twice too large: the 2 of the square is cancelled by the ½ of the exponent.",
        ),
        Mistake(
            "factor one half",
            lambda x, gamma_k, mean, covariance: _gradient(x, gamma_k, mean, covariance) / 2,
            "half of it: the square brings down a 2, which cancels the ½.",
        ),
        Mistake(
            "divided by the mass",
            lambda x, gamma_k, mean, covariance: _gradient(x, gamma_k, mean, covariance) / gamma_k.sum(),
            "you divided by N_k: that comes later, when the equation is solved. The gradient is a sum.",
        ),
        Mistake(
            "divided by the rows",
            lambda x, gamma_k, mean, covariance: _gradient(x, gamma_k, mean, covariance) / len(x),
            "you took the mean over rows. The log-likelihood is a sum, and so is its gradient.",
        ),
        Mistake(
            "the new mean",
            lambda x, gamma_k, mean, covariance: gamma_k @ x / gamma_k.sum(),
            "this is the solution, the mean at which the gradient is zero. Wanted is the gradient at the mean given.",
        ),
        Mistake(
            "the step",
            lambda x, gamma_k, mean, covariance: gamma_k @ (x - mean) / gamma_k.sum(),
            "this is the way from here to the best mean, Σ_n γ_nk (x_n − μ_k) / N_k. The gradient has Σ_k⁻¹ in front, "
            "and is not divided by N_k.",
        ),
        Mistake(
            "mean left out",
            lambda x, gamma_k, mean, covariance: np.linalg.solve(covariance, gamma_k @ x),
            "the mean is missing: what pulls is the residual, `x - mean`, not the row itself.",
        ),
        Mistake(
            "mean subtracted once",
            lambda x, gamma_k, mean, covariance: np.linalg.solve(covariance, gamma_k @ x - mean),
            "the mean is subtracted once, from the sum. Each row has its own residual: subtract before you add up.",
        ),
        Mistake(
            "variances only",
            lambda x, gamma_k, mean, covariance: (gamma_k @ (x - mean)) / np.diag(covariance),
            "you divided by the variances on the diagonal: off the diagonal Σ_k counts too. Use `np.linalg.solve`.",
        ),
        Mistake(
            "elementwise inverse",
            lambda x, gamma_k, mean, covariance: (1 / covariance) @ (gamma_k @ (x - mean)),
            "`1 / covariance` inverts each entry. The inverse *matrix* is wanted: use `np.linalg.solve`.",
        ),
        Mistake(
            "half whitened",
            lambda x, gamma_k, mean, covariance: np.linalg.solve(
                np.linalg.cholesky(covariance), gamma_k @ (x - mean)
            ),
            "you solved with the Cholesky factor once: Σ⁻¹ = L⁻ᵀL⁻¹, so its transpose is still to come.",
        ),
        Mistake(
            "not summed",
            lambda x, gamma_k, mean, covariance: (
                gamma_k[:, None] * np.linalg.solve(covariance, (x - mean).T).T
            ),
            "these are the rows' own gradients, each weighted. Add them up: `.sum(axis=0)`.",
        ),
        Mistake(
            "squared responsibilities",
            lambda x, gamma_k, mean, covariance: _gradient(x, gamma_k**2, mean, covariance),
        ),
    ),
)

# --- 02.5: one iteration --------------------------------------------------------------------------------------

Bells = tuple[Array, Array, Array]  # weights, means, variances


def _log_joint(x: Array, weights: Array, means: Array, variances: Array) -> Array:
    return np.log(weights) - np.log(2 * np.pi * variances) / 2 - (x[:, None] - means) ** 2 / (2 * variances)


def _normalised(log_joint: Array, axis: int = 1) -> Array:
    return np.exp(log_joint - logsumexp(log_joint, axis=axis, keepdims=True))


def _e_step(x: Array, *bells: Array) -> Array:
    return _normalised(_log_joint(x, *bells))


def _m_step(x: Array, gamma: Array) -> Array:
    mass = gamma.sum(axis=0)
    means = gamma.T @ x / mass
    return np.array([mass / len(x), means, np.sum(gamma * (x[:, None] - means) ** 2, axis=0) / mass])


def _iteration(x: Array, weights: Array, means: Array, variances: Array) -> Array:
    return _m_step(x, _e_step(x, weights, means, variances))


def _after(change: Callable[[Array, Array, Array], Array]) -> Callable[..., Array]:
    """An iteration whose result is changed: `change(result, x, gamma)`."""

    def mistaken(x: Array, weights: Array, means: Array, variances: Array) -> Array:
        gamma = _e_step(x, weights, means, variances)
        return change(_m_step(x, gamma), x, gamma)

    return mistaken


def _with_shares(shares: Callable[..., Array]) -> Callable[..., Array]:
    """An iteration with other responsibilities."""
    return lambda x, *bells: _m_step(x, shares(x, *bells))


def _about_the_old_mean(x: Array, weights: Array, means: Array, variances: Array) -> Array:
    gamma = _e_step(x, weights, means, variances)
    new = _m_step(x, gamma)
    new[2] = np.sum(gamma * (x[:, None] - means) ** 2, axis=0) / gamma.sum(axis=0)
    return new


def _hard(x: Array, *bells: Array) -> Array:
    joint = _log_joint(x, *bells)
    return (joint == joint.max(axis=1, keepdims=True)).astype(float)


def _bells(seed: int, *bells: tuple[float, float, float], rows: int) -> tuple[Array, Array, Array, Array]:
    """Rows spread over all bells, so that no responsibility is 0 or 1 for all of them."""
    weights, means, variances = np.array(bells).T
    x = np.random.default_rng(seed).uniform(means.min() - 2, means.max() + 2, rows)
    return x, weights, means, variances


ITERATION = FunctionExercise(
    name="02.5",
    title="One whole iteration",
    question="From rows x and K weights, means, variances: E-step, then M-step. Return np.array([π, μ, σ²]), [3, K].",
    hints=(
        "E-step: numerators π_k N(x_n | μ_k, σ_k²) as an [N, K] array (`x[:, None]` makes a column), then divide each "
        "row by its sum: `axis=1, keepdims=True`.",
        "M-step: `N_k = gamma.sum(axis=0)`; weights `N_k / len(x)`; means `gamma.T @ x / N_k`.",
        "Variances: `(gamma * (x[:, None] - new_means) ** 2).sum(axis=0) / N_k`, about the *new* means.",
    ),
    praise="that is EM: share out, then average. The rest of an EM library is speed, safety and a loop.",
    reference=_iteration,
    probes=(
        _bells(0, (0.3, 0.0, 1.0), (0.7, 3.0, 2.5), rows=12),
        _bells(1, (0.5, -1.0, 0.6), (0.2, 2.0, 3.0), (0.3, 4.0, 1.4), rows=17),
        _bells(2, (0.6, 10.0, 4.0), (0.4, 13.0, 1.7), rows=9),
    ),
    mistakes=(
        Mistake(
            "variance about the old mean",
            _about_the_old_mean,
            "weights and means are right. The variances are taken about the *old* means, which is too large: the new "
            "mean comes first, then the spread about it.",
        ),
        Mistake(
            "standard deviation",
            _after(lambda new, x, gamma: np.array([new[0], new[1], np.sqrt(new[2])])),
            "the last line holds standard deviations: the variances are wanted, without the square root.",
        ),
        Mistake(
            "mean square",
            _after(lambda new, x, gamma: np.array([new[0], new[1], gamma.T @ x**2 / gamma.sum(axis=0)])),
            "the last line is the mean square about zero, S2/N_k: subtract the squared new mean.",
        ),
        Mistake(
            "counts for weights",
            _after(lambda new, x, gamma: np.array([new[0] * len(x), new[1], new[2]])),
            "your weights sum to N: these are the N_k. Divide them by N.",
        ),
        Mistake(
            "old weights",
            lambda x, weights, means, variances: np.array(
                [weights, *_iteration(x, weights, means, variances)[1:]]
            ),
            "means and variances are right; the weights are still the old ones. They are N_k / N now.",
        ),
        Mistake(
            "old variances",
            lambda x, weights, means, variances: np.array(
                [*_iteration(x, weights, means, variances)[:2], variances]
            ),
            "weights and means are right; the variances are still the old ones. They are the mean squared distance "
            "from the new mean, weighted by γ.",
        ),
        Mistake(
            "means first",
            _after(lambda new, x, gamma: new[[1, 0, 2]]),
            "right numbers, in another order: weights first, then means, then variances.",
        ),
        Mistake(
            "N for N_k",
            _after(lambda new, x, gamma: np.array([new[0], new[0] * new[1], new[0] * new[2]])),
            "you divided means and variances by N. A component's mean is over the rows it answers for: divide by N_k.",
        ),
        Mistake(
            "n minus one",
            _after(
                lambda new, x, gamma: np.array(
                    [new[0], new[1], new[2] * gamma.sum(axis=0) / (gamma.sum(axis=0) - 1)]
                )
            ),
            "you divided the variances by N_k − 1. Maximum likelihood divides by N_k.",
        ),
        Mistake(
            "spread not weighted",
            _after(
                lambda new, x, gamma: np.array([new[0], new[1], ((x[:, None] - new[1]) ** 2).mean(axis=0)])
            ),
            "the variances count every row alike: weight the squares by γ_nk and divide by N_k.",
        ),
        Mistake(
            "hard for soft",
            _with_shares(_hard),
            "your E-step gives each row wholly to its likeliest component. Keep the probabilities: soft, not hard.",
        ),
        Mistake(
            "weights left out",
            _with_shares(
                lambda x, weights, means, variances: _e_step(x, np.ones_like(weights), means, variances)
            ),
            "the mixing weights are missing from the E-step: multiply each density by its π_k.",
        ),
        Mistake(
            "variance for standard deviation",
            _with_shares(lambda x, weights, means, variances: _e_step(x, weights, means, variances**2)),
            "the E-step uses σ² where σ belongs: `variances` holds squares already. The exponent is "
            "`-(x - mean)**2 / (2 * variance)`.",
        ),
        Mistake(
            "variance squared in the exponent",
            _with_shares(
                lambda x, weights, means, variances: _e_step(
                    x, weights * np.sqrt(variances), means, variances**2
                )
            ),
            "the exponent of your density divides by σ⁴: `variances` is squared already, do not square it again.",
        ),
        Mistake(
            "no 1/σ",
            _with_shares(
                lambda x, weights, means, variances: _e_step(
                    x, weights * np.sqrt(variances), means, variances
                )
            ),
            "the factor 1/σ_k of the density is missing from the E-step. It cancels only between equally wide bells.",
        ),
        Mistake(
            "1/σ² in front",
            _with_shares(
                lambda x, weights, means, variances: _e_step(
                    x, weights / np.sqrt(variances), means, variances
                )
            ),
            "the density's factor is 1/σ, not 1/σ²: take the square root of the variance there.",
        ),
        Mistake(
            "no one half",
            _with_shares(lambda x, weights, means, variances: _e_step(x, weights, means, variances / 2)),
            "the ½ in the exponent of the density is missing: −(x − μ)² / (2σ²).",
        ),
        Mistake(
            "wrong axis",
            _with_shares(lambda x, *bells: _normalised(_log_joint(x, *bells), axis=0)),
            "the responsibilities are normalised down the columns. Each *row* has to sum to 1: `axis=1`.",
        ),
        Mistake(
            "not normalised",
            _with_shares(lambda x, *bells: np.exp(_log_joint(x, *bells))),
            "the numerators are not divided by their sum: the responsibilities of a row must sum to 1.",
        ),
        Mistake(
            "softmax of densities",
            _with_shares(lambda x, *bells: _normalised(np.exp(_log_joint(x, *bells)))),
            "this is a softmax of the densities. Divide the numerators themselves, or take the softmax of their "
            "logarithms.",
        ),
        Mistake(
            "nothing new",
            lambda x, weights, means, variances: np.array([weights, means, variances]),
            "these are the parameters that you were given. Where do the rows come in?",
        ),
        Mistake(
            "no E-step",
            lambda x, weights, means, variances: _m_step(x, np.tile(weights, (len(x), 1))),
            "every row is shared out by the weights alone, so that all components become the same. The E-step has to "
            "look at x.",
        ),
        Mistake("two iterations", lambda x, *bells: _iteration(x, *_iteration(x, *bells))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and abs(given[0].sum() - 1) > 1e-6,
            "the new weights must sum to 1, and these do not. Do the responsibilities of each row?",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.allclose(given[:2], wanted[:2])),
            "weights and means are right. Look at the variances: squared distances from the new mean, weighted by γ, "
            "divided by N_k.",
        ),
    ),
)

# --- 02.6: how far still to go --------------------------------------------------------------------------------

REMAINING = FunctionExercise(
    name="02.6",
    title="How far still to go?",
    question="A mean moved by `change` in the last iteration, and each change is `rate` times the one before it. "
    "How far will it still move, in all?",
    hints=(
        "The next change is `change * rate`, the one after it `change * rate**2`, and so on.",
        "A geometric series: rate + rate² + rate³ + … = rate / (1 − rate).",
        "So the answer is `change * rate / (1 - rate)`. At a rate of 0.5 that is as much again as the last change.",
    ),
    praise="at a rate of 0.97 the way ahead is 32 times the last change: a small change is no sign of being near.",
    reference=lambda change, rate: change * rate / (1 - rate),
    probes=((0.01, 0.3), (0.2, 0.9), (0.001, 0.97), (3.0, 0.6)),
    mistakes=(
        Mistake(
            "the last change",
            lambda change, rate: change,
            "this is the last change itself. It says how far the mean came, not how far it has to go.",
        ),
        Mistake(
            "one step only",
            lambda change, rate: change * rate,
            "this is the next change alone. After it come infinitely many more: add them all.",
        ),
        Mistake(
            "two steps",
            lambda change, rate: change * rate + change * rate**2,
            "these are the next two changes. The series goes on for ever: it has a closed form.",
        ),
        Mistake(
            "last change counted again",
            lambda change, rate: change / (1 - rate),
            "this counts the last change once more. That way is behind you: the series begins with `change * rate`.",
        ),
        Mistake(
            "upside down",
            lambda change, rate: change * (1 - rate) / rate,
            "upside down: as the rate nears 1, the way ahead has to grow beyond all bounds, not shrink.",
        ),
        Mistake(
            "one minus the rate",
            lambda change, rate: change * (1 - rate),
            "you multiplied by 1 − rate. The sum of a geometric series *divides* by it.",
        ),
        Mistake(
            "one plus",
            lambda change, rate: change * rate / (1 + rate),
            "this is the sum of changes whose sign alternates. EM's changes keep their direction: 1 − rate.",
        ),
        Mistake(
            "change forgotten",
            lambda change, rate: rate / (1 - rate),
            "this is how many last changes are still ahead. Multiply by the last change.",
        ),
        Mistake(
            "squared rate",
            lambda change, rate: change * rate**2 / (1 - rate**2),
            "the rate is squared: that holds for the log-likelihood, whose changes shrink twice as fast. Here a mean "
            "is asked for.",
        ),
        Mistake(
            "begins at the second",
            lambda change, rate: change * rate**2 / (1 - rate),
            "one term is missing: the very next change is `change * rate`, not `change * rate**2`.",
        ),
        Mistake("ten more", lambda change, rate: 10 * change),
    ),
)

# --- 02.7: the same components under other numbers ------------------------------------------------------------


def _overlap(gamma_a: Array, gamma_b: Array) -> Array:
    """How many rows component k of a and component j of b share, [K, K]."""
    return gamma_a.T @ gamma_b


def _best_order(overlap: Array) -> Array:
    k = len(overlap)
    orders = itertools.permutations(range(k))
    return np.array(max(orders, key=lambda order: overlap[np.arange(k), list(order)].sum()))


def _matching(gamma_a: Array, gamma_b: Array) -> Array:
    return _best_order(_overlap(gamma_a, gamma_b))


def _renumbered(seed: int, order: tuple[int, ...], mass: tuple[float, ...]) -> tuple[Array, Array]:
    """Two soft fits of the same rows: the second is perturbed a little, and its columns are in another order."""
    rng = np.random.default_rng(seed)
    component = rng.choice(len(order), 60, p=mass)
    logits = 3.0 * np.eye(len(order))[component] + rng.normal(0, 0.7, (60, len(order)))
    other = logits + rng.normal(0, 0.3, logits.shape)
    return _normalised(logits), _normalised(other)[:, list(order)]


def _taken_twice() -> tuple[Array, Array]:
    """Column 2 of the second fit has most of both 0 and 1 of the first; its column 0 has the rest of 0."""
    pairs = np.repeat([[0, 0], [0, 2], [1, 2], [2, 1]], [18, 22, 30, 30], axis=0)
    soft = 0.94 * np.eye(3) + 0.02
    return soft[pairs[:, 0]], soft[pairs[:, 1]]


MATCHING = FunctionExercise(
    name="02.7",
    title="The same components, renumbered",
    question="Two fits of the same rows. Return K column numbers `order`, so that column k of gamma_b[:, order] is "
    "the component that is column k of gamma_a.",
    hints=(
        "Two columns belong together if they answer for the same rows. What is large for such a pair, small otherwise?",
        "`overlap = gamma_a.T @ gamma_b` is [K, K]: entry (k, j) is large if k of the first is j of the second.",
        "Each column once: `scipy.optimize.linear_sum_assignment(-overlap)[1]`, or try all "
        "`itertools.permutations(range(K))` and keep the one with the largest sum.",
    ),
    praise="the numbers of components mean nothing, what they answer for does. Match first, then compare or average.",
    reference=_matching,
    probes=(
        _renumbered(0, (2, 0, 1), (0.35, 0.33, 0.32)),
        _renumbered(1, (1, 2, 3, 0), (0.15, 0.35, 0.3, 0.2)),
        _taken_twice(),
        _taken_twice()[::-1],
    ),
    mistakes=(
        Mistake(
            "the inverse",
            lambda gamma_a, gamma_b: np.argsort(_matching(gamma_a, gamma_b)),
            "this is the inverse: it brings the *first* fit into the order of the second. For each column of gamma_a, "
            "find its column in gamma_b.",
        ),
        Mistake(
            "one taken twice",
            lambda gamma_a, gamma_b: _overlap(gamma_a, gamma_b).argmax(axis=1),
            "nearly: the nearest column for each component can be the same one twice, and another is then lost. Each "
            "has to be used once: `scipy.optimize.linear_sum_assignment`, or try all permutations.",
        ),
        Mistake(
            "argmax over the wrong axis",
            lambda gamma_a, gamma_b: _overlap(gamma_a, gamma_b).argmax(axis=0),
            "the maximum is taken along the wrong axis: for each column of gamma_a (a row of the overlap) you look for "
            "a column of gamma_b. And each may be used once only.",
        ),
        Mistake(
            "as it came",
            lambda gamma_a, gamma_b: np.arange(gamma_a.shape[1]),
            "this leaves the order as it is: component 0 of one fit need not be component 0 of another.",
        ),
        Mistake(
            "the worst match",
            lambda gamma_a, gamma_b: _best_order(-_overlap(gamma_a, gamma_b)),
            "this is the order that fits *least*: `linear_sum_assignment` minimises, so give it minus the overlap "
            "(or `maximize=True`).",
        ),
        Mistake(
            "ordered by size",
            lambda gamma_a, gamma_b: np.argsort(gamma_b.sum(axis=0)),
            "this orders the second fit by N_k. That matches nothing as long as the first is not in that order too, "
            "and sizes can tie: compare which rows they answer for.",
        ),
        Mistake(
            "ranks matched",
            lambda gamma_a, gamma_b: np.argsort(gamma_b.sum(axis=0))[
                np.argsort(np.argsort(gamma_a.sum(axis=0)))
            ],
            "you matched the largest with the largest, and so on. Components of similar size swap ranks easily: "
            "compare which rows they answer for.",
        ),
        Mistake(
            "the overlap",
            _overlap,
            "this is the overlap of each pair, a good beginning. Now choose one column for each row of it.",
        ),
        Mistake("turned round", lambda gamma_a, gamma_b: np.arange(gamma_a.shape[1])[::-1]),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and len(set(given.tolist())) < len(given),
            "a column number occurs twice, so that another component is lost: each is used once.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and given.min() == 1,
            "columns are counted from 0.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (BOUND, TOUCH, MULTIPLIER, GRADIENT, ITERATION, REMAINING, MATCHING)
