"""Slow and obvious answers for Bayesian mixtures: closed forms, sums over all assignments, and a Gibbs sampler."""

import itertools
import math

import numpy as np
from scipy.special import gammaln, logsumexp, multigammaln
from scipy.stats import multivariate_t

KINDS = ("dirichlet_process", "dirichlet_distribution")


class NormalWishartPrior:
    """m_0, β_0, ν_0 and W_0⁻¹ for rows of one Gaussian, by the formulas of its conjugate posterior."""

    def __init__(self, mean, mean_precision, degrees_of_freedom, inverse_scale):
        self.m, self.beta = np.asarray(mean, float), float(mean_precision)
        self.nu, self.inverse = float(degrees_of_freedom), np.atleast_2d(np.asarray(inverse_scale, float))

    def after(self, x):
        """The posterior, row by row: each is one conjugate update."""
        state = self
        for row in np.asarray(x):
            away = row - state.m
            beta = state.beta + 1
            inverse = state.inverse + state.beta / beta * np.outer(away, away)
            state = NormalWishartPrior(state.m + away / beta, beta, state.nu + 1, inverse)
        return state

    def log_evidence(self, x):
        """log p(X) from the normalisers of prior and posterior, all constants kept."""
        (n, d), end = np.shape(x), self.after(x)
        return (
            -0.5 * n * d * math.log(math.pi)
            + multigammaln(end.nu / 2, d)
            - multigammaln(self.nu / 2, d)
            + 0.5 * self.nu * np.linalg.slogdet(self.inverse)[1]
            - 0.5 * end.nu * np.linalg.slogdet(end.inverse)[1]
            + 0.5 * d * math.log(self.beta / end.beta)
        )

    def predictive(self):
        """The density of one more row."""
        df = self.nu + 1 - len(self.m)
        return multivariate_t(self.m, (1 + self.beta) / (self.beta * df) * self.inverse, df)


def log_dirichlet_multinomial(counts, alpha):
    """log p(Z) of one assignment under a symmetric Dirichlet(α) on K weights."""
    k, n = len(counts), sum(counts)
    return (
        gammaln(k * alpha) - gammaln(k * alpha + n) + sum(gammaln(alpha + c) - gammaln(alpha) for c in counts)
    )


def log_chinese_restaurant(counts, alpha):
    """log p(partition) under a Dirichlet process of concentration α."""
    used = [c for c in counts if c]
    return (
        len(used) * math.log(alpha)
        + gammaln(alpha)
        - gammaln(alpha + sum(used))
        + sum(gammaln(c) for c in used)
    )


def log_evidence(x, prior, alpha, kind, k):
    """log p(X): the sum over all K^N assignments, or over all partitions of the rows for the process."""
    n = len(x)
    if kind == "dirichlet_distribution":
        labels, log_prior = itertools.product(range(k), repeat=n), log_dirichlet_multinomial
    else:
        labels, log_prior = partitions(n), log_chinese_restaurant
    known = {}
    terms = []
    for label in labels:
        label = np.array(label)
        size = k if kind == "dirichlet_distribution" else label.max() + 1
        term = log_prior(np.bincount(label, minlength=size).tolist(), alpha)
        for j in range(size):
            rows = tuple(np.flatnonzero(label == j))
            if rows not in known:
                known[rows] = prior.log_evidence(x[list(rows)]) if rows else 0.0
            term += known[rows]
        terms.append(term)
    return logsumexp(terms)


def partitions(n):
    """Every partition of n rows once: each row joins a block seen before or opens the next."""

    def grow(prefix, blocks):
        if len(prefix) == n:
            yield prefix
            return
        for block in range(blocks + 1):
            yield from grow((*prefix, block), max(blocks, block + 1))

    return grow((), 0)


def gibbs_predictive(x, at, prior, alpha, k, sweeps, burn_in, rng):
    """Mean posterior predictive density at some points: collapsed Gibbs over assignments, finite Dirichlet.

    Each row is drawn given all others from (n_k + α) t_k(x_n); the parameters are integrated out. Returns the mean
    density and its standard error, from the means of twenty blocks of sweeps.
    """
    n = len(x)
    labels = rng.integers(0, k, n)
    sums = [_Sums(x[labels == j], x.shape[1]) for j in range(k)]
    found = []
    for sweep in range(sweeps + burn_in):
        for i in range(n):
            sums[labels[i]].add(x[i], -1)
            log_p = np.array([math.log(s.n + alpha) + s.log_predictive(x[i : i + 1], prior)[0] for s in sums])
            labels[i] = rng.choice(k, p=np.exp(log_p - logsumexp(log_p)))
            sums[labels[i]].add(x[i], 1)
        if sweep >= burn_in:
            parts = [np.log((s.n + alpha) / (n + k * alpha)) + s.log_predictive(at, prior) for s in sums]
            found.append(np.exp(logsumexp(parts, axis=0)))
    blocks = np.array([block.mean(0) for block in np.array_split(np.array(found), 20)])
    return blocks.mean(0), blocks.std(0, ddof=1) / np.sqrt(20)


class _Sums:
    """Count, sum and sum of squares of a component's rows."""

    def __init__(self, x, d):
        self.n, self.first, self.second = len(x), x.sum(0) if len(x) else np.zeros(d), x.T @ x

    def add(self, row, sign):
        self.n += sign
        self.first = self.first + sign * row
        self.second = self.second + sign * np.outer(row, row)

    def log_predictive(self, at, prior):
        """Student-t by its formula: a frozen SciPy distribution for each row of each sweep would take hours."""
        d, beta, nu = len(prior.m), prior.beta + self.n, prior.nu + self.n
        m = (prior.beta * prior.m + self.first) / beta
        inverse = (
            prior.inverse + self.second + prior.beta * np.outer(prior.m, prior.m) - beta * np.outer(m, m)
        )
        df = nu + 1 - d
        factor = np.linalg.cholesky((1 + beta) / (beta * df) * inverse)
        squares = (np.linalg.solve(factor, (at - m).T) ** 2).sum(0)
        constant = gammaln((df + d) / 2) - gammaln(df / 2) - 0.5 * d * math.log(df * math.pi)
        return constant - np.log(np.diag(factor)).sum() - 0.5 * (df + d) * np.log1p(squares / df)
