"""Exercises of notebook 06: Dirichlet weights, prior plus sums, expected logs, VB's shares, mean field, new rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, logsumexp, softmax
from scipy.stats import norm, t

from mixturelab.exercises.compare import Numbers
from mixturelab.exercises.exercise import ChoiceExercise, Exercise, FunctionExercise, Mistake, Symptom

__all__ = ["EXERCISES"]

Array = NDArray[np.float64]


def _is_one_number(given: Numbers, wanted: Numbers) -> bool:
    return given.ndim == 0 and wanted.ndim == 1


# --- 06.1: expected weights ---------------------------------------------------------------------------------


def _expected_weights(alpha: float, N_k: Array) -> Array:
    return (alpha + N_k) / (alpha + N_k).sum()


WEIGHTS = FunctionExercise(
    name="06.1",
    title="What the weights are worth now",
    question="Return the expected weights after the counts N_k, under a Dirichlet with one α for each "
    "component.",
    hints=(
        "Learning is adding: after the counts the Dirichlet has α_k = α + N_k.",
        "Its mean is each α_k divided by the sum of all. That sum is K α + N.",
        "`(alpha + N_k) / (alpha + N_k).sum()`.",
    ),
    praise="each component starts with α rows that nobody has seen. No weight is ever exactly 0, and with "
    "many rows α is forgotten.",
    reference=_expected_weights,
    probes=(
        (0.5, np.array([97.0, 175.0])),
        (2.0, np.array([3.0, 0.0, 1.0, 6.0])),
        (0.1, np.array([4.5, 0.0, 1.5])),
    ),
    mistakes=(
        Mistake(
            "maximum likelihood",
            lambda a, n: n / n.sum(),
            "this is N_k / N, the M-step of EM: the prior is missing. Add α to each count first.",
        ),
        Mistake(
            "not divided",
            lambda a, n: a + n,
            "these are the α_k, right so far. Divide by their sum: weights add up to 1.",
        ),
        Mistake(
            "divided by N",
            lambda a, n: (a + n) / n.sum(),
            "you divided by N, so that the weights sum to more than 1. The rows of the prior count below "
            "as well: K α + N.",
        ),
        Mistake(
            "divided by N plus alpha",
            lambda a, n: (a + n) / (n.sum() + a),
            "you added α to the divisor once. Each of the K components has its own α: K α + N.",
        ),
        Mistake(
            "mode",
            lambda a, n: (n + a - 1) / (n + a - 1).sum(),
            "the −1 belongs to the *mode* of a Dirichlet, its highest point. The mean is asked for: leave "
            "it out.",
        ),
        Mistake(
            "alpha shared out",
            lambda a, n: (a / len(n) + n) / (a + n.sum()),
            "you shared α out among the components. Here every component has α of its own.",
        ),
        Mistake(
            "one more",
            lambda a, n: (n + 1) / (n.sum() + len(n)),
            "you added 1 to each count: that is Laplace's rule, the case α = 1. Add `alpha`.",
        ),
        Mistake(
            "prior alone",
            lambda a, n: np.full(len(n), 1 / len(n)),
            "this is the mean of the prior, 1/K for each: the rows have not come in yet.",
        ),
        Mistake(
            "average of both",
            lambda a, n: (n / n.sum() + 1 / len(n)) / 2,
            "you took half of the prior's mean and half of the rows' shares. How much the prior counts "
            "depends on α: it has K α rows against N.",
        ),
        Mistake(
            "expected log",
            lambda a, n: np.exp(digamma(a + n) - digamma((a + n).sum())),
            "this is exp E[log π_k], which comes in section 5, and does not sum to 1. The mean is "
            "simpler: no ψ.",
        ),
        Mistake(
            "softmax",
            lambda a, n: softmax(a + n),
            "a softmax raises e to the counts. They are shares already once divided by their sum: no `exp`.",
        ),
        Mistake(
            "subtracted",
            lambda a, n: (n - a) / (n - a).sum(),
            "you subtracted α. The prior's rows are *added* to those that were seen.",
        ),
        Mistake("square root", lambda a, n: np.sqrt(a + n) / np.sqrt(a + n).sum()),
    ),
    symptoms=(
        Symptom(_is_one_number, "this is a single number: one expected weight for each component is wanted."),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and not np.isclose(given.sum(), 1),
            "expected weights sum to 1, these do not: divide by the sum of what you have.",
        ),
    ),
)

# --- 06.2: prior plus sums ----------------------------------------------------------------------------------


def _posterior(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    after = beta + len(x)
    mean = (beta * m + x.sum()) / after
    return np.array([after, mean, nu + len(x), V + beta * m**2 + (x**2).sum() - after * mean**2])


def _with(index: int, value: Callable[..., float]) -> Callable[..., Array]:
    """The right posterior with one of its four numbers worked out in another way."""

    def answer(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
        out = _posterior(x, beta, m, nu, V)
        out[index] = value(x, beta, m, nu, V)
        return out

    return answer


def _scatter(x: Array) -> float:
    return float(((x - x.mean()) ** 2).sum())


def _pull(x: Array, beta: float, m: float) -> float:
    return float(beta * len(x) / (beta + len(x)) * (x.mean() - m) ** 2)


def _no_prior(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    return np.array([len(x), x.mean(), len(x), _scatter(x)])


def _half_counts(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    out = _posterior(x, beta, m, nu, V)
    return np.array([out[0], out[1], nu + len(x) / 2, V + (out[3] - V) / 2])


_MEAN = _with(1, lambda x, b, m, nu, V: x.mean())


def _mean_and_scatter_of_rows(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    return np.array([beta + len(x), x.mean(), nu + len(x), V + _scatter(x)])


def _sums(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    n = len(x)
    return np.array([beta + n, beta * m + x.sum(), nu + n, V + beta * m**2 + (x**2).sum()])


SUMS = FunctionExercise(
    name="06.2",
    title="Prior plus sums",
    question="Return [β, m, ν, V] after the rows x, from the prior's β_0, m_0, ν_0 and V_0.",
    hints=(
        "The table says it line by line: β = β_0 + N, ν = ν_0 + N, and the two sums add in the same way.",
        "The first sum after is β m = β_0 m_0 + Σ x. Divide by β for m.",
        "The second is V + β m² = V_0 + β_0 m_0² + Σ x². So `V = V_0 + beta_0 * m_0**2 + (x**2).sum() - "
        "beta * m**2`.",
    ),
    praise="five sums, one plus sign. Rows in another order, or in two portions, give the same: "
    "yesterday's posterior is today's prior.",
    reference=_posterior,
    probes=(
        (np.array([79.0, 54.0, 74.0]), 0.1, 70.0, 4.0, 144.0),
        (np.array([1.0, 2.5, -0.5, 4.0]), 2.0, -1.0, 1.5, 3.0),
        (np.array([12.0, 10.0]), 5.0, 8.0, 3.0, 0.5),
    ),
    mistakes=(
        Mistake(
            "no prior",
            _no_prior,
            "these are the rows' own numbers: N, their mean, N, their scatter. The prior is missing: add "
            "it to each sum.",
        ),
        Mistake(
            "mean of the rows",
            _MEAN,
            "β, ν and V are right. m is the mean of the rows alone: the prior's mean takes part with β_0 "
            "rows, m = (β_0 m_0 + Σ x) / β.",
        ),
        Mistake(
            "mean and scatter of the rows",
            _mean_and_scatter_of_rows,
            "β and ν are right, but m and V ignore m_0. m = (β_0 m_0 + Σ x) / β; and V grows by more than "
            "the rows' scatter if their mean lies away from m_0.",
        ),
        Mistake(
            "no pull",
            _with(3, lambda x, b, m, nu, V: V + _scatter(x)),
            "β, m and ν are right. V is V_0 plus the rows' scatter about *their* mean; that their mean "
            "lies away from m_0 is a surprise too. Use the second sum, V = V_0 + β_0 m_0² + Σ x² − β m².",
        ),
        Mistake(
            "scatter about the new mean",
            _with(3, lambda x, b, m, nu, V: V + ((x - _posterior(x, b, m, nu, V)[1]) ** 2).sum()),
            "β, m and ν are right. V has the rows' scatter about the new m, but not the prior's own β_0 "
            "rows, which lie at m_0: β_0 (m_0 − m)² is missing.",
        ),
        Mistake(
            "scatter about the old mean",
            _with(3, lambda x, b, m, nu, V: V + ((x - m) ** 2).sum()),
            "β, m and ν are right. V has the scatter about m_0, where the belief *was*. Take the second "
            "sum, and β m² off it with the new m.",
        ),
        Mistake(
            "sums not undone",
            _sums,
            "these are the five sums themselves. Read m and V out of them: m = first / β, V = second − β m².",
        ),
        Mistake(
            "V not undone",
            _with(3, lambda x, b, m, nu, V: V + b * m**2 + (x**2).sum()),
            "β, m and ν are right. The last is the second sum, V + β m²: take β m² off, with the new m.",
        ),
        Mistake(
            "old m taken off",
            _with(3, lambda x, b, m, nu, V: V + (x**2).sum() - len(x) * m**2),
            "β, m and ν are right. From the second sum you took m_0² off again: take off β m² with the "
            "*new* β and m.",
        ),
        Mistake(
            "V averaged",
            _with(3, lambda x, b, m, nu, V: _posterior(x, b, m, nu, V)[3] / (nu + len(x))),
            "β, m and ν are right. You divided V by ν: that is the believed variance. V itself is a sum "
            "of squares.",
        ),
        Mistake(
            "half counts",
            _half_counts,
            "you added halves, as for the shape and rate of a Gamma. Here ν and V are twice those: whole "
            "counts.",
        ),
        Mistake(
            "freedom less one",
            _with(2, lambda x, b, m, nu, V: nu + len(x) - 1),
            "β, m and V are right. No degree of freedom is lost here: ν = ν_0 + N. (The −1 of the sample "
            "variance comes from a mean without a prior.)",
        ),
        Mistake(
            "m not divided",
            _with(1, lambda x, b, m, nu, V: b * m + x.sum()),
            "β, ν and V are right. m is still the first sum, β m: divide by β.",
        ),
        Mistake(
            "m divided by N",
            _with(1, lambda x, b, m, nu, V: (b * m + x.sum()) / len(x)),
            "β, ν and V are right. In m the prior's β_0 rows count above and not below: divide by β_0 + N.",
        ),
        Mistake(
            "halfway",
            _with(1, lambda x, b, m, nu, V: (m + x.mean()) / 2),
            "β, ν and V are right. m is halfway between m_0 and the rows' mean; they count for β_0 and "
            "for N rows.",
        ),
        Mistake(
            "weights without counts",
            _with(1, lambda x, b, m, nu, V: (b * m + x.mean()) / (b + 1)),
            "β, ν and V are right. In m the rows' mean counts for one row: it stands for N of them.",
        ),
        Mistake("prior", lambda x, b, m, nu, V: [b, m, nu, V]),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: (
                given.shape == wanted.shape
                and bool(
                    np.allclose(given[:3], wanted[:3]) and np.isclose(abs(given[3] - wanted[3]), 0, atol=1.0)
                )
            ),
            "β, m and ν are right, and V is near. Is the factor of (x̄ − m_0)² in it β_0 N / (β_0 + N)?",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.allclose(given[:3], wanted[:3])),
            "β, m and ν are right; V is not. V + β m² = V_0 + β_0 m_0² + Σ x².",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(given[3] < 0),
            "V is negative, and it is a sum of squares: take off β m² with the new β and the new m.",
        ),
    ),
)

# --- 06.3: expected logarithm of a weight -------------------------------------------------------------------


def _expected_log(alpha: Array) -> Array:
    return digamma(alpha) - digamma(alpha.sum())


EXPECTED_LOG = FunctionExercise(
    name="06.3",
    title="A weight's expected logarithm",
    question="Return E[log π_k] under a Dirichlet with concentrations α_k.",
    hints=(
        "log Γ(α_k) has the slope ψ(α_k). In log Γ(Σ α), the sum grows by as much as α_k does: its slope "
        "is ψ(Σ α).",
        "`digamma` takes arrays. The sum is one number, `alpha.sum()`.",
        "`digamma(alpha) - digamma(alpha.sum())`.",
    ),
    praise="always below log E[π_k], by Jensen's inequality: an uncertain weight is charged for its "
    "uncertainty. The smaller α_k, the dearer.",
    reference=_expected_log,
    probes=(
        (np.array([98.0, 176.0]),),
        (np.array([0.1, 3.0, 7.5, 0.6]),),
        (np.array([1.0, 1.0, 1.0]),),
    ),
    mistakes=(
        Mistake(
            "log of the mean",
            lambda a: np.log(a / a.sum()),
            "this is the log of the expected weight, as EM would take it. The expected log is lower: ψ in "
            "place of log.",
        ),
        Mistake(
            "sum missing",
            lambda a: digamma(a),
            "the second part is missing: subtract ψ of the sum of all α_k. Without it no component would "
            "know of the others.",
        ),
        Mistake(
            "sum of digammas",
            lambda a: digamma(a) - digamma(a).sum(),
            "you subtracted the sum of the ψ. It is ψ of the sum: add first.",
        ),
        Mistake(
            "digamma of the mean",
            lambda a: digamma(a / a.sum()),
            "you took ψ of the shares. It wants the α_k themselves, since it matters how *many* rows "
            "stand behind a share.",
        ),
        Mistake(
            "quotient",
            lambda a: digamma(a) / digamma(a.sum()),
            "you divided. A quotient of weights is a difference of logarithms, of ψ as well: subtract.",
        ),
        Mistake(
            "log of the quotient",
            lambda a: np.log(np.abs(digamma(a) / digamma(a.sum()))),
            "ψ is a kind of logarithm already: subtract the two, and take no `np.log`.",
        ),
        Mistake(
            "log of the sum",
            lambda a: digamma(a) - np.log(a.sum()),
            "right in the first part; the second is ψ of the sum as well, not its log.",
        ),
        Mistake(
            "log of each",
            lambda a: np.log(a) - digamma(a.sum()),
            "right in the second part; the first is ψ(α_k), not its log. It is there that the half row is "
            "paid.",
        ),
        Mistake(
            "exponentiated",
            lambda a: np.exp(_expected_log(a)),
            "this is exp of what is asked for. Leave it as a logarithm: it goes into a sum of logarithms.",
        ),
        Mistake(
            "sign",
            lambda a: -_expected_log(a),
            "the sign is turned round: logarithms of weights are negative.",
        ),
        Mistake(
            "added",
            lambda a: digamma(a) + digamma(a.sum()),
            "you added ψ of the sum. The weights are divided by their sum, so in logarithms subtract.",
        ),
        Mistake(
            "by K",
            lambda a: digamma(a) - digamma(a.mean()),
            "you took ψ of the mean of the α_k. Of their sum.",
        ),
        Mistake(
            "made to sum to one",
            lambda a: _expected_log(a) - logsumexp(_expected_log(a)),
            "you normalised, so that exp of it sums to 1. It is not meant to: what is missing to 1 is "
            "what doubt costs.",
        ),
        Mistake(
            "half a row",
            lambda a: np.log(np.maximum(a - 0.5, 1e-12)) - np.log(a.sum() - 0.5),
            "you used ψ(α) ≈ log(α − ½). For large α that is good, for small α it is off: use `digamma`.",
        ),
        Mistake("uniform", lambda a: np.full(len(a), -np.log(len(a)))),
    ),
    symptoms=(
        Symptom(
            _is_one_number, "this is a single number: one expected logarithm for each component is wanted."
        ),
        Symptom(
            lambda given, wanted: bool((given > 0).any()),
            "some are above 0: the logarithm of a weight never is, nor is its mean.",
        ),
    ),
)

# --- 06.4: shares from a belief -----------------------------------------------------------------------------

Belief = tuple[Array, Array, Array, Array, Array]


def _log_pi(alpha: Array) -> Array:
    return digamma(alpha) - digamma(alpha.sum())


def _log_precision(nu: Array, V: Array) -> Array:
    return digamma(nu / 2) - np.log(V / 2)


def _distance(x: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
    return 1 / beta + nu / V * (x[:, None] - m) ** 2


def _normalised(log_joint: Array, axis: int = 1) -> Array:
    return np.exp(log_joint - logsumexp(log_joint, axis=axis, keepdims=True))


def _log_joint(x: Array, alpha: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
    bells = 0.5 * (_log_precision(nu, V) - np.log(2 * np.pi) - _distance(x, beta, nu, m, V))
    return _log_pi(alpha) + bells


def _shares(x: Array, alpha: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
    return _normalised(_log_joint(x, alpha, beta, nu, m, V))


def _built(
    log_pi: Callable[[Array], Array] = _log_pi,
    log_precision: Callable[[Array, Array], Array] = _log_precision,
    distance: Callable[..., Array] = _distance,
    halves: tuple[float, float] = (0.5, 0.5),
) -> Callable[..., Array]:
    """Shares with one of the three expectations, or a factor ½, replaced."""

    def answer(x: Array, alpha: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
        first, second = halves
        logs = first * log_precision(nu, V) - second * distance(x, beta, nu, m, V)
        return _normalised(log_pi(alpha) + logs)

    return answer


def _student(x: Array, alpha: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
    bells = t.logpdf(x[:, None], nu, m, np.sqrt(V / nu * (1 + 1 / beta)))
    return _normalised(np.log(alpha / alpha.sum()) + bells)


def _plug_in(x: Array, alpha: Array, beta: Array, nu: Array, m: Array, V: Array) -> Array:
    return _normalised(np.log(alpha / alpha.sum()) + norm.logpdf(x[:, None], m, np.sqrt(V / nu)))


_ROWS = np.array([43.0, 54.0, 62.0, 66.0, 70.0, 79.0, 96.0])
_BELIEF: Belief = (
    np.array([4.5, 6.0]),
    np.array([3.2, 5.5]),
    np.array([5.0, 7.0]),
    np.array([56.0, 78.0]),
    np.array([300.0, 450.0]),
)
_THREE: Belief = (
    np.array([0.7, 2.5, 9.0]),
    np.array([1.3, 0.6, 8.0]),
    np.array([2.0, 3.5, 9.0]),
    np.array([0.0, 2.0, -1.5]),
    np.array([4.0, 2.0, 30.0]),
)

SHARES = FunctionExercise(
    name="06.4",
    title="Shares from a belief",
    question="Return γ [N, K] for rows x under the belief α, β, ν, m, V: EM's E-step with expected "
    "logarithms.",
    hints=(
        "A table [N, K] of logarithms first: E[log π_k] + ½ E[log Λ_k] − ½ E[Λ_k (x_n − μ_k)²]. `x[:, "
        "None] - m` is [N, K].",
        "The three: `digamma(alpha) - digamma(alpha.sum())`, `digamma(nu / 2) - np.log(V / 2)`, and "
        "`1 / beta + nu / V * (x[:, None] - m) ** 2`.",
        "Then as in notebook 01: `np.exp(a - logsumexp(a, axis=1, keepdims=True))`. (½ log 2π is the same "
        "for all k, and cancels.)",
    ),
    praise="that is half of variational Bayes; the other half is a plus sign. For many rows ψ becomes log "
    "and 1/β becomes 0: EM's E-step.",
    reference=_shares,
    probes=((_ROWS, *_BELIEF), (np.array([-4.0, -1.0, 0.5, 1.0, 2.5]), *_THREE)),
    mistakes=(
        Mistake(
            "plug in",
            _plug_in,
            "this is EM's E-step with the believed parameters plugged in. Replace each of its logarithms "
            "by the expected one.",
        ),
        Mistake(
            "log of the expected weight",
            _built(log_pi=lambda a: np.log(a / a.sum())),
            "the bells are right; the weights come in as log E[π_k]. Take E[log π_k], as in 06.3.",
        ),
        Mistake(
            "log of the expected precision",
            _built(log_precision=lambda nu, V: np.log(nu / V)),
            "nearly: you took log E[Λ] = log(ν/V). E[log Λ] is ψ(ν/2) − log(V/2).",
        ),
        Mistake(
            "no 1 over beta",
            _built(distance=lambda x, b, nu, m, V: nu / V * (x[:, None] - m) ** 2),
            "nearly: the mean is uncertain, too, and each component pays 1/β_k for that. Add it to the "
            "distance.",
        ),
        Mistake(
            "beta times",
            _built(distance=lambda x, b, nu, m, V: b + nu / V * (x[:, None] - m) ** 2),
            "you added β. The doubt about a mean is 1/β: the more rows, the smaller.",
        ),
        Mistake(
            "no nu",
            _built(distance=lambda x, b, nu, m, V: 1 / b + (x[:, None] - m) ** 2 / V),
            "you divided the square by V. V is a *sum* of squares; the expected precision is ν/V.",
        ),
        Mistake(
            "standard deviation for variance",
            _built(distance=lambda x, b, nu, m, V: 1 / b + (x[:, None] - m) ** 2 / np.sqrt(V / nu)),
            "you divided the square by √(V/ν), a standard deviation. Divide by V/ν, the variance.",
        ),
        Mistake(
            "half of the distance missing",
            _built(halves=(0.5, 1.0)),
            "the factor ½ in front of the distance is missing.",
        ),
        Mistake(
            "half of the precision missing",
            _built(halves=(1.0, 0.5)),
            "the factor ½ in front of E[log Λ] is missing: the density has the *root* of the precision in "
            "front.",
        ),
        Mistake(
            "both halves missing",
            _built(halves=(1.0, 1.0)),
            "both factors ½ are missing, that of E[log Λ] and that of the distance.",
        ),
        Mistake(
            "sign of the precision",
            _built(halves=(-0.5, 0.5)),
            "½ E[log Λ] has the wrong sign: Λ is 1 over the variance, and a narrow bell is a high one.",
        ),
        Mistake(
            "precision missing",
            _built(halves=(0.0, 0.5)),
            "E[log Λ_k] is missing: it differs from component to component, and does not cancel.",
        ),
        Mistake(
            "weights missing",
            _built(log_pi=lambda a: np.zeros(len(a))),
            "the weights are missing: add E[log π_k].",
        ),
        Mistake(
            "digamma without halves",
            _built(log_precision=lambda nu, V: digamma(nu) - np.log(V)),
            "in E[log Λ] both arguments are halved: ψ(ν/2) − log(V/2).",
        ),
        Mistake(
            "V not halved",
            _built(log_precision=lambda nu, V: digamma(nu / 2) - np.log(V / nu)),
            "you used ψ(ν/2) − log(V/ν). The believed variance V/ν does not belong here: log(V/2).",
        ),
        Mistake(
            "student",
            _student,
            "these are shares under the predictive Student-t densities, which section 12 brings. VB's "
            "E-step takes expected *logarithms*, not averaged densities.",
        ),
        Mistake(
            "wrong axis",
            lambda x, *b: _normalised(_log_joint(x, *b), axis=0),
            "you normalised down the columns: each component would share itself out among the rows. "
            "`axis=1`.",
        ),
        Mistake(
            "over everything",
            lambda x, *b: np.exp(_log_joint(x, *b)) / np.exp(_log_joint(x, *b)).sum(),
            "you divided by the sum of the whole table. Each *row* sums to 1: `axis=1, keepdims=True`.",
        ),
        Mistake(
            "not normalised",
            lambda x, *b: np.exp(_log_joint(x, *b)),
            "right up to the last step: divide each row by its sum.",
        ),
        Mistake(
            "logarithms",
            lambda x, *b: _log_joint(x, *b),
            "this is the table of logarithms. Take `np.exp` after subtracting each row's `logsumexp`.",
        ),
        Mistake(
            "hard for soft",
            lambda x, *b: np.eye(len(b[0]))[_log_joint(x, *b).argmax(axis=1)],
            "this is all or nothing. Keep the shares: exp and divide.",
        ),
        Mistake(
            "turned round",
            lambda x, *b: _shares(x, *b).T,
            "this is [K, N]: transpose, one line for each row of the table.",
        ),
        Mistake("equal", lambda x, *b: np.full((len(x), len(b[0])), 1 / len(b[0]))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and not np.allclose(given.sum(axis=1), 1),
            "the rows do not sum to 1: divide each by its sum.",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.abs(given - wanted).max() < 0.2),
            "near. Go through the three: ψ(α_k) − ψ(Σα), ½(ψ(ν/2) − log(V/2)), ½(1/β + ν/V · (x − m)²).",
        ),
    ),
)

# --- 06.5: read a disagreement ------------------------------------------------------------------------------

DISAGREEMENT = ChoiceExercise(
    name="06.5",
    title="Read a disagreement",
    question="Four kept at −1310, three at −1296, five at −1301 under another prior; BIC chooses three. "
    "What follows?",
    hints=(
        "What is kept depends on where a run began. Which number compares runs?",
        "The bound stands in for the log evidence, prior and all. Models that differ in their priors are "
        "models, too.",
        "Look for the highest bound.",
    ),
    praise="the bound compares starts, K and priors, as the evidence would. It stays a *bound*, and a "
    "difference of 5 nats is one of bounds: look at the runner-up before you write a paper.",
    choices=("a", "b", "c", "d"),
    right="c",
    mistakes=(
        Mistake(
            "a",
            "a",
            "fits are not votes. The four is a lower hill: 14 nats below, a factor of a million in evidence.",
        ),
        Mistake(
            "b",
            "b",
            "a smaller prior scatter is no weaker prior: it believes in *narrow* components, and gets "
            "more of them. Its bound is 5 nats lower.",
        ),
        Mistake(
            "d",
            "d",
            "bounds of different priors do compare: each is a bound on log p(x) of the same rows, with "
            "its prior averaged over. (BICs would not: they drop the prior.)",
        ),
    ),
)

# --- 06.6: how narrow is the mean field? --------------------------------------------------------------------


def _mean_field(covariance: Array) -> Array:
    return 1 / np.diag(np.linalg.inv(covariance))


_TILTED = np.array([[4.0, 2.4], [2.4, 2.0]])
_THREE_D = np.array([[2.0, 0.9, -0.3], [0.9, 1.5, 0.4], [-0.3, 0.4, 0.6]])
_EQUAL = np.array([[1.0, 0.9], [0.9, 1.0]])

MEAN_FIELD = FunctionExercise(
    name="06.6",
    title="How narrow is the mean field?",
    question="Return the variances 1 / (Σ⁻¹)_dd of the best q that splits into single features.",
    hints=(
        "Two inversions, of different kinds: first of the matrix, then of numbers.",
        "`np.linalg.inv(covariance)`, then its diagonal.",
        "`1 / np.diag(np.linalg.inv(covariance))`.",
    ),
    praise="these are *conditional* variances: how far one feature moves while the others hold still. For "
    "a correlation of 0.9 that is a fifth of the variance.",
    reference=_mean_field,
    probes=((_TILTED,), (_THREE_D,), (_EQUAL,)),
    mistakes=(
        Mistake(
            "marginal",
            np.diag,
            "these are the marginal variances: the best split for the *other* KL(p ‖ q), which covers. VB "
            "minimises KL(q ‖ p).",
        ),
        Mistake(
            "precisions",
            lambda S: np.diag(np.linalg.inv(S)),
            "these are the precisions of the features. A variance is 1 over that.",
        ),
        Mistake(
            "inverse variances",
            lambda S: 1 / np.diag(S),
            "you inverted the diagonal of Σ: the tilt never came in. Invert the matrix first, then take "
            "the diagonal.",
        ),
        Mistake(
            "standard deviations",
            lambda S: np.sqrt(_mean_field(S)),
            "these are standard deviations. Variances are wanted: leave out the root.",
        ),
        Mistake(
            "squared",
            lambda S: _mean_field(S) ** 2,
            "these are squared variances: 1 / (Σ⁻¹)_dd is a variance already.",
        ),
        Mistake(
            "eigenvalues",
            lambda S: np.linalg.eigvalsh(S)[::-1],
            "these are the eigenvalues, variances along the ellipse's own axes. q has to split along the "
            "*features*.",
        ),
        Mistake(
            "smallest eigenvalue",
            lambda S: np.full(len(S), np.linalg.eigvalsh(S)[0]),
            "this is the smallest eigenvalue for all: a circle wholly inside the ellipse. The best q is a little "
            "wider, 1 / (Σ⁻¹)_dd.",
        ),
        Mistake(
            "determinant",
            lambda S: np.full(len(S), np.linalg.det(S) ** (1 / len(S))),
            "this keeps the volume of the ellipse. The best q has less: take 1 / (Σ⁻¹)_dd.",
        ),
        Mistake(
            "whole inverse",
            lambda S: 1 / np.linalg.inv(S),
            "this is 1 over each entry of Σ⁻¹. Only the diagonal is meant: `np.diag`.",
        ),
        Mistake(
            "diagonal matrix",
            lambda S: np.diag(_mean_field(S)),
            "the numbers are right, as a matrix: return the D variances by themselves.",
        ),
        Mistake(
            "off diagonal sums",
            lambda S: 1 / np.linalg.inv(S).sum(axis=1),
            "you added up the rows of Σ⁻¹. Only its diagonal counts: `np.diag`.",
        ),
        Mistake(
            "cholesky",
            lambda S: np.diag(np.linalg.cholesky(S)) ** 2,
            "these are the squared diagonal entries of the Cholesky factor: feature d given those "
            "*before* it. Given all others, it is 1 / (Σ⁻¹)_dd.",
        ),
        Mistake(
            "one feature's correlation",
            lambda S: np.diag(S) * (1 - (S[0, 1] ** 2) / (S[0, 0] * S[1, 1])),
            "σ²(1 − ρ²) with one ρ: right for two features. With three, *all* the others hold still: 1 / "
            "(Σ⁻¹)_dd.",
        ),
    ),
    symptoms=(
        Symptom(_is_one_number, "this is one number: each of the D features has its own variance."),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool((given > wanted * 1.0001).any()),
            "too wide: with the others held still, a feature moves less than by itself.",
        ),
    ),
)

# --- 06.7: the next row -------------------------------------------------------------------------------------


def _predictive(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
    return t.pdf(x, nu, m, np.sqrt(V / nu * (1 + 1 / beta)))


def _student_with(
    scale: Callable[[float, float, float], float], freedom: Callable[[float], float] = lambda nu: nu
) -> Callable[..., Array]:
    def answer(x: Array, beta: float, m: float, nu: float, V: float) -> Array:
        return t.pdf(x, freedom(nu), m, scale(beta, nu, V))

    return answer


def _right_scale(beta: float, nu: float, V: float) -> float:
    return float(np.sqrt(V / nu * (1 + 1 / beta)))


NEXT_ROW = FunctionExercise(
    name="06.7",
    title="The next row",
    question="Return the predictive density of one component at x: a Student-t from β, m, ν and V.",
    hints=(
        "`scipy.stats.t.pdf(x, df, loc, scale)`: ν, m, and a scale that is the root of the formula's scale².",
        "scale² = V/ν · (1 + 1/β).",
        "`t.pdf(x, nu, m, np.sqrt(V / nu * (1 + 1 / beta)))`.",
    ),
    praise="with ν = 3, a row beyond ten scales is about as likely as one beyond three in a Gaussian. "
    "Doubt about the spread makes the tails, doubt about the mean the factor 1 + 1/β.",
    reference=_predictive,
    probes=(
        (np.array([40.0, 67.0, 80.0, 110.0]), 5.1, 79.0, 9.0, 400.0),
        (np.array([-6.0, 0.0, 1.0, 9.0]), 0.5, 1.0, 2.5, 4.0),
    ),
    mistakes=(
        Mistake(
            "plug in",
            lambda x, b, m, nu, V: norm.pdf(x, m, np.sqrt(V / nu)),
            "this is the bell with its believed parameters plugged in. Averaging over all bells gives a "
            "Student-t.",
        ),
        Mistake(
            "gaussian with doubt in the mean",
            lambda x, b, m, nu, V: norm.pdf(x, m, _right_scale(b, nu, V)),
            "the scale is right, the tails are not: with an uncertain variance it is a Student-t with ν "
            "degrees of freedom.",
        ),
        Mistake(
            "no doubt in the mean",
            _student_with(lambda b, nu, V: float(np.sqrt(V / nu))),
            "nearly: the factor 1 + 1/β is missing, the doubt about the mean.",
        ),
        Mistake(
            "only the doubt in the mean",
            _student_with(lambda b, nu, V: float(np.sqrt(V / nu / b))),
            "this is the density of the *mean*, with scale² V/(ν β). A new row scatters about it as well: "
            "1 + 1/β.",
        ),
        Mistake(
            "scale not rooted",
            _student_with(lambda b, nu, V: V / nu * (1 + 1 / b)),
            "you passed the square of the scale: take its root.",
        ),
        Mistake(
            "V not divided",
            _student_with(lambda b, nu, V: float(np.sqrt(V * (1 + 1 / b)))),
            "V is a sum of squares: divide by ν.",
        ),
        Mistake(
            "beta added",
            _student_with(lambda b, nu, V: float(np.sqrt(V / nu * (1 + b)))),
            "you multiplied by 1 + β. The more rows stand behind a mean, the *less* doubt: 1 + 1/β.",
        ),
        Mistake(
            "freedom less one",
            _student_with(_right_scale, lambda nu: nu - 1),
            "one degree of freedom too few: the mean's doubt is in the scale already. It is ν.",
        ),
        Mistake(
            "freedom one more",
            _student_with(_right_scale, lambda nu: nu + 1),
            "one degree of freedom too many. (ν + 1 stands in the *exponent*, −(ν + 1)/2, not as the "
            "degrees.)",
        ),
        Mistake(
            "half the freedom",
            _student_with(_right_scale, lambda nu: nu / 2),
            "ν/2 is the shape of the Gamma. The Student-t has ν degrees of freedom.",
        ),
        Mistake(
            "beta for nu",
            lambda x, b, m, nu, V: t.pdf(x, b, m, _right_scale(b, nu, V)),
            "the degrees of freedom are those of the spread, ν. β counts for the mean.",
        ),
        Mistake(
            "logarithm",
            lambda x, *b: np.log(_predictive(x, *b)),
            "this is the logarithm of it: `pdf` instead of `logpdf`.",
        ),
        Mistake(
            "not moved",
            lambda x, b, m, nu, V: t.pdf(x, nu, 0, _right_scale(b, nu, V)),
            "this bell stands at 0: pass m as `loc`.",
        ),
        Mistake(
            "standardised only",
            lambda x, b, m, nu, V: t.pdf((x - m) / _right_scale(b, nu, V), nu),
            "you standardised x and forgot to divide the density by the scale: its area is not 1. Pass "
            "`scale` to `t.pdf`.",
        ),
        Mistake(
            "order of arguments",
            lambda x, b, m, nu, V: t.pdf(x, m, nu, _right_scale(b, nu, V)),
            "the degrees of freedom and the place have changed seats: `t.pdf(x, df, loc, scale)`.",
        ),
        Mistake(
            "unbiased variance",
            _student_with(lambda b, nu, V: float(np.sqrt(V / (nu - 1) * (1 + 1 / b)))),
            "you divided V by ν − 1. Here it is ν.",
        ),
        Mistake(
            "survival",
            lambda x, b, m, nu, V: t.sf(x, nu, m, _right_scale(b, nu, V)),
            "this is the probability of lying beyond x. The density is `t.pdf`.",
        ),
        Mistake("cauchy", lambda x, b, m, nu, V: t.pdf(x, 1, m, _right_scale(b, nu, V))),
    ),
    symptoms=(
        Symptom(
            lambda given, wanted: bool((given < 0).any()),
            "a density is never negative: is it a logarithm, or a difference turned round?",
        ),
        Symptom(
            lambda given, wanted: given.shape == wanted.shape and bool(np.allclose(given, wanted, rtol=0.1)),
            "near. Check the scale, √(V/ν · (1 + 1/β)), and the degrees of freedom, ν.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    WEIGHTS,
    SUMS,
    EXPECTED_LOG,
    SHARES,
    DISAGREEMENT,
    MEAN_FIELD,
    NEXT_ROW,
)
