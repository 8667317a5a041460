"""GaussianMixture with scikit-learn's interface: the edge where arrays become tensors and back."""

from __future__ import annotations

import math
import warnings
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mixturelab import checks
from mixturelab.arrays import as_tensor, constant_columns, to_kind
from mixturelab.exceptions import DegenerateFitWarning
from mixturelab.inference import initialise
from mixturelab.inference.degenerate import diagnose
from mixturelab.inference.fit import Callback, FitResult, History, Status, fit
from mixturelab.inference.online import Schedule, Stream, stepwise_em
from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.model.covariance import family_of
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters, from_precisions, from_whitener, make_parameters
from mixturelab.model.quadratic import DataSummary, summarise
from mixturelab.priors import Prior, check_prior, parameter_prior

# A column whose variance is below this many ridges has its groups blurred by the ridge.
SMALL_UNITS = 1000


class GaussianMixture(MixtureEstimator):
    """Gaussian mixture fitted by expectation-maximisation.

    A drop-in for `sklearn.mixture.GaussianMixture`: the same constructor, methods, attributes, errors and,
    from the same `random_state`, the same fit. Beyond it: torch tensors on any device in and out, any start,
    float32 that stays right under an offset, and a fit that says why it stopped and whether to trust it.

    Parameters
    ----------
    n_components : int, default=1
        K, the number of Gaussians.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        The family of the covariances.
    tol : float, default=1e-3
        Stop when the mean log-likelihood per row changes by less than this, in nats.
    reg_covar : float, default=1e-6
        Added to the diagonal of every covariance, in the data's units squared.
    max_iter : int, default=100
        Most iterations of EM; 0 leaves the start as it is.
    n_init : int, default=1
        Starts; the best that is not degenerate is kept (the best of all if every one is).
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}, array [N, K] or callable
        Where to start. An array holds responsibilities, and one M-step is made from them. A callable
        ``(X, n_components, random_state) -> responsibilities`` is called for each start. The named methods look at
        50,000 rows at most, a random subsample of more.
    weights_init, means_init, precisions_init : array-like, optional
        Parts of the start to be used instead.
    random_state : int, RandomState or None
        Draws the starts and samples.
    warm_start : bool, default=False
        Go on from the last fit.
    verbose, verbose_interval : int
        Print progress (1: iterations, 2: times and changes too), every so many iterations.
    device : str or torch.device, optional
        Where to compute; by default where X is.
    dtype : {"float32", "float64"}, optional
        Precision of the rows; by default X's own, float64 if it has none. Parameters are kept in float64 during
        the fit and sums over rows too, wherever the device has float64.
    prior : Prior, optional
        Find the most probable parameters under it (MAP) instead of the most likely: no covariance becomes singular,
        even with ``reg_covar=0``. Bounds and `tol` are then of the log-likelihood plus the log prior, per row.
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
    means_ : array [K, D]
    covariances_, precisions_, precisions_cholesky_ : array
        [K, D, D], [D, D], [K, D] or [K], by family.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        Mean log-likelihood per row at the last E-step.
    lower_bounds_ : list of float
        The same for every iteration.
    history_ : History
        The log-likelihood of every iteration, the `Status` that ended the fit and why in a sentence.
    spurious_ : tuple of str
        Why the fit is not to be trusted; empty if it is.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    What happens with difficult data, always a finite model or an error that names the cause:

    - NaN or infinity: `DataError` with the row and column; numbers so far apart that squares overflow: `DataError` with
      their span.
    - Fewer rows than components: `DataError`.
    - Constant columns, equal rows, more features than rows, components with fewer than D + 1 rows, empty components: a
      `DegenerateFitWarning` that names them, and `spurious_`. `reg_covar` holds the variances up; an empty component
      keeps its last mean and covariance at weight 0.
    - The same with `reg_covar=0`: `CollapsedComponentError` if every start is singular; if a covariance becomes
      singular later, the last valid parameters, a `ConvergenceWarning` and `Status.COLLAPSED`.
    - `max_iter` reached: the parameters as they are, a `ConvergenceWarning` and `Status.MAX_ITER`.

    An iteration reads X once, in chunks: memory beyond X does not grow with its rows.

    References
    ----------
    .. [1] Bishop (2006), Pattern Recognition and Machine Learning, section 9.2.
    .. [2] Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm,
       Journal of the Royal Statistical Society B 39, 1-38.

    Examples
    --------
    >>> from mixturelab import GaussianMixture, load_dataset
    >>> faithful = load_dataset("faithful")
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(faithful.data)
    >>> model.means_.round(1).tolist()
    [[4.3, 80.0], [2.0, 54.5]]
    """

    _counterpart = "GaussianMixture"
    _carried = (*MixtureEstimator._carried, "_map_prior")

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
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        device: Any = None,
        dtype: Any = None,
        prior: Prior | None = None,
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
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.device = device
        self.dtype = dtype
        self.prior = prior
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.learning_rate = learning_rate
        self.total_samples = total_samples

    @classmethod
    def from_parameters(
        cls, weights: Any, means: Any, covariances: Any, covariance_type: str = "full", **settings: Any
    ) -> Self:
        """A fitted mixture with these parameters: it predicts, scores and samples at once.

        Parameters
        ----------
        weights, means, covariances : array-like or Tensor
            π [K], μ [K, D] and Σ in the family's shape.
        covariance_type : str
        **settings
            Further constructor arguments.

        Raises
        ------
        ArgumentError, CollapsedComponentError
            If they are not the parameters of a mixture.
        """
        kind = means if isinstance(means, Tensor) else np.asarray(means)
        parts = [as_tensor(value) for value in (means, weights, covariances)]
        mu, pi, sigma = (part.to(parts[0]) for part in parts)
        parameters = make_parameters(pi, mu, sigma, covariance_type)
        model = cls(n_components=len(mu), covariance_type=covariance_type, **settings)
        history = History((), Status.INITIALISED, "Parameters given, no fit made.")
        model._store(FitResult(parameters, parameters.weights * math.nan, history), kind, mu.dtype)
        model.n_features_in_ = mu.shape[1]
        model.converged_, model.spurious_ = False, ()
        return model

    def bic(self, X: Any) -> float:
        """Bayesian information criterion −2 log L + p log N (Schwarz 1978): lower is better.

        R's mclust prints the negative of this.
        """
        n = len(X)
        return -2 * self.score(X) * n + self._n_parameters() * math.log(n)

    def aic(self, X: Any) -> float:
        """Akaike information criterion −2 log L + 2p: lower is better."""
        return -2 * self.score(X) * len(X) + 2 * self._n_parameters()

    def icl(self, X: Any) -> float:
        """Integrated completed likelihood: BIC + 2 Σ_n H(γ_n), H the entropy in nats; lower is better.

        The criterion of Biernacki, Celeux and Govaert (2000) with soft assignments.
        """
        return self.bic(X) + 2 * self.assignment_entropy(X)

    # Below: arrays in, tensors inside.

    def _parameters(self, dtype: torch.dtype | None, device: torch.device) -> MixtureParameters:
        """The fitted mixture, from the public attributes that scikit-learn's predictions are made of too.

        The Cholesky factors of the precisions: rounded to float32 they lose √cond(Σ), covariances would lose cond(Σ).
        """
        acc = dtype or (torch.float32 if device.type == "mps" else torch.float64)
        family = family_of(self.covariance_type)
        fitted = (self.weights_, self.means_, self.precisions_cholesky_)
        pi, mu, root = (as_tensor(value, acc, device) for value in fitted)
        checks.check_fitted_shapes(self, pi, mu, root)
        whitener = root.mT.contiguous() if family.form.is_matrix else root
        return from_whitener(pi, mu, whitener, family)

    def _check_settings(self) -> None:
        super()._check_settings()
        check_prior(self.prior)

    def _prior(self, summary: DataSummary) -> ParameterPrior | None:
        self._map_prior = self._prior_for(summary)
        return self._map_prior

    def _prior_for(self, summary: DataSummary, known: ParameterPrior | None = None) -> ParameterPrior | None:
        family = family_of(self.covariance_type)
        return parameter_prior(self.prior, summary, family, self.n_components, self.reg_covar, known)

    def _known_prior(self, x: Tensor) -> ParameterPrior | None:
        if self.prior is None:
            return None  # whatever the fit was made with
        known = getattr(self, "_map_prior", None)
        self._map_prior = self._prior_for(summarise(x), None if known is None else known.to(x.device))
        return self._map_prior

    def _fold(
        self,
        x: Tensor,
        start: MixtureParameters,
        prior: ParameterPrior | None,
        stream: Stream | None,
        schedule: Schedule,
    ) -> Any:
        return stepwise_em(x, start, stream, schedule, self.reg_covar, prior, self.total_samples)

    def _fitted(self, device: torch.device) -> MixtureParameters:
        return self._parameters(None, device)

    def _iterate(
        self,
        x: Tensor,
        start: MixtureParameters,
        prior: ParameterPrior | None,
        summary: DataSummary,
        previous: float,
        callback: Callback,
    ) -> FitResult:
        return fit(
            x,
            start,
            reg_covar=self.reg_covar,
            tol=self.tol,
            max_iter=self.max_iter,
            previous=previous,
            summary=summary,
            callback=callback,
            prior=prior,
        )

    def _start(
        self, X: Any, x: Tensor, rng: np.random.RandomState, prior: ParameterPrior | None
    ) -> MixtureParameters:
        """Starting parameters: one M-step from responsibilities, then what the user gave instead."""
        family = family_of(self.covariance_type)
        given = checks.given_start(self, x.shape[1])
        if len(given) == 3:
            parts = {name: as_tensor(v, torch.float64, x.device) for name, v in given.items()}
            return from_precisions(**parts, family=family)
        rows, gamma = self._start_responsibilities(X, x, rng)
        start = initialise.parameters_from(rows, gamma, family, self.reg_covar, prior)
        return _replace(start, given)

    def _rank(self, run: FitResult) -> tuple[bool, bool, float]:
        """Collapsed runs last, degenerate ones before them, then by likelihood."""
        collapsed = run.history.status is Status.COLLAPSED
        return (collapsed, bool(self._reasons(run)), -run.lower_bound)

    def _reasons(self, run: FitResult) -> tuple[str, ...]:
        """Why the fit describes a few rows: under a prior it need not, a component may have no row at all."""
        return diagnose(run.parameters, run.mass, self.reg_covar) if self.prior is None else ()

    def _store(self, run: FitResult, kind: Any, dtype: torch.dtype) -> None:
        """Fitted attributes, of X's kind and precision."""
        p = run.parameters

        def public(tensor: Tensor) -> Any:
            return to_kind(tensor.to(dtype), kind)

        self.weights_, self.means_, self.covariances_ = map(public, (p.weights, p.means, p.covariances))
        self.precisions_ = public(p.precisions)
        self.precisions_cholesky_ = public(p.whitener.mT if p.family.form.is_matrix else p.whitener)
        super()._store(run, kind, dtype)
        self.spurious_ = self._reasons(run)
        if run.history.status is Status.COLLAPSED:
            self.spurious_ += (run.history.reason,)

    def _warn_of_degeneracy(self, X: Any) -> None:
        if self.spurious_:
            advice = (
                "Use fewer components, a more constrained covariance_type, more starts or a larger reg_covar."
            )
            x = as_tensor(X)
            constant = constant_columns(x, getattr(self, "feature_names_in_", None))
            variances = x.var(0, correction=0)
            if constant:
                advice = f"Drop constant column(s) {constant}. {advice}"
            elif float(variances.min()) < SMALL_UNITS * self.reg_covar:
                advice = (
                    f"reg_covar={self.reg_covar:g} is large beside a column's variance of "
                    f"{float(variances.min()):.2g}: rescale the columns or lower it."
                )
            message = f"The fit is degenerate: {'; '.join(self.spurious_)}. {advice}"
            warnings.warn(message, DegenerateFitWarning, stacklevel=4)

    def _n_parameters(self) -> int:
        check_is_fitted(self)
        k, d = self.means_.shape
        return family_of(self.covariance_type).n_parameters(k, d) + k * d + k - 1


def _replace(start: MixtureParameters, given: dict[str, Any]) -> MixtureParameters:
    """The start with the parts that the user gave in their place."""
    parts = {name: as_tensor(value).to(start.means) for name, value in given.items()}
    means, weights = parts.get("means", start.means), parts.get("weights", start.weights)
    if "precisions" in parts:
        return from_precisions(weights, means, parts["precisions"], start.family)
    return MixtureParameters(weights, means, start.covariances, start.family)
