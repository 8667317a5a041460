"""Notebook 03's exercises: right answers written in other ways pass too, and its numbers are re-derived."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg, optimize, stats
from sklearn.mixture import GaussianMixture as Theirs
from sklearn.preprocessing import StandardScaler

from mixturelab import GaussianMixture, load_dataset, plot, select
from mixturelab.exercises import Outcome, check
from mixturelab.exercises.nb03 import M_STEPS, SLOPE

# ------------------------------------------------------------------------------------------------- 03.1: half-axes


def axes_by_chi_square(covariance, mass):
    return np.sqrt(stats.chi2.ppf(mass, 2) * np.linalg.eigvalsh(covariance)[::-1])


def axes_by_svd(covariance, mass):
    stretch = np.linalg.svd(np.linalg.cholesky(covariance), compute_uv=False)
    return math.sqrt(-2 * math.log1p(-mass)) * stretch


def axes_by_the_quadratic_formula(covariance, mass):
    (a, b), (_, d) = covariance
    middle, half = (a + d) / 2, math.hypot((a - d) / 2, b)
    return [math.sqrt(-2 * math.log(1 - mass) * v) for v in (middle + half, middle - half)]


def axes_from_the_curve(covariance, mass):
    distance = np.linalg.norm(plot.ellipse([0, 0], covariance, mass, n_points=200_001), axis=1)
    return distance.max(), distance.min()


def axes_with_torch(covariance, mass):
    variances = torch.linalg.eigvalsh(torch.tensor(covariance)).flip(0)
    return (variances * -2 * math.log(1 - mass)).sqrt()


# ------------------------------------------------------------------------------------------- 03.2: volume and shape


def apart_by_geometric_mean(covariance):
    variances = linalg.eigvalsh(covariance)[::-1]
    volume = stats.gmean(variances)
    return [volume, *(variances / volume)]


def apart_by_logarithms(covariance):
    log_volume = np.linalg.slogdet(covariance)[1] / len(covariance)
    return np.exp(np.r_[log_volume, np.log(np.linalg.eigvalsh(covariance)[::-1]) - log_volume])


def apart_with_torch(covariance):
    s = torch.tensor(covariance)
    volume = torch.linalg.det(s) ** (1 / len(s))
    return torch.cat([volume[None], torch.linalg.svdvals(s) / volume])


def apart_by_cholesky(covariance):
    volume = np.prod(np.diag(np.linalg.cholesky(covariance))) ** (2 / len(covariance))
    return np.append(volume, np.sort(np.linalg.eig(covariance)[0].real)[::-1] / volume)


# -------------------------------------------------------------------------------------------------- 03.4: the slope


def slope_by_differences(v, n_k, trace, d):
    def q(at):
        return -0.5 * (n_k * d * math.log(at) + trace / at)

    h = 1e-6 * v
    return (q(v + h) - q(v - h)) / (2 * h)


def slope_over_one_line(v, n_k, trace, d):
    return (trace - n_k * d * v) / (2 * v * v)


def slope_by_autograd(v, n_k, trace, d):
    at = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    (-0.5 * (n_k * d * at.log() + trace / at)).backward()
    return at.grad


# ------------------------------------------------------------------------------------------------ 03.5: four M-steps


def m_step_in_loops(family, N_k, S1, S2):
    K, D = S1.shape
    W = [S2[k] - np.outer(S1[k], S1[k]) / N_k[k] for k in range(K)]
    result = []
    for k in range(K):
        if family == "full":
            sigma = W[k] / N_k[k]
        elif family == "tied":
            sigma = sum(W) / sum(N_k)
        elif family == "diag":
            sigma = np.diag([W[k][d, d] / N_k[k] for d in range(D)])
        else:
            sigma = sum(W[k][d, d] for d in range(D)) / (D * N_k[k]) * np.identity(D)
        result.append(sigma)
    return result


def m_step_with_torch(family, N_k, S1, S2):
    n, s1, s2 = (torch.tensor(x) for x in (N_k, S1, S2))
    mu = s1 / n[:, None]
    own = s2 / n[:, None, None] - mu[:, :, None] * mu[:, None, :]
    variances = torch.diagonal(own, dim1=1, dim2=2)
    return {
        "full": own,
        "tied": torch.einsum("k,kij->ij", n / n.sum(), own).expand_as(own),
        "diag": torch.diag_embed(variances),
        "spherical": torch.diag_embed(variances.mean(1, keepdim=True).expand_as(variances)),
    }[family]


def m_step_with_einsum(family, N_k, S1, S2):
    mu = np.einsum("kd,k->kd", S1, 1 / N_k)
    W = S2 - np.einsum("k,ki,kj->kij", N_k, mu, mu)
    eye = np.eye(S1.shape[1])
    if family == "tied":
        return np.broadcast_to(np.einsum("kij->ij", W) / N_k.sum(), W.shape)
    own = np.einsum("kij,k->kij", W, 1 / N_k)
    if family == "spherical":
        return np.einsum("kii->k", own)[:, None, None] * eye / len(eye)
    return own if family == "full" else np.einsum("kij,ij->kij", own, eye)


# ----------------------------------------------------------------------------------------------------- 03.7: units


def moved_in_a_loop(bic, n_rows, factors):
    for factor in factors:
        bic = bic + 2 * n_rows * math.log(factor)
    return bic


def moved_by_the_product(bic, n_rows, factors):
    return bic + 2 * n_rows * np.log(np.prod(factors))


def moved_by_the_covariance(bic, n_rows, factors):
    return bic + n_rows * np.linalg.slogdet(np.diag(factors) @ np.diag(factors))[1]


RIGHT = {
    "03.1": [
        axes_by_chi_square,
        axes_by_svd,
        axes_by_the_quadratic_formula,
        axes_from_the_curve,
        axes_with_torch,
    ],
    "03.2": [apart_by_geometric_mean, apart_by_logarithms, apart_with_torch, apart_by_cholesky],
    "03.3": [314, 314.0, np.int64(314), torch.tensor(314), 3 * (13 * 12 / 2 + 13) + 3 * 13 + 2],
    "03.4": [slope_by_differences, slope_over_one_line, slope_by_autograd],
    "03.5": [m_step_in_loops, m_step_with_torch, m_step_with_einsum],
    "03.6": ["c", " C "],
    "03.7": [moved_in_a_loop, moved_by_the_product, moved_by_the_covariance],
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(name, answer, id=f"{name}-{i}") for name in RIGHT for i, answer in enumerate(RIGHT[name])],
)
def test_right_answers_written_in_other_ways_pass(name, answer):
    result = check(name, answer)
    assert result.passed, result


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("03.1", lambda c, m: axes_by_svd(c, m)[::-1] * [1, 3], "the long half-axis comes first"),
        ("03.1", lambda c, m: np.sqrt(2 * np.log(1 - m) * np.linalg.eigvalsh(c)), "a root of a negative"),
        ("03.2", lambda c: apart_by_logarithms(c)[1:], "are D + 1"),
        ("03.2", lambda c: apart_by_logarithms(c) * 1.1, "has to multiply to 1"),
        ("03.2", lambda c: np.r_[np.linalg.det(c), apart_by_logarithms(c)[1:]], "the volume is not"),
        ("03.3", 310, "a count is exact"),
        ("03.7", lambda bic, n, f: bic + 2 * n * np.log(f), "one number is wanted"),
        ("03.6", "e", "answer with one of"),
    ],
)
def test_signs_of_a_mistake_are_named(name, answer, message):
    result = check(name, answer)
    assert result.outcome is Outcome.WRONG
    assert message in result.message


def by_family(**change):
    """The right M-step, but for some families: what comes back is worked out from the right covariances."""

    def m_step(family, N_k, S1, S2):
        right = m_step_in_loops(family, N_k, S1, S2)
        return change[family](np.array(right), N_k) if family in change else right

    return m_step


def dots(right, mass):
    return ...


@pytest.mark.parametrize("nothing", [dots, lambda right, mass: None])
def test_a_half_written_m_step_says_what_is_right_and_what_is_still_to_write(nothing):
    result = check("03.5", by_family(diag=nothing, spherical=nothing))
    assert result.outcome is Outcome.NOT_ATTEMPTED
    assert result.message == "right so far: full, tied. Still to write: diag, spherical."
    every = dict.fromkeys(["full", "tied", "diag", "spherical"], dots)
    assert "replace the dots" in check("03.5", by_family(**every)).message


def test_a_wrong_family_is_named_while_others_are_still_to_write():
    def m_step(family, N_k, S1, S2):
        return S2 / N_k[:, None, None] if family == "full" else ...

    assert check("03.5", m_step).message.startswith("full: S2 is about zero")
    result = check("03.5", by_family(tied=dots, spherical=lambda right, mass: right * 2))
    assert "family=spherical" in result.message


def test_of_two_mistakes_the_first_family_s_is_named():
    result = check("03.5", by_family(diag=lambda s, n: np.sqrt(s), spherical=lambda s, n: np.sqrt(s)))
    assert result.message.startswith("diag: these are standard deviations")
    unbiased = by_family(diag=lambda s, n: s * (n / (n - 1))[:, None, None])
    assert check("03.5", unbiased).message.startswith("diag: you divided by N_k − 1")


def test_covariances_in_the_family_s_own_form_are_asked_for_as_matrices():
    one, variances = by_family(tied=lambda s, n: s[0]), by_family(spherical=lambda s, n: s[:, 0, 0])
    assert check("03.5", one).message.startswith("tied: this is an array of shape (2, 2); wanted are all K")
    assert check("03.5", variances).message.startswith("spherical: this is 2 numbers; wanted are all K")


def test_an_m_step_that_stops_with_an_error_says_so():
    assert "KeyError" in check("03.5", lambda family, *rest: {"full": rest[2]}[family]).message


# ------------------------------------------------------------------------------------- the M-steps are the maximum


def bound(sigma, mass, scatter):
    """Q of the notebook for K covariances."""
    return sum(
        -0.5 * (n * np.linalg.slogdet(s)[1] + np.trace(np.linalg.solve(s, w)))
        for s, n, w in zip(sigma, mass, scatter, strict=True)
    )


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_each_m_step_is_better_than_its_neighbours_in_the_family(family):
    _, mass, first, second = M_STEPS.probes[0]
    scatter = second - np.einsum("ki,kj->kij", first, first) / mass[:, None, None]
    best = M_STEPS.reference(family, mass, first, second)
    generator = np.random.default_rng(0)
    k, d = first.shape
    for _ in range(20):
        step = 0.005 * generator.normal(size=(k, d, d))
        if family == "tied":
            step = np.repeat(step[:1], k, axis=0)
        step = {"diag": step * np.eye(d), "spherical": step[:, :1, :1] * np.eye(d)}.get(family, step)
        other = best + step + step.swapaxes(1, 2)
        assert bound(other, mass, scatter) < bound(best, mass, scatter)


def test_the_slope_is_zero_at_the_spherical_variance():
    _, n_k, trace, d = SLOPE.probes[0]
    zero = optimize.brentq(lambda at: SLOPE.reference(at, n_k, trace, d), 0.01, 100)
    assert zero == pytest.approx(trace / (d * n_k))


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_the_reference_is_the_library_s_and_scikit_learn_s_m_step(family):
    penguins = load_dataset("penguins")
    bills, gamma = penguins.data[:, :2], np.eye(3)[penguins.target]
    n, s1 = gamma.sum(axis=0), gamma.T @ bills
    ours = M_STEPS.reference(family, n, s1, np.einsum("nk,ni,nj->kij", gamma, bills, bills))
    model = GaussianMixture(3, covariance_type=family, init_params=gamma, max_iter=0).fit(bills)
    np.testing.assert_allclose(plot.covariance_matrices(model), ours, atol=1e-5)
    theirs = Theirs(3, covariance_type=family)
    theirs._initialize(bills, gamma)  # one M-step
    np.testing.assert_allclose(plot.covariance_matrices(theirs), ours, atol=1e-5)


# ------------------------------------------------------------------------------------- the numbers of the notebook


def test_the_counts_of_the_text():
    assert 10 * 64 * 65 // 2 + 10 * 64 + 9 == 21_449
    assert 64 * 65 // 2 == 2080
    assert 3 * 91 == 273
    assert round(273 / 314, 2) == 0.87  # seven in eight
    assert [10 * 11 // 2 + 10, 10 + 10, 1 + 10] == [65, 20, 11]
    assert round(math.log(178), 1) == 5.2
    assert round(2 * math.log(300), 1) == 11.4
    assert (3 * 13 + 91) - (3 * 13 + 3 * 13) == 52  # tied over diag on wine, K = 3


def test_the_masses_of_the_text():
    assert [round(stats.chi2.cdf(r**2, 2), 2) for r in (1, 2, 3)] == [0.39, 0.86, 0.99]
    assert round(stats.norm.cdf(1) - stats.norm.cdf(-1), 2) == 0.68
    assert round(stats.norm.ppf(0.95), 2) == 1.64
    assert round(math.sqrt(stats.chi2.ppf(0.9, 2)), 2) == 2.15


def test_the_three_species_share_one_tilt_not_one_shape():
    penguins = load_dataset("penguins")
    found = []
    for k in range(3):
        variances, axes = linalg.eigh(np.cov(penguins.data[penguins.target == k, :2].T, bias=True))
        angle = math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
        found.append((round(math.sqrt(np.prod(variances)), 1), round(angle)))
    assert found == [(3.0, 12), (2.3, 12), (2.8, 13)]


def test_the_sevens_are_singular():
    digits = load_dataset("digits")
    sevens = digits.data[digits.target == 7]
    assert (len(sevens), np.linalg.matrix_rank(np.cov(sevens.T))) == (179, 49)


def expected_score(family, rows, truth):
    """Expected log-likelihood of a new row under one Gaussian of that family, fitted to the rows."""
    own, away = np.cov(rows.T, bias=True), truth + np.outer(rows.mean(axis=0), rows.mean(axis=0))
    sigma = own if family == "full" else np.diag(np.diag(own))
    return -0.5 * (np.linalg.slogdet(2 * np.pi * sigma)[1] + np.trace(np.linalg.solve(sigma, away)))


@pytest.mark.parametrize(("correlation", "lead"), [(0.1, 200), (0.2, 80), (0.5, 30)])
@pytest.mark.parametrize("seed", [0, 1])
def test_from_how_many_rows_on_full_leads(correlation, lead, seed):
    rng, sds, sizes = np.random.default_rng(seed), np.linspace(0.7, 1.4, 10), [12, 20, 30, 50, 80, 130, 200]
    truth = ((1 - correlation) * np.eye(10) + correlation) * np.outer(sds, sds)
    tables = rng.multivariate_normal(np.zeros(10), truth, size=(100, 200))
    full, diag = (
        np.array([[expected_score(family, rows[:n], truth) for n in sizes] for rows in tables]).mean(axis=0)
        for family in ("full", "diag")
    )
    assert [n for n, ahead in zip(sizes, full > diag, strict=True) if ahead] == [
        n for n in sizes if n >= lead
    ]


def test_bic_moves_with_the_units_and_the_groups_stay():
    data = load_dataset("penguins").data
    factors = np.array([1.0, 10.0, 1.0, 0.001])
    start = np.eye(3)[load_dataset("penguins").target]
    settings = {"init_params": start, "tol": 1e-10, "max_iter": 2000, "reg_covar": 1e-12}
    for family in ("full", "tied", "diag"):
        before, after = (
            GaussianMixture(3, covariance_type=family, **settings).fit(x) for x in (data, data * factors)
        )
        assert (before.predict(data) == after.predict(data * factors)).all()
        moved = before.bic(data) + 2 * len(data) * np.log(factors).sum()
        assert after.bic(data * factors) == pytest.approx(moved, abs=1e-3)
    circles = [
        GaussianMixture(3, covariance_type="spherical", **settings).fit(x) for x in (data, data * factors)
    ]
    assert (circles[0].predict(data) != circles[1].predict(data * factors)).any()


def winner(X, **settings):
    return select(X, range(1, 5), n_init=2, random_state=0, **settings).best_candidate


@pytest.mark.slow
def test_where_each_family_wins():
    names = ["old_faithful", "penguins", "iris", "wine"]
    found = {name: winner(load_dataset(name).data).covariance_type for name in names}
    assert found == {"old_faithful": "tied", "penguins": "tied", "iris": "full", "wine": "diag"}
    two = StandardScaler().fit_transform(load_dataset("wine").frame[["total_phenols", "hue"]])
    assert winner(two).covariance_type == "spherical"


@pytest.mark.slow
def test_a_harder_search_narrows_wine_s_margin_and_keeps_its_winner():
    X = load_dataset("wine").data
    result = select(
        X, range(1, 6), ["diag", "tied"], n_init=20, init_params="random_from_data", random_state=1
    )
    table = result.table[~result.table.spurious].groupby("covariance_type")["bic"].min()
    assert round(table["tied"] - table["diag"]) == 68


def test_about_a_hundred_pairs_of_columns():
    names = ("old_faithful", "iris", "penguins", "crabs", "wine")
    assert sum(math.comb(load_dataset(name).data.shape[1], 2) for name in names) == 101
