"""A fitted mixture made ready to score rows again and again: all that depends on the model alone is done once."""

from __future__ import annotations

from collections.abc import Callable
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
from mixturelab.model.density import LogJoint
from mixturelab.model.responsibilities import from_log_joint, log_evidence
from mixturelab.scoring.products import products_of

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
        self._products = products_of(self._parameters)
        wide = self._products.numbers_per_row / 8 if self._products else self._parameters.means.numel()
        self._rows = _tile(wide)
        one = LogJoint(self._parameters, torch.float64)
        self._constant, self._means, self._whitener, self._form = (
            one.constant, one.means, one.whitener, one.form,
        )  # fmt: skip

    def __call__(self, x: Any) -> Scores:
        """Score rows.

        Parameters
        ----------
        x : array-like [N, D]
            In the order of the model's features; N may be 0. A NaN gives NaN; an infinity a
            log density of −∞ and γ = 1/K.
        """
        rows = as_tensor(x, torch.float64)
        with torch.inference_mode():
            return self._few(rows) if len(rows) <= FEW else self._many(rows, slice(None))

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
            return self._many(as_tensor(padded, torch.float64), slice(before, before + len(x)))

    def _few(self, x: Float[Tensor, "N D"]) -> Scores:
        """For requests: no buffers, as few operations as can be."""
        y = self._form.apply(self._whitener, x.T - self._means)
        joint = (self._constant - 0.5 * y.square_().sum(1)).T
        return Scores(log_evidence(joint).numpy(), from_log_joint(joint).numpy())

    def _many(self, x: Float[Tensor, "N D"], wanted: slice) -> Scores:
        evaluate, n = self._evaluator(), len(x)
        log_density, gamma = x.new_empty(n), x.new_empty(self.n_components, n)
        largest, component = x.new_empty(n), x.new_empty(n, dtype=torch.int64)
        for start in range(0, n, self._rows):
            tile = slice(start, start + self._rows)
            joint = evaluate(x[tile].T)
            top, component[tile] = joint.max(0)
            gamma[:, tile] = share = _shares(joint, top)
            # log p(x) = l_k − log γ_k of any k; of the most responsible one neither is lost to rounding.
            torch.sub(top, torch.amax(share, 0, out=largest[tile]).log(), out=log_density[tile])
        scores = Scores(log_density.numpy()[wanted], gamma.numpy().T[wanted])
        # What the properties would find, while the tile was at hand.
        scores.__dict__["component"] = component.numpy()[wanted]
        scores.__dict__["uncertainty"] = largest.neg_().add_(1).numpy()[wanted]
        return scores

    def _evaluator(self) -> Callable[[Tensor], Tensor]:
        """[D, B] → [K, B]; its buffers are one call's own."""
        residuals = LogJoint(self._parameters, torch.float64)
        return (lambda x: residuals(x)[0]) if self._products is None else self._products.reader(residuals)


# Up to here the set-up of buffers takes longer than the arithmetic.
FEW = 256


def _tile(numbers_per_row: float) -> int:
    """Rows whose residuals, and these whitened, fit into a core's own cache; of products there can be more."""
    rows = max(1, int(2**17 / numbers_per_row))
    return max(512, min(8192, 1 << (rows.bit_length() - 1)))


def _shares(joint: Float[Tensor, "K B"], top: Float[Tensor, "B"]) -> Float[Tensor, "K B"]:
    """γ; a row that is lost to all components gets 1/K, as elsewhere."""
    lost = top.isneginf()
    return torch.softmax(joint.masked_fill_(lost, 0.0) if lost.any() else joint, 0)
