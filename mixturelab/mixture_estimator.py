"""What both mixture estimators share: scikit-learn's methods, the starts, and arrays that become tensors and back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from mixturelab import checks, interchange, starts
from mixturelab.arrays import as_tensor, require_usable, to_kind, torch_device, torch_dtype
from mixturelab.exceptions import CollapsedComponentError, ConvergenceWarning
from mixturelab.inference.fit import Callback, FitResult, History, Status
from mixturelab.inference.online import Schedule, Stream
from mixturelab.model import density
from mixturelab.model.linalg import threads_for
from mixturelab.model.params import MixtureParameters
from mixturelab.model.quadratic import DataSummary, summarise
from mixturelab.model.responsibilities import entropy

NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
    "tol, or check for degenerate data."
)


class MixtureEstimator(DensityMixin, BaseEstimator):
    """A mixture fitted from several starts; what is iterated, and the prior, are the subclass's."""

    # The class of scikit-learn's that this one stands in for.
    _counterpart: str
    # What the checks of X leave behind: restarts have it too.
    _carried: tuple[str, ...] = ("n_features_in_", "feature_names_in_")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit from `n_init` starts; the best is kept.

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
            If the fit describes a few rows instead of a group (`GaussianMixture`: see `spurious_`), or the covariance
            of X, the default prior, is singular (`BayesianGaussianMixture`).
        """
        runs, kind, dtype = self._search(X)
        self._store(runs[0], kind, dtype)
        self._warn(kind)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch of a stream, and forget it: stepwise EM, or stochastic variational Bayes.

        The statistics of all rows so far are kept as running means; each batch is folded in with the rate that
        `learning_decay`, `learning_offset` or `learning_rate` say, and one M-step is made. The first batch starts as
        `fit` does (by `init_params`, with at least `n_components` rows) and defines priors that were left out. After
        `fit`, the stream goes on from the rows of the fit; a model from `from_parameters` or a file starts with its
        parameters, and its first batch is all that it remembers (a file keeps the settings, not the stream). Pickling
        the model keeps the stream. Priors that are given or changed later hold from the next batch on. `n_init`, `tol`,
        `max_iter` and `warm_start` play no part.

        `lower_bound_` and `history_` are then of the last batch alone, before it was learned from: the mean of
        `score_samples` over rows not seen before. `n_iter_` counts batches.

        Parameters
        ----------
        X : array-like, DataFrame or Tensor [N, D]
        y : ignored

        Raises
        ------
        DataError, ArgumentError
            As in `fit`; the model is then what it was.
        CollapsedComponentError
            If a covariance became singular; the model is then what it was before the batch.
        """
        self._check_settings()
        with self._as_it_was_after_an_error():
            return self._learn(X)

    @contextmanager
    def _as_it_was_after_an_error(self) -> Iterator[None]:
        """What is noted of X before anything is fitted goes again, if nothing is."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _learn(self, X: Any) -> Self:
        is_new = not hasattr(self, "history_")
        x, kind = self._rows(X, reset=is_new)
        with torch.no_grad(), threads_for(self._work(x), x.device):
            start, prior = self._begin(X, x) if is_new else (self._fitted(x.device), self._known_prior(x))
            stream: Stream | None = getattr(self, "_stream", None)
            stream = stream and stream.to(x.device)
            schedule = Schedule(self.learning_decay, self.learning_offset, self.learning_rate)
            new, after, score, rate = self._fold(x, start, prior, stream, schedule)
            new.require_positive()
        reason = f"Batch {after.n_batches} of a stream, {after.n_rows} rows so far; folded in at a rate of {rate:.2g}."
        mass = after.statistics.mass * after.effective_rows
        self._store(FitResult(new, mass, History((score,), Status.STREAMING, reason)), kind, x.dtype)
        self.n_iter_, self._stream = after.n_batches, after
        return self

    def fit_restarts(self, X: Any) -> list[Self]:
        """A fitted mixture for each of the `n_init` starts, best first, without warnings about the fits.

        Honest fits come before degenerate ones (see `spurious_`), then the more likely before the less: the
        first is what `fit` keeps, the others show the local optima. Starts that collapsed are left out.
        """
        runs, kind, dtype = self._search(X)
        fitted = [clone(self) for _ in runs]
        for model, run in zip(fitted, runs, strict=True):
            seen = {name: getattr(self, name) for name in self._carried if hasattr(self, name)}
            model.__dict__.update(seen)
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
        """Mean of `score_samples` over the rows, in nats."""
        return float(self.score_samples(X).mean())

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
        weights = as_tensor(self.weights_, torch.float64, torch.device("cpu")).numpy()
        counts = rng.multinomial(n_samples, weights / weights.sum())
        rows = np.vstack([self._draw(rng, parameters, k, n) for k, n in enumerate(counts)])
        labels = np.repeat(np.arange(len(counts)), counts)
        return to_kind(torch.from_numpy(rows), self.means_), to_kind(torch.from_numpy(labels), self.means_)

    def to_sklearn(self) -> Any:
        """The same fitted mixture as scikit-learn's class of the same name: for programs that expect that.

        It predicts, scores and samples the same (to rounding), and can be warm-started. Arrays are NumPy's, in double
        precision. `device`, the schedule of `partial_fit` and `history_` have no counterpart and are left out; so are
        `prior`, `dtype` and starting responsibilities, which a later fit would miss: a warning names them. `tol` is
        taken over as it is; scikit-learn's variational Bayes compares it with the bound of all rows together, and its
        `lower_bound_` is not ours: it is −∞ until the next fit.

        Returns
        -------
        sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture

        Raises
        ------
        NotFittedError
            If this has not been fitted.

        Warns
        -----
        UserWarning
            If a setting that scikit-learn lacks would have changed a later fit.
        """
        return interchange.to_sklearn(self, self._counterpart)

    @classmethod
    def from_sklearn(cls, theirs: Any) -> Self:
        """A fitted mixture with the settings and parameters of scikit-learn's: it predicts the same, without a fit.

        Parameters
        ----------
        theirs : sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
            Fitted, of the same name as this class. `tol` is taken over as it is, see `to_sklearn`; the bound of a
            Bayesian one is another number than ours and left out (`elbo` computes ours).

        Raises
        ------
        ArgumentError
            If it is of another class, or has a setting or parameters that cannot be.
        NotFittedError
            If it has not been fitted.
        CollapsedComponentError
            If one of its covariances is not positive definite.
        """
        return interchange.from_sklearn(cls, theirs)

    # What the subclass says.

    def _check_settings(self) -> None:
        """Every constructor argument that can be checked before X is seen."""
        checks.check_settings(self)

    def _prior(self, summary: DataSummary) -> Any:
        """The prior for these data, or None."""
        raise NotImplementedError

    def _start(self, X: Any, x: Tensor, rng: np.random.RandomState, prior: Any) -> Any:
        """What the first iteration starts from."""
        raise NotImplementedError

    def _fitted(self, device: torch.device) -> Any:
        """The same, from the fitted attributes (warm start)."""
        raise NotImplementedError

    def _iterate(
        self, x: Tensor, start: Any, prior: Any, summary: DataSummary, previous: float, callback: Callback
    ) -> FitResult:
        """One run of the loop."""
        raise NotImplementedError

    def _known_prior(self, x: Tensor) -> Any:
        """The prior of the rows seen before."""
        raise NotImplementedError

    def _fold(self, x: Tensor, start: Any, prior: Any, stream: Stream | None, schedule: Schedule) -> Any:
        """One batch: what follows from it, the stream, its mean score and its rate."""
        raise NotImplementedError

    def _rank(self, run: FitResult) -> tuple[bool, bool, float]:
        """What runs are sorted by, the best first: collapsed ones last."""
        return (run.history.status is Status.COLLAPSED, False, -run.lower_bound)

    def _store(self, run: FitResult, kind: Any, dtype: torch.dtype) -> None:
        """Fitted attributes, of X's kind and precision."""
        self.__dict__.pop("provenance_", None)  # what a file said of the model that this one replaces
        self.history_ = run.history
        self.converged_ = run.history.status is Status.CONVERGED
        self.n_iter_ = run.n_iter
        self.lower_bound_, self.lower_bounds_ = run.lower_bound, list(run.history.lower_bound)
        sums = run.statistics
        self._stream = None if sums is None else Stream.of(sums, round(float(sums.mass.sum())))

    def _warn_of_degeneracy(self, X: Any) -> None:
        """Warn where the fit is not to be trusted."""
        raise NotImplementedError

    def _parameters(self, dtype: torch.dtype | None, device: torch.device) -> MixtureParameters:
        """The mixture that predictions are made with, from the fitted attributes."""
        raise NotImplementedError

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

    def _search(self, X: Any) -> tuple[list[FitResult], Any, torch.dtype]:
        """Runs from all starts, best first, with X's kind and the rows' precision."""
        self._check_settings()
        x, kind = self._rows(X, reset=True)
        checks.check_enough_rows(len(x), self.n_components)
        with torch.no_grad():
            return sorted(self._runs(X, x), key=self._rank), kind, x.dtype

    def _runs(self, X: Any, x: Tensor) -> list[FitResult]:
        """A run from every start, in the order of the random draws."""
        summary, rng = summarise(x), check_random_state(self.random_state)
        prior = self._prior(summary)
        is_warm = self.warm_start and hasattr(self, "converged_")
        runs: list[FitResult] = []
        collapsed: CollapsedComponentError | None = None
        for start in range(1 if is_warm else self.n_init):
            report = _Report(self.verbose, self.verbose_interval, start)
            try:
                initial = self._fitted(x.device) if is_warm else self._start(X, x, rng, prior)
                initial.require_positive()
            except CollapsedComponentError as error:
                collapsed = error
                continue
            previous = self._last_bound() if is_warm else -math.inf
            with (
                torch.inference_mode()
            ):  # nobody follows these: of little data, each operation is a third quicker
                runs.append(self._iterate(x, initial, prior, summary, previous, report.iteration))
            report.end(runs[-1])
        if not runs and collapsed is not None:
            raise collapsed
        return runs

    def _last_bound(self) -> float:
        """What a warm start goes on from; a stream's last batch says nothing of these rows."""
        history = getattr(self, "history_", None)  # not there where parameters were put in by hand
        is_of_a_batch = history is not None and history.status is Status.STREAMING
        return -math.inf if is_of_a_batch else self.lower_bound_

    def _begin(self, X: Any, x: Tensor) -> tuple[Any, Any]:
        """A stream's start and prior, from its first batch."""
        checks.check_enough_rows(len(x), self.n_components)
        prior = self._prior(summarise(x))
        return self._start(X, x, check_random_state(self.random_state), prior).require_positive(), prior

    def _work(self, x: Tensor) -> int:
        """Multiply-adds of one reading, about."""
        return len(x) * self.n_components * x.shape[1] ** 2

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

    def _warn(self, X: Any) -> None:
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(f"{NOT_CONVERGED} ({self.history_.reason})", ConvergenceWarning, stacklevel=3)
        self._warn_of_degeneracy(X)


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
