"""A fitted mixture made ready to score rows again and again: all that depends on the model alone is done once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mixturelab.arrays import as_tensor
from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.model.density import LogJoint, chunk_rows, chunks
from mixturelab.model.responsibilities import from_log_joint, log_evidence

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a mixture says of rows.

    Attributes
    ----------
    log_density : ndarray [N]
        log p(x_n), in nats.
    responsibilities : ndarray [N, K]
        γ_nk; each row sums to one.
    """

    log_density: Floats
    responsibilities: Floats

    @cached_property
    def component(self) -> NDArray[np.int64]:
        """The most responsible component of each row, [N]; components count from 0."""
        return self.responsibilities.argmax(axis=1)

    @cached_property
    def uncertainty(self) -> Floats:
        """1 − max_k γ_nk, [N]: 0 where one component answers for the row alone."""
        return 1 - self.responsibilities.max(axis=1, initial=0)


class Scorer:
    """Log densities and responsibilities from one reading of the rows, in float64 on the CPU.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        Fitted. It is copied from: what becomes of it later changes nothing here.

    Raises
    ------
    NotFittedError
        If it has not been fitted.

    Notes
    -----
    Calls do not disturb one another: several threads may share a scorer.
    """

    def __init__(self, model: MixtureEstimator):
        check_is_fitted(model)
        names = getattr(model, "feature_names_in_", None)
        self.feature_names: tuple[str, ...] | None = None if names is None else tuple(map(str, names))
        self._parameters = model._parameters(torch.float64, torch.device("cpu"))
        self.n_components, self.n_features = self._parameters.means.shape
        self._rows = chunk_rows(self._parameters.means.numel(), torch.device("cpu"))
        one = LogJoint(self._parameters, torch.float64)
        self._constant, self._means, self._whitener, self._form = (
            one.constant, one.means, one.whitener, one.form,
        )  # fmt: skip

    def __call__(self, x: Any) -> Scores:
        """Score rows.

        Parameters
        ----------
        x : array-like [N, D]
            In the order of the model's features; N may be 0. Values that are not finite give NaN.
        """
        rows = as_tensor(x, torch.float64)
        with torch.inference_mode():
            log_density, gamma = self._few(rows) if len(rows) <= FEW else self._many(rows)
        return Scores(log_density.numpy(), gamma.numpy())

    @property
    def tile(self) -> int:
        """Rows that are worked on at once."""
        return self._rows

    def at(self, x: Floats, first: int) -> Scores:
        """Score a part of a long table: equal to the last bit however the table is cut into parts.

        The last bit of a matrix product depends on where in the matrix a row stands. Here each row is worked on at the
        place that it has in the table, whatever is beside it.

        Parameters
        ----------
        x : ndarray [N, D]
        first : int
            The number of its first row in the table, from 0.
        """
        before = first % self._rows
        after = -(before + len(x)) % self._rows
        padded = np.pad(x, ((before, after), (0, 0))) if before or after else x
        with torch.inference_mode():
            log_density, gamma = self._many(as_tensor(padded, torch.float64))
        mine = slice(before, before + len(x))
        return Scores(log_density.numpy()[mine], gamma.numpy()[mine])

    def _few(self, x: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
        """For requests: no buffers, as few operations as can be."""
        y = self._form.apply(self._whitener, x.T - self._means)
        return _normalised((self._constant - 0.5 * y.square_().sum(1)).T)

    def _many(self, x: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
        evaluate = LogJoint(self._parameters, torch.float64)  # its buffers are this call's own
        log_density, gamma = x.new_empty(len(x)), x.new_empty(len(x), self.n_components)
        parts = zip(
            chunks(x, self._rows), log_density.split(self._rows), gamma.split(self._rows), strict=True
        )
        for rows, density_, gamma_ in parts:
            density_[:], gamma_[:] = _normalised(evaluate(rows.T)[0].T)
        return log_density, gamma


# Up to here the set-up of buffers takes longer than the arithmetic.
FEW = 256


def _normalised(joint: Float[Tensor, "N K"]) -> tuple[Float[Tensor, "N"], Float[Tensor, "N K"]]:
    """Log p(x) and γ from the log-joint."""
    return log_evidence(joint), from_log_joint(joint)
