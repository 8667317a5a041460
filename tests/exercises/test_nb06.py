"""Notebook 06's exercises: right answers written in other ways pass too, and what the notebook states is so."""

from itertools import product

import numpy as np
import pytest
import scipy
import torch
from scipy.special import digamma, gammaln, logsumexp
from scipy.stats import dirichlet, multivariate_normal, norm, t

from mixturelab import BayesianGaussianMixture, GaussianMixture, Prior, load_dataset
from mixturelab.exercises import check
from mixturelab.exercises.nb06 import MEAN_FIELD, NEXT_ROW, SHARES, SUMS, WEIGHTS

FINITE = {"weight_concentration_prior_type": "dirichlet_distribution", "reg_covar": 0}


def weights_with_a_loop(alpha, N_k):
    total = sum(alpha + n for n in N_k)
    return [(alpha + n) / total for n in N_k]


def weights_spelt_out(alpha, N_k):
    return (N_k + alpha) / (np.sum(N_k) + len(N_k) * alpha)


def weights_of_scipy(alpha, N_k):
    return dirichlet.mean(alpha + N_k)


def weights_with_torch(alpha, N_k):
    return torch.nn.functional.normalize(torch.tensor(N_k) + alpha, p=1, dim=0)


@pytest.mark.parametrize(
    "answer",
    [weights_with_a_loop, weights_spelt_out, weights_of_scipy, weights_with_torch],
    ids=lambda f: f.__name__,
)
def test_weights(answer):
    result = check("06.1", answer)
    assert result.passed, result


def posterior_row_by_row(x, beta, m, nu, V):
    for row in x:
        V = V + beta / (beta + 1) * (row - m) ** 2
        m, beta, nu = (beta * m + row) / (beta + 1), beta + 1, nu + 1
    return [beta, m, nu, V]


def posterior_as_bishop_writes_it(x, beta_0, m_0, nu_0, V_0):
    n, mean, variance = len(x), np.mean(x), np.var(x)
    beta = beta_0 + n
    V = V_0 + n * variance + beta_0 * n / beta * (mean - m_0) ** 2
    return np.array([beta, (beta_0 * m_0 + n * mean) / beta, nu_0 + n, V])


def posterior_about_the_new_mean(x, beta_0, m_0, nu_0, V_0):
    m = (beta_0 * m_0 + x.sum()) / (beta_0 + len(x))
    V = V_0 + beta_0 * (m_0 - m) ** 2 + ((x - m) ** 2).sum()
    return beta_0 + len(x), m, nu_0 + len(x), V


def posterior_of_the_library(x, beta_0, m_0, nu_0, V_0):
    settings = {"mean_precision_prior": beta_0, "mean_prior": [m_0], "degrees_of_freedom_prior": nu_0}
    model = BayesianGaussianMixture(1, covariance_prior=[[V_0]], **settings, **FINITE).fit(x[:, None])
    nu = model.degrees_of_freedom_[0]
    return [model.mean_precision_[0], model.means_[0, 0], nu, model.covariances_[0, 0, 0] * nu]


@pytest.mark.parametrize(
    "answer",
    [
        posterior_row_by_row,
        posterior_as_bishop_writes_it,
        posterior_about_the_new_mean,
        posterior_of_the_library,
    ],
    ids=lambda f: f.__name__,
)
def test_prior_plus_sums(answer):
    result = check("06.2", answer)
    assert result.passed, result


def log_weights_with_a_loop(alpha):
    return [digamma(a) - digamma(sum(alpha)) for a in alpha]


def log_weights_with_torch(alpha):
    a = torch.tensor(alpha)
    return torch.digamma(a) - torch.digamma(a.sum())


def log_weights_as_a_slope(alpha):
    """ψ as the slope of log Γ."""
    h = 1e-6 * np.maximum(alpha, 1e-2)
    total = alpha.sum()
    own = (gammaln(alpha + h) - gammaln(alpha - h)) / (2 * h)
    return own - (gammaln(total + 1e-4) - gammaln(total - 1e-4)) / 2e-4


@pytest.mark.parametrize(
    "answer", [log_weights_with_a_loop, log_weights_with_torch], ids=lambda f: f.__name__
)
def test_expected_log_weights(answer):
    assert check("06.3", answer).passed


def test_psi_is_the_slope_of_log_gamma():
    alpha = np.array([0.7, 3.0, 98.0])
    assert np.allclose(log_weights_as_a_slope(alpha), digamma(alpha) - digamma(alpha.sum()), atol=1e-5)


def shares_with_loops(x, alpha, beta, nu, m, V):
    gamma = np.empty((len(x), len(m)))
    for n in range(len(x)):
        logs = []
        for k in range(len(m)):
            log_pi = digamma(alpha[k]) - digamma(alpha.sum())
            log_Lambda = digamma(nu[k] / 2) + np.log(2) - np.log(V[k])
            away = 1 / beta[k] + nu[k] * (x[n] - m[k]) ** 2 / V[k]
            logs.append(log_pi + 0.5 * log_Lambda - 0.5 * away)
        gamma[n] = np.exp(np.array(logs) - max(logs))
        gamma[n] /= gamma[n].sum()
    return gamma


def shares_without_what_cancels(x, alpha, beta, nu, m, V):
    scores = digamma(alpha) + (digamma(nu / 2) - np.log(V) - 1 / beta) / 2
    scores = scores - nu * np.subtract.outer(x, m) ** 2 / (2 * V)
    return scipy.special.softmax(scores, axis=1)


def shares_with_torch(x, alpha, beta, nu, m, V):
    x, alpha, beta, nu, m, V = map(torch.tensor, (x, alpha, beta, nu, m, V))
    logs = alpha.digamma() - alpha.sum().digamma() + 0.5 * ((nu / 2).digamma() - (V / 2).log())
    return (logs - 0.5 * (1 / beta + nu / V * (x[:, None] - m) ** 2)).softmax(1)


def shares_as_a_gaussian_with_a_price(x, alpha, beta, nu, m, V):
    price = digamma(alpha) + (digamma(nu / 2) - np.log(nu / 2) - 1 / beta) / 2
    return scipy.special.softmax(price + norm.logpdf(x[:, None], m, np.sqrt(V / nu)), axis=1)


@pytest.mark.parametrize(
    "answer",
    [shares_with_loops, shares_without_what_cancels, shares_with_torch, shares_as_a_gaussian_with_a_price],
    ids=lambda f: f.__name__,
)
def test_shares(answer):
    result = check("06.4", answer)
    assert result.passed, result


def mean_field_by_conditioning(covariance):
    D = len(covariance)
    out = []
    for d in range(D):
        rest = [i for i in range(D) if i != d]
        explained = covariance[d, rest] @ np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, d])
        out.append(covariance[d, d] - explained)
    return out


def mean_field_by_solving(covariance):
    return 1 / np.linalg.solve(covariance, np.eye(len(covariance))).diagonal()


def mean_field_with_torch(covariance):
    return torch.linalg.inv(torch.tensor(covariance)).diagonal().reciprocal()


@pytest.mark.parametrize(
    "answer",
    [mean_field_by_conditioning, mean_field_by_solving, mean_field_with_torch],
    ids=lambda f: f.__name__,
)
def test_mean_field(answer):
    result = check("06.6", answer)
    assert result.passed, result


def next_row_by_formula(x, beta, m, nu, V):
    scale = np.sqrt(V * (1 + beta) / (nu * beta))
    z = (x - m) / scale
    constant = np.exp(gammaln((nu + 1) / 2) - gammaln(nu / 2)) / (scale * np.sqrt(nu * np.pi))
    return constant * (1 + z**2 / nu) ** (-(nu + 1) / 2)


def next_row_by_evidence(x, beta, m, nu, V):
    """The evidence of one row is its predictive density."""
    return [np.exp(log_evidence([row], beta, m, nu, V)) for row in x]


def next_row_standardised(x, beta, m, nu, V):
    scale = np.sqrt(V / nu * (1 + 1 / beta))
    return t.pdf((x - m) / scale, nu) / scale


def next_row_with_torch(x, beta, m, nu, V):
    q = torch.distributions.StudentT(
        torch.tensor(nu, dtype=torch.float64), m, (V / nu * (1 + 1 / beta)) ** 0.5
    )
    return q.log_prob(torch.tensor(x)).exp()


@pytest.mark.parametrize(
    "answer",
    [next_row_by_formula, next_row_by_evidence, next_row_standardised, next_row_with_torch],
    ids=lambda f: f.__name__,
)
def test_the_next_row(answer):
    result = check("06.7", answer)
    assert result.passed, result


# ------------------------------------------------------------------------- what the texts and formulas say


def log_Z(beta, nu, V):
    return gammaln(nu / 2) - nu / 2 * np.log(V / 2) - 0.5 * np.log(beta)


def log_evidence(x, beta, m, nu, V):
    after = posterior_row_by_row(x, beta, m, nu, V)
    return log_Z(after[0], *after[2:]) - log_Z(beta, nu, V) - len(x) / 2 * np.log(2 * np.pi)


def density_of_parameters(mu, Lambda, beta, m, nu, V):
    bell = norm.pdf(mu, m, 1 / np.sqrt(beta * Lambda))
    return bell * scipy.stats.gamma.pdf(Lambda, nu / 2, scale=2 / V)


def test_the_evidence_is_the_integral_that_it_stands_for():
    x, prior = np.array([0.4, 1.1, -0.3]), (0.5, 0.2, 3.0, 2.0)

    mu, Lambda = np.meshgrid(np.linspace(-8, 8, 1601), np.geomspace(1e-6, 60, 1200))
    likelihood = np.prod([norm.pdf(row, mu, Lambda**-0.5) for row in x], axis=0)
    height = likelihood * density_of_parameters(mu, Lambda, *prior)
    integral = np.trapezoid(np.trapezoid(height, mu[0], axis=1), Lambda[:, 0])
    assert np.log(integral) == pytest.approx(log_evidence(x, *prior), abs=1e-4)


def test_expectations_of_the_e_step_by_drawing_from_the_belief():
    alpha, beta, nu, m, V = SHARES.probes[0][1:]
    x, rng, n = SHARES.probes[0][0], np.random.default_rng(0), 400_000
    pi = rng.dirichlet(alpha, n)
    Lambda = rng.gamma(nu / 2, 2 / V, (n, 2))
    mu = rng.normal(m, 1 / np.sqrt(beta * Lambda))
    for row in x[::3]:
        drawn = (np.log(pi) + norm.logpdf(row, mu, 1 / np.sqrt(Lambda))).mean(axis=0)
        log_pi = digamma(alpha) - digamma(alpha.sum())
        distance = 1 / beta + nu / V * (row - m) ** 2
        wanted = log_pi + 0.5 * (digamma(nu / 2) - np.log(V / 2) - np.log(2 * np.pi) - distance)
        assert np.allclose(drawn, wanted, atol=0.03)


def test_the_predictive_density_by_drawing_from_the_belief():
    x, beta, m, nu, V = NEXT_ROW.probes[0]
    rng, n = np.random.default_rng(0), 400_000
    Lambda = rng.gamma(nu / 2, 2 / V, n)
    mu = rng.normal(m, 1 / np.sqrt(beta * Lambda))
    drawn = [norm.pdf(row, mu, 1 / np.sqrt(Lambda)).mean() for row in x]
    assert np.allclose(drawn, NEXT_ROW.reference(x, beta, m, nu, V), rtol=0.03)


def test_the_mean_field_has_the_least_divergence():
    covariance = MEAN_FIELD.probes[1][0]
    best = MEAN_FIELD.reference(covariance)

    def divergence(variances):  # KL(q ‖ p) of Gaussians with one mean
        inside = np.trace(np.linalg.solve(covariance, np.diag(variances))) - len(variances)
        return 0.5 * (inside + np.linalg.slogdet(covariance)[1] - np.log(variances).sum())

    for factor in np.random.default_rng(0).uniform(0.8, 1.25, (50, 3)):
        assert divergence(best * factor) >= divergence(best)


def test_numbers_in_praise_and_messages():
    assert MEAN_FIELD.reference(np.array([[1, 0.9], [0.9, 1]])) == pytest.approx(0.19)  # "a fifth"
    assert t.sf(10, 3) == pytest.approx(norm.sf(3), rel=0.25)  # "beyond ten … beyond three"
    assert np.exp(14) == pytest.approx(1e6, rel=0.25)  # "a factor of a million"
    assert WEIGHTS.reference(0.1, np.array([0.0, 5.0])).min() > 0
    first, second = SUMS.probes[1][0][:2], SUMS.probes[1][0][2:]
    once = SUMS.reference(*SUMS.probes[1])
    assert np.allclose(SUMS.reference(second, *SUMS.reference(first, *SUMS.probes[1][1:])), once)


def test_a_flat_prior_has_an_opinion():
    drawn = np.random.default_rng(1).dirichlet(np.ones(8), 200_000)
    assert (drawn.max(axis=1) > 0.5).mean() == pytest.approx(1 / 16, abs=0.003)
    assert 20 * 0.5**19 < 1e-4  # "nearly sure" for K = 20


@pytest.mark.parametrize("alpha", [3.0, 10.0, 100.0])
def test_each_component_pays_half_a_row(alpha):
    assert np.exp(digamma(alpha)) == pytest.approx(alpha - 0.5, abs=0.05 / alpha + 0.005)
    assert 1 - np.exp(digamma(2.0)) / 2 == pytest.approx(1 / 4, abs=0.02)  # "one of two rows pays a quarter"


@pytest.fixture(scope="module")
def eight():
    """The exact posterior of eight waits: log joint of the 256 labellings, and the labellings."""
    waits = load_dataset("old_faithful").data[:8, 1]
    labellings = np.array(list(product([0, 1], repeat=8)))
    joint = []
    for z in labellings:
        counts = np.bincount(z, minlength=2)
        weights = gammaln(1 + counts).sum() - gammaln(2 + 8)  # α = 1: Γ(1) = Γ(2) = 1
        joint.append(weights + sum(log_evidence(waits[z == k], 0.1, 70, 4, 144) for k in (0, 1)))
    return waits, np.array(joint), labellings


def test_eight_rows_by_brute_force(eight):
    _, joint, labellings = eight
    exact = logsumexp(joint)
    probability = np.exp(joint - exact)
    assert exact == pytest.approx(-33.809, abs=1e-3)
    assert np.allclose(probability @ labellings, 0.5)
    together = [(probability * (labellings[:, 0] == labellings[:, n])).sum() for n in (1, 2, 4, 6)]
    assert np.round(together, 2).tolist() == [0.11, 0.84, 0.93, 0.93]


def test_the_bound_of_eight_rows_lies_below(eight):
    waits, joint, _ = eight
    prior = {"mean_precision_prior": 0.1, "mean_prior": [70], "degrees_of_freedom_prior": 4}
    prior |= {"covariance_prior": [[144]], "weight_concentration_prior": 1}
    start = np.eye(2)[(waits > 65).astype(int)]
    settings = {"init_params": start, "tol": 1e-12, "max_iter": 1000, **FINITE}
    model = BayesianGaussianMixture(2, **prior, **settings).fit(waits[:, None])
    gap = logsumexp(joint) - model.elbo(waits[:, None], count_orders=True)
    assert gap == pytest.approx(0.39, abs=0.005)


@pytest.mark.parametrize(("per_minute", "in_use"), [(1 / 60, 1), (1, 2), (60, 3)])
def test_a_prior_in_fixed_units_minds_the_units(per_minute, in_use):
    X = load_dataset("old_faithful").data * per_minute
    settings = {"tol": 1e-6, "max_iter": 3000, "random_state": 0, **FINITE}
    model = BayesianGaussianMixture(8, covariance_prior=np.eye(2), **settings).fit(X)
    assert (model.predict_proba(X).sum(axis=0) > 0.01 * len(X)).sum() == in_use
    default = BayesianGaussianMixture(8, **settings).fit(X)
    assert (default.predict_proba(X).sum(axis=0) > 0.01 * len(X)).sum() == 2


def test_a_prior_cures_the_spikes_of_the_irises():
    iris = load_dataset("iris").data
    settings = {"init_params": "random_from_data", "n_init": 12, "max_iter": 1000, "tol": 1e-6}
    fits = GaussianMixture(3, prior=Prior(), reg_covar=0, random_state=1, **settings).fit_restarts(iris)
    assert min(np.linalg.eigvalsh(fit.covariances_).min() for fit in fits) > 1e-4


def test_the_library_s_score_is_not_the_predictive_density():
    X = load_dataset("old_faithful").data[:20]
    model = BayesianGaussianMixture(2, random_state=0, **FINITE).fit(X)
    place = multivariate_normal(X.mean(axis=0), 40 * np.cov(X.T), seed=0)
    rows = place.rvs(100_000)
    area = {name: np.exp(f(rows) - place.logpdf(rows)).mean() for name, f in scores_of(model).items()}
    assert area["predictive"] == pytest.approx(1, abs=0.03)
    assert area["score"] < 0.9


def scores_of(model):
    return {"predictive": model.log_predictive, "score": model.score_samples}
