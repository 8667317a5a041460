"""BayesianGaussianMixture with scikit-learn's interface: variational Bayes, full bound and predictive density."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mixturelab import checks, priors
from mixturelab.arrays import as_tensor, constant_columns, to_kind
from mixturelab.exceptions import ArgumentError, DegenerateFitWarning
from mixturelab.inference import initialise, variational
from mixturelab.inference.fit import Callback, FitResult, fit_posterior
from mixturelab.inference.online import Schedule, Stream, stochastic_vb
from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.model import predictive
from mixturelab.model.conjugate import (
    ConjugateMixture,
    Dirichlet,
    ExpectedMixture,
    NormalWishart,
    StickBreaking,
)
from mixturelab.model.covariance import family_of
from mixturelab.model.forms import SHARED
from mixturelab.model.linalg import accumulation_dtype
from mixturelab.model.quadratic import DataSummary


class BayesianGaussianMixture(MixtureEstimator):
    """Gaussian mixture with priors, fitted by variational Bayes: components that are not needed switch themselves off.

    A drop-in for `sklearn.mixture.BayesianGaussianMixture`: the same constructor, methods, attributes and, from the
    same start, the same posterior. Beyond it: torch tensors on any device in and out, float32, any start, a bound on
    the log evidence with no constant dropped (`elbo`, `lower_bound_`), and the posterior predictive density
    (`log_predictive`).

    Parameters
    ----------
    n_components : int, default=1
        K, the most components that the posterior can use.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        The form of the posterior's Wishart scales: see Notes.
    tol : float, default=1e-3
        Stop when the evidence lower bound per row changes by less than this, in nats. (scikit-learn's `tol` is of the
        bound of all rows together: with it this is ``tol / N``.)
    reg_covar : float, default=1e-6
        Added to each row's squared deviations, in the data's units squared. The priors keep covariances away from
        zero already: with 0 the bound never falls.
    max_iter : int, default=100
        Most iterations; 0 leaves the start as it is.
    n_init : int, default=1
        Starts; the one with the highest bound is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}, array [N, K] or callable
        Where to start, as in `GaussianMixture`. ("tied" from "k-means++" or "random_from_data" starts elsewhere than in
        scikit-learn, which counts the rows that no component has yet.)
    weight_concentration_prior_type : {"dirichlet_process", "dirichlet_distribution"}
        A Dirichlet process of which rows occupy the first K sticks, or a symmetric Dirichlet over K weights.
    weight_concentration_prior : float, optional
        α > 0, of the process or for each component of the Dirichlet; by default 1 / K. Small values switch components
        off.
    mean_precision_prior : float, optional
        β_0 > 0: how many rows the prior counts for in each mean; by default 1.
    mean_prior : array [D], optional
        m_0; by default the mean of X.
    degrees_of_freedom_prior : float, optional
        ν_0 > D − 1; by default D.
    covariance_prior : array, optional
        W_0⁻¹, so that E[Λ_k]⁻¹ = W_0⁻¹ / ν_0 under the prior: [D, D] for "full" and "tied", [D] for "diag", a number
        for "spherical", in the data's units squared. By default the covariance of X, its diagonal, or the mean of that.
    random_state : int, RandomState or None
        Draws the starts and samples.
    warm_start : bool, default=False
        Go on from the last fit.
    verbose, verbose_interval : int
        As in `GaussianMixture`.
    device : str or torch.device, optional
        Where to compute; by default where X is.
    dtype : {"float32", "float64"}, optional
        Precision of the rows; by default X's own. The posterior is kept in float64 during the fit.
    learning_decay : float, default=0.9
        κ of `partial_fit`, in (0.5, 1]: the j-th row of a stream counts with the rate (j + τ)^(−κ). 1 weighs all rows
        alike (with ``learning_offset=0``); less forgets the early ones.
    learning_offset : float, default=0
        τ ≥ 0, in rows: a larger one damps the batches that follow the first, which is always taken in whole.
    learning_rate : float, optional
        A constant rate r for each row instead, for streams that drift: about 2 / r rows are remembered (the last
        batch, where that is larger).
    total_samples : float, optional
        How many rows the stream stands for against the prior; by default as many as it remembers. Set it to the number
        of rows where the same rows come again and again.

    Attributes
    ----------
    weights_ : array [K]
        E[π_k], divided by their sum.
    means_ : array [K, D]
        m_k, the expected means.
    covariances_, precisions_, precisions_cholesky_ : array
        E[Λ_k]⁻¹ = (ν_k W_k)⁻¹, E[Λ_k] and its Cholesky factor: [K, D, D], [D, D], [K, D] or [K], by family.
    weight_concentration_ : array [K] or tuple of two
        α_k of the Dirichlet, or a_k and b_k of each stick's Beta.
    mean_precision_ : array [K]
        β_k.
    degrees_of_freedom_ : array [K], or a number for "tied"
        ν_k.
    weight_concentration_prior_, mean_precision_prior_, mean_prior_, degrees_of_freedom_prior_, covariance_prior_
        The priors that were used.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        The evidence lower bound at the last E-step, in nats **per row** (scikit-learn's is of all rows, without
        constants). It is that of the posterior before the last M-step; `elbo(X)` is the final one's, of all rows.
    lower_bounds_ : list of float
        The same for every iteration.
    history_ : History
        The bound of every iteration, the `Status` that ended the fit and why in a sentence.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    **Model.** Λ_k ~ Wishart(W_0, ν_0), μ_k | Λ_k ~ N(m_0, (β_0 Λ_k)⁻¹) for each component, whatever the
    `covariance_type`. As in scikit-learn, the type restricts the *posterior*: "diag" and "spherical" give each q(Λ_k) a
    scale matrix of that form, "tied" gives all components the same q(Λ). The bound is one on the evidence of the
    unrestricted model, so that with the same prior the best "full" posterior is never below the others: it compares
    values of K and priors, and says what a restriction costs. It does not choose among the types as BIC does.

    **Dirichlet process.** Components beyond the K-th stay at their prior, and the evidence bounded is that of the
    process itself, of components without end. `weights_` leaves out what they are expected to weigh; `log_predictive`
    does not.

    References
    ----------
    .. [1] Bishop (2006), Pattern Recognition and Machine Learning, section 10.2.
    .. [2] Blei and Jordan (2006), Variational inference for Dirichlet process mixtures, Bayesian Analysis 1, 121-143.
    .. [3] Attias (2000), A variational Bayesian framework for graphical models, NIPS 12.

    Examples
    --------
    >>> from mixturelab import BayesianGaussianMixture, load_dataset
    >>> faithful = load_dataset("faithful")
    >>> model = BayesianGaussianMixture(6, weight_concentration_prior=0.01, max_iter=500, tol=1e-5, random_state=0)
    >>> sorted(model.fit(faithful.data).weights_.round(2).tolist())
    [0.0, 0.0, 0.0, 0.0, 0.36, 0.64]
    """

    _counterpart = "BayesianGaussianMixture"
    _carried = (*MixtureEstimator._carried, "_priors", "_is_mended")

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: Any = "kmeans",
        weight_concentration_prior_type: str = "dirichlet_process",
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        mean_prior: Any = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        device: Any = None,
        dtype: Any = None,
        learning_decay: float = 0.9,
        learning_offset: float = 0.0,
        learning_rate: float | None = None,
        total_samples: float | None = None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.device = device
        self.dtype = dtype
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.learning_rate = learning_rate
        self.total_samples = total_samples

    def score_samples(self, X: Any) -> Any:
        """Log Σ_k exp(E[log π_k] + E[log N(x_n | μ_k, Λ_k⁻¹)]), [N], in nats: scikit-learn's score.

        Each row's part of the evidence lower bound. It is not the logarithm of a density: it integrates to less than
        one. `log_predictive` is the density of new rows.
        """
        return super().score_samples(X)

    def log_predictive(self, X: Any) -> Any:
        """Log p(x_n | training data), [N], in nats: the posterior predictive density of each row by itself.

        Under the fitted posterior that is a mixture of Student-t densities, weighted with E[π_k] (Bishop 2006,
        eqs. 10.81 and 10.82). Its tails are wider than those of any Gaussian: parameters are not known for certain. Of
        a Dirichlet process the components beyond the K-th take part, at their prior.

        Parameters
        ----------
        X : array-like, DataFrame or Tensor [N, D]
        """
        check_is_fitted(self)
        x, kind = self._rows(X, reset=False)
        with torch.no_grad():
            found = predictive.log_predictive(x, self._fitted(x.device), self._fitted_prior(x.device))
        return to_kind(found, kind)

    def elbo(self, X: Any, count_orders: bool = False) -> float:
        """The evidence lower bound of the fitted posterior, in nats, of all rows of X together.

        A lower bound on log p(X), every constant included: values of different K, priors and prior types compare,
        higher is better, and a difference of two is a bound's guess at a log Bayes factor. X has to be the training
        data: the posterior's distance from the prior is subtracted once.

        Of a Dirichlet process, p(X) sums over all ways to spread the rows over components, and K = 1 is no exception:
        its bound includes the probability that all N rows share the first component, α Γ(α) N! / Γ(α + N + 1), which
        is −ln(N + 1) in nats at the default concentration α = 1. With "dirichlet_distribution" K = 1 has no such term,
        and the bound is the log evidence of a single Gaussian.

        Parameters
        ----------
        X : array-like, DataFrame or Tensor [N, D]
        count_orders : bool, default=False
            Add ln K!: the K components can be numbered in K! ways that give the same density, and the posterior
            found sits at one of them (Bishop 2006, section 10.2.4). This is honest where all K components are in use
            and well apart, and too much where several are switched off (their orders are no different fits). Only for
            "dirichlet_distribution": the sticks of a process are not exchangeable.

        Raises
        ------
        ArgumentError
            If the orders of a Dirichlet process are to be counted.
        """
        check_is_fitted(self)
        if count_orders and self.weight_concentration_prior_type != priors.DISTRIBUTION:
            raise ArgumentError(
                f"count_orders is True with weight_concentration_prior_type={self.weight_concentration_prior_type!r}; "
                f"wanted {priors.DISTRIBUTION!r}, whose components can be exchanged"
            )
        x, _ = self._rows(X, reset=False)
        with torch.no_grad():
            bound = variational.elbo(x, self._fitted(x.device), self._fitted_prior(x.device))
        return bound + (math.lgamma(self.n_components + 1) if count_orders else 0.0)

    # Below: arrays in, tensors inside.

    def _check_settings(self) -> None:
        super()._check_settings()
        priors.check_conjugate(self)

    def _prior(self, summary: DataSummary) -> ConjugateMixture:
        self._priors, self._is_mended = priors.resolve(self, summary)
        return self._prior_of(self._priors)

    def _known_prior(self, x: Tensor) -> ConjugateMixture:
        like = torch.empty(x.shape[1], dtype=accumulation_dtype(x.device), device=x.device)
        self._priors = self._prior_values(x.device) | priors.given(self, like)
        return self._prior_of(self._priors)

    def _fold(
        self,
        x: Tensor,
        start: ConjugateMixture,
        prior: ConjugateMixture,
        stream: Stream | None,
        schedule: Schedule,
    ) -> Any:
        return stochastic_vb(x, start, stream, schedule, self.reg_covar, prior, self.total_samples)

    def _start(
        self, X: Any, x: Tensor, rng: np.random.RandomState, prior: ConjugateMixture
    ) -> ConjugateMixture:
        rows, gamma = self._start_responsibilities(X, x, rng)
        return initialise.posterior_from(rows, gamma, prior, self.reg_covar, len(x) / len(rows))

    def _iterate(
        self,
        x: Tensor,
        start: ConjugateMixture,
        prior: ConjugateMixture,
        summary: DataSummary,
        previous: float,
        callback: Callback,
    ) -> FitResult:
        return fit_posterior(
            x,
            start,
            prior,
            reg_covar=self.reg_covar,
            tol=self.tol,
            max_iter=self.max_iter,
            previous=previous,
            summary=summary,
            callback=callback,
        )

    def _store(self, run: FitResult, kind: Any, dtype: torch.dtype) -> None:
        def public(tensor: Tensor) -> Any:
            return to_kind(tensor.to(dtype), kind)

        weights, parts = run.parameters.weights, run.parameters.components
        self._store_priors(public)
        self.weights_ = public(weights.mean / weights.mean.sum())
        self.weight_concentration_ = (
            public(weights.concentration)
            if isinstance(weights, Dirichlet)
            else (public(weights.first), public(weights.second))
        )
        self.mean_precision_, self.means_ = public(parts.mean_precision), public(parts.mean)
        freedom = public(parts.degrees_of_freedom)
        self.degrees_of_freedom_ = freedom[0] if parts.form is SHARED else freedom
        self.covariances_ = public(parts.covariance)
        self.precisions_ = public(parts.form.precision(parts.whitener))
        self.precisions_cholesky_ = public(parts.whitener.mT if parts.form.is_matrix else parts.whitener)
        super()._store(run, kind, dtype)

    def _store_priors(self, public: Any) -> None:
        for name, value in self._priors.items():
            is_array = isinstance(value, Tensor) and value.ndim > 0
            stored = public(value) if is_array else float(value) if isinstance(value, Tensor) else value
            setattr(self, f"{name}_", stored)

    def _fitted(self, device: torch.device) -> ConjugateMixture:
        """The posterior, from the public attributes."""
        acc, family = accumulation_dtype(device), family_of(self.covariance_type)

        def inside(value: Any) -> Tensor:
            return as_tensor(value, acc, device)

        pi, mean, root = map(inside, (self.weights_, self.means_, self.precisions_cholesky_))
        checks.check_fitted_shapes(self, pi, mean, root)
        nu, beta = inside(self.degrees_of_freedom_).expand(len(pi)), inside(self.mean_precision_)
        whitener = root.mT.contiguous() if family.form.is_matrix else root
        parts = NormalWishart.from_whitener(mean, beta, nu, whitener, family)
        return ConjugateMixture(self._fitted_weights(inside), parts)

    def _fitted_weights(self, inside: Any) -> Dirichlet | StickBreaking:
        is_process = isinstance(self.weight_concentration_, tuple)
        if is_process != (self.weight_concentration_prior_type == priors.PROCESS):
            raise ArgumentError(
                f"weight_concentration_ is not that of weight_concentration_prior_type="
                f"{self.weight_concentration_prior_type!r}: settings changed since the fit need a new fit"
            )
        if is_process:
            return StickBreaking(*map(inside, self.weight_concentration_))
        return Dirichlet(inside(self.weight_concentration_))

    def _fitted_prior(self, device: torch.device) -> ConjugateMixture:
        return self._prior_of(self._prior_values(device))

    def _prior_values(self, device: torch.device) -> dict[str, Any]:
        """Of the fit, from the public attributes."""
        values = {name: getattr(self, f"{name}_") for name in priors.CONJUGATE}
        acc = accumulation_dtype(device)
        return values | {
            name: as_tensor(values[name], acc, device) for name in ("mean_prior", "covariance_prior")
        }

    def _prior_of(self, values: dict[str, Any]) -> ConjugateMixture:
        kind, family = self.weight_concentration_prior_type, family_of(self.covariance_type)
        return priors.conjugate_mixture(values, kind, family, self.n_components)

    def _parameters(self, dtype: torch.dtype | None, device: torch.device) -> ExpectedMixture:
        return self._fitted(device).expected

    def _warn_of_degeneracy(self, X: Any) -> None:
        if self.covariance_prior is not None or not self._is_mended:
            return
        constant = constant_columns(as_tensor(X), getattr(self, "feature_names_in_", None))
        advice = f"Drop constant column(s) {constant}, or give" if constant else "Give"
        warnings.warn(
            "The covariance of X, which is the default covariance_prior, is singular: reg_covar="
            f"{self.reg_covar:g} was added to its diagonal. {advice} covariance_prior.",
            DegenerateFitWarning,
            stacklevel=4,
        )
