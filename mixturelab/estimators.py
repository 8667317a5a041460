"""GaussianMixture with scikit-learn's interface: the edge where arrays become tensors and back."""

from __future__ import annotations

import math
import warnings
from time import perf_counter
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from mixturelab import checks, starts
from mixturelab.arrays import as_tensor, constant_columns, require_usable, to_kind, torch_device, torch_dtype
from mixturelab.exceptions import (
    CollapsedComponentError,
    ConvergenceWarning,
    DegenerateFitWarning,
)
from mixturelab.inference import initialise
from mixturelab.inference.degenerate import diagnose
from mixturelab.inference.fit import FitResult, History, Status, fit
from mixturelab.model import density
from mixturelab.model.covariance import family_of
from mixturelab.model.params import MixtureParameters, from_precisions, from_whitener, make_parameters
from mixturelab.model.quadratic import DataSummary, summarise
from mixturelab.model.responsibilities import entropy

NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
    "tol, or check for degenerate data."
)


# A column whose variance is below this many ridges has its groups blurred by the ridge.
SMALL_UNITS = 1000


class GaussianMixture(DensityMixin, BaseEstimator):
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

    - NaN, infinity, or numbers whose squares overflow: `DataError` with the row and column.
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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit by EM from `n_init` starts.

        Parameters
        ----------
        X : array-like, DataFrame or Tensor [N, D]
            At least 2 rows and at least `n_components`.
        y : ignored

        Raises
        ------
        DataError
            If X holds a NaN or an infinity (the message names row and column).
        ArgumentError
            If a constructor argument has a value it cannot have.
        CollapsedComponentError
            If every start is singular already.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` was reached first.
        DegenerateFitWarning
            If the fit describes a few rows instead of a group (see `spurious_`).
        """
        runs, kind, dtype = self._search(X)
        self._store(runs[0], kind, dtype)
        self._warn(kind)
        return self

    def fit_restarts(self, X: Any) -> list[Self]:
        """A fitted mixture for each of the `n_init` starts, best first, without warnings.

        Honest fits come before degenerate ones (see `spurious_`), then the more likely before the less: the
        first is what `fit` keeps, the others show the local optima. Starts that collapsed are left out.
        """
        runs, kind, dtype = self._search(X)
        fitted = [clone(self) for _ in runs]
        for model, run in zip(fitted, runs, strict=True):
            seen = ("n_features_in_", "feature_names_in_")
            model.__dict__.update({name: getattr(self, name) for name in seen if hasattr(self, name)})
            model._store(run, kind, dtype)
        return [m for m in fitted if m.history_.status is not Status.COLLAPSED]

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Fit, and the most responsible component of each row: `fit(X).predict(X)`."""
        return self.fit(X).predict(X)

    def predict(self, X: Any) -> Any:
        """The most responsible component of each row, [N] of integers."""
        return self._evaluate(X, density.assignment)

    def predict_proba(self, X: Any) -> Any:
        """The responsibilities γ_nk, [N, K]; each row sums to one."""
        return self._evaluate(X, density.posterior)

    def score_samples(self, X: Any) -> Any:
        """Log p(x_n), [N], in nats."""
        return self._evaluate(X, density.log_density)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood per row, in nats."""
        return float(self.score_samples(X).mean())

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

    def assignment_entropy(self, X: Any) -> float:
        """Σ_n H(γ_n), in nats: 0 if every row is certain, N log K if none is."""
        return float(self._evaluate(X, lambda x, p: entropy(density.posterior(x, p))).sum())

    def sample(self, n_samples: int = 1) -> tuple[Any, Any]:
        """Rows drawn from the mixture, [n_samples, D], and the component of each, sorted by component.

        The draws are scikit-learn's: equal parameters and `random_state` give equal rows.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"Invalid value for 'n_samples': {n_samples}. At least one sample is required.")
        rng = check_random_state(self.random_state)
        parameters = self._parameters(torch.float64, torch.device("cpu"))
        weights = parameters.weights.numpy()
        counts = rng.multinomial(n_samples, weights / weights.sum())
        rows = np.vstack([self._draw(rng, parameters, k, n) for k, n in enumerate(counts)])
        labels = np.repeat(np.arange(len(counts)), counts)
        return to_kind(torch.from_numpy(rows), self.means_), to_kind(torch.from_numpy(labels), self.means_)

    # Below: arrays in, tensors inside.

    def _draw(self, rng: np.random.RandomState, parameters: MixtureParameters, k: int, n: int) -> np.ndarray:
        mean, form = parameters.means[k].numpy(), parameters.family.form
        if form.is_matrix:
            return rng.multivariate_normal(mean, parameters.dense_covariances()[k].numpy(), n)
        spread = np.sqrt(parameters.covariances[k].numpy())
        return mean + rng.standard_normal(size=(n, len(mean))) * spread

    def _rows(self, X: Any, reset: bool) -> tuple[Tensor, Any]:
        """X as a checked tensor where it is to be computed, and X's kind."""
        if isinstance(X, Tensor):
            checks.check_tensor(self, X, reset)
            kind: Any = X
        else:
            minimum = 2 if reset else 1
            kind = validate_data(
                self,
                X,
                reset=reset,
                dtype=[np.float64, np.float32],
                ensure_all_finite=False,
                ensure_min_samples=minimum,
            )
        x = as_tensor(kind, torch_dtype(self.dtype), torch_device(self.device))
        require_usable(x, getattr(self, "feature_names_in_", None))
        return x, kind

    def _evaluate(self, X: Any, function: Any) -> Any:
        check_is_fitted(self)
        x, kind = self._rows(X, reset=False)
        with torch.no_grad():
            return to_kind(function(x, self._parameters(None, x.device)), kind)

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

    def _search(self, X: Any) -> tuple[list[FitResult], Any, torch.dtype]:
        """Runs from all starts, best first, with X's kind and the rows' precision."""
        checks.check_settings(self)
        x, kind = self._rows(X, reset=True)
        checks.check_enough_rows(len(x), self.n_components)
        with torch.no_grad():
            return sorted(self._runs(X, x), key=self._rank), kind, x.dtype

    def _runs(self, X: Any, x: Tensor) -> list[FitResult]:
        """EM from every start, in the order of the random draws."""
        summary, rng = summarise(x), check_random_state(self.random_state)
        is_warm = self.warm_start and hasattr(self, "converged_")
        runs: list[FitResult] = []
        collapsed: CollapsedComponentError | None = None
        for start in range(1 if is_warm else self.n_init):
            report = _Report(self.verbose, self.verbose_interval, start)
            try:
                initial = self._parameters(None, x.device) if is_warm else self._start(X, x, rng)
                initial.require_positive()
            except CollapsedComponentError as error:
                collapsed = error
                continue
            runs.append(self._run(x, initial, summary, self.lower_bound_ if is_warm else -math.inf, report))
        if not runs and collapsed is not None:
            raise collapsed
        return runs

    def _run(
        self, x: Tensor, initial: MixtureParameters, summary: DataSummary, previous: float, report: _Report
    ) -> FitResult:
        run = fit(
            x,
            initial,
            reg_covar=self.reg_covar,
            tol=self.tol,
            max_iter=self.max_iter,
            previous=previous,
            summary=summary,
            callback=report.iteration,
        )
        report.end(run)
        return run

    def _start(self, X: Any, x: Tensor, rng: np.random.RandomState) -> MixtureParameters:
        """Starting parameters: one M-step from responsibilities, then what the user gave instead."""
        family = family_of(self.covariance_type)
        given = checks.given_start(self, x.shape[1])
        if len(given) == 3:
            parts = {name: as_tensor(v, torch.float64, x.device) for name, v in given.items()}
            return from_precisions(**parts, family=family)
        rows, gamma = self._start_responsibilities(X, x, rng)
        start = initialise.parameters_from(rows, gamma, family, self.reg_covar)
        return _replace(start, given)

    def _start_responsibilities(self, X: Any, x: Tensor, rng: np.random.RandomState) -> tuple[Tensor, Tensor]:
        if isinstance(self.init_params, str):
            rows = starts.subsample(x, rng)
            return rows, starts.start_responsibilities(rows, self.n_components, self.init_params, rng)
        value = (
            self.init_params(X, self.n_components, rng) if callable(self.init_params) else self.init_params
        )
        return x, checks.check_responsibilities(
            as_tensor(value, x.dtype, x.device), len(x), self.n_components
        )

    def _rank(self, run: FitResult) -> tuple[bool, bool, float]:
        """Collapsed runs last, degenerate ones before them, then by likelihood."""
        collapsed = run.history.status is Status.COLLAPSED
        spurious = bool(diagnose(run.parameters, run.mass, self.reg_covar))
        return (collapsed, spurious, -run.lower_bound)

    def _store(self, run: FitResult, kind: Any, dtype: torch.dtype) -> None:
        """Fitted attributes, of X's kind and precision."""
        p = run.parameters

        def public(tensor: Tensor) -> Any:
            return to_kind(tensor.to(dtype), kind)

        self.weights_, self.means_, self.covariances_ = map(public, (p.weights, p.means, p.covariances))
        self.precisions_ = public(p.precisions)
        self.precisions_cholesky_ = public(p.whitener.mT if p.family.form.is_matrix else p.whitener)
        self.history_ = run.history
        self.converged_ = run.history.status is Status.CONVERGED
        self.n_iter_ = run.n_iter
        self.lower_bound_, self.lower_bounds_ = run.lower_bound, list(run.history.log_likelihood)
        self.spurious_ = diagnose(p, run.mass, self.reg_covar)
        if run.history.status is Status.COLLAPSED:
            self.spurious_ += (run.history.reason,)

    def _warn(self, X: Any) -> None:
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(f"{NOT_CONVERGED} ({self.history_.reason})", ConvergenceWarning, stacklevel=3)
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
            warnings.warn(message, DegenerateFitWarning, stacklevel=3)

    def _n_parameters(self) -> int:
        check_is_fitted(self)
        k, d = self.means_.shape
        return family_of(self.covariance_type).n_parameters(k, d) + k * d + k - 1


class _Report:
    """What `verbose` prints, in scikit-learn's layout: 1 for iterations, 2 for times and changes too."""

    def __init__(self, verbose: int, interval: int, start: int):
        self.verbose, self.interval = int(verbose), interval
        self.began = self.last = perf_counter()
        self._say(f"Initialization {start}")

    def iteration(self, iteration: int, log_likelihood: float, change: float) -> None:
        """Called by the loop after each iteration."""
        if iteration % self.interval:
            return
        before, self.last = self.last, perf_counter()
        detail = f"\t time lapse {self.last - before:.5f}s\t ll change {change:.5f}"
        self._say(f"  Iteration {iteration}", detail)

    def end(self, run: FitResult) -> None:
        """Called when the run has stopped."""
        detail = f" time lapse {perf_counter() - self.began:.5f}s\t lower bound {run.lower_bound:.5f}."
        self._say(run.history.reason, detail)

    def _say(self, text: str, detail: str = "") -> None:
        if self.verbose:
            print(text + detail if self.verbose > 1 else text)  # noqa: T201 (the edge; asked for)


def _replace(start: MixtureParameters, given: dict[str, Any]) -> MixtureParameters:
    """The start with the parts that the user gave in their place."""
    parts = {name: as_tensor(value).to(start.means) for name, value in given.items()}
    means, weights = parts.get("means", start.means), parts.get("weights", start.weights)
    if "precisions" in parts:
        return from_precisions(weights, means, parts["precisions"], start.family)
    return MixtureParameters(weights, means, start.covariances, start.family)
