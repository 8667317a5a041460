"""The log-joint as a linear function of (1, x, products of x): the exponential-family form, and its limits.

A Gaussian's log density is quadratic in x, so with φ(x) = (1, x, the products x_i x_j), the log-joint of a
row is one inner product θ_k · φ(x), and the sufficient statistics of all rows are Σ_n γ_nk φ(x_n). Both
directions are one matrix product over all components. It reads x about *one* origin, so it loses digits where
components are tight and far from it: `digits_lost` says by how much, and the caller then takes the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.density import chunk_rows, chunks
from mixturelab.model.forms import Form
from mixturelab.model.linalg import accumulation_dtype
from mixturelab.model.params import MixtureParameters, log_constant
from mixturelab.model.suffstats import SufficientStatistics


@dataclass(frozen=True, eq=False)
class DataSummary:
    """What one first reading of the rows tells: where they lie and how far they spread.

    Attributes
    ----------
    n_rows : int
    origin : Tensor [D]
        The mean, rounded to the data's own dtype: x − origin is then exact where it matters.
    variance : Tensor [D]
        Of each feature.
    scatter : Tensor [D, D]
        Σ_n (x_n − origin)(x_n − origin)ᵀ.
    """

    n_rows: int
    origin: Tensor
    variance: Tensor
    scatter: Tensor


def summarise(x: Float[Tensor, "N D"]) -> DataSummary:
    """Read the rows once for their mean, spread and total scatter, whatever their offset."""
    acc = accumulation_dtype(x.device)
    n, d = x.shape
    guess = x[: min(n, 1024)].mean(0)  # any point near the data will do: the algebra below is exact
    first = torch.zeros(d, dtype=acc, device=x.device)
    second = torch.zeros(d, d, dtype=acc, device=x.device)
    for chunk in chunks(x, chunk_rows(2 * d, x.device)):
        residual = (chunk - guess).to(acc)
        first += residual.sum(0)
        second += residual.mT @ residual
    origin = (guess.to(acc) + first / n).to(x.dtype).to(acc)
    shift = origin - guess.to(acc)
    scatter = second - torch.outer(shift, first) - torch.outer(first, shift) + n * torch.outer(shift, shift)
    return DataSummary(n, origin, (scatter.diagonal() / n).clamp_min(0), scatter)


def digits_lost(parameters: MixtureParameters, summary: DataSummary) -> Float[Tensor, "K"]:
    """By how much products about the data's origin multiply rounding, for each component.

    Large where a component is far from the origin in its own standard deviations, and where its features are
    nearly collinear: log densities and scatters out of such products are off by about this times epsilon.
    """
    form = parameters.family.form
    squares = (parameters.means - summary.origin).square()
    return form.condition(
        parameters.whitener, squares + form.spread(parameters.covariances, summary.variance)
    )


# How much rounding may be multiplied before the residuals are taken: errors of some 1e-10 and 1e-5.
_MOST_LOST = {torch.float64: 1e5, torch.float32: 20.0}


def is_bearable(lost: Float[Tensor, "K"], dtype: torch.dtype) -> bool:
    """Whether no component's digits are lost beyond what is bearable."""
    return bool((lost <= _MOST_LOST[dtype]).all())  # NaN, from a covariance that is not positive, is not


def is_quadratic_exact(parameters: MixtureParameters, summary: DataSummary, dtype: torch.dtype) -> bool:
    """Whether products about the data's origin are exact enough for these parameters.

    It is asked when they are made, of the statistics they came from, and again when the rows are read with them: the
    answer is kept with them.
    """
    known = parameters.__dict__.get("_is_quadratic_exact")
    if known is None or known[:2] != (summary, dtype):
        known = (summary, dtype, is_bearable(digits_lost(parameters, summary), dtype))
        parameters.__dict__["_is_quadratic_exact"] = known
    return known[2]


# Up to so many numbers the products of the rows are kept from one reading to the next.
_KEPT_NUMBERS = 1 << 16


class QuadraticPass:
    """One reading of the rows through φ(x): log-joint of a chunk, then its share of the statistics."""

    def __init__(self, parameters: MixtureParameters, summary: DataSummary, dtype: torch.dtype):
        self.form: Form = parameters.family.form
        self.summary = summary
        k, d = parameters.means.shape
        n_products = self.form.n_products(d)
        self.rows = chunk_rows(1 + d + n_products + k, summary.origin.device)
        self._theta = _natural(parameters, summary.origin).to(dtype)
        self._buffer: Tensor | None = None
        self._sums: Tensor | None = None

    def log_joint(self, chunk: Float[Tensor, "B D"]) -> Float[Tensor, "K B"]:
        """θ · φ(x): without the quadratic term if all components share it (see `shared_term`)."""
        is_few = len(chunk) == self.summary.n_rows and len(chunk) * self._theta.shape[1] <= _KEPT_NUMBERS
        self._phi = self._kept_features(chunk) if is_few else self._features(chunk)
        return self._theta @ self._phi

    def _kept_features(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "P N"]:
        """φ of all rows, from the last reading if they are the same rows: of so few, the arithmetic is the least."""
        what = (self.form, x.dtype, x.data_ptr(), x.stride())
        known = self.summary.__dict__.get("_features")
        if known is None or known[0] != what:
            known = (what, self._features(x), x)  # the rows, too: what they leave free could become others
            self.summary.__dict__["_features"] = known
        return known[1]

    def _features(self, chunk: Float[Tensor, "B D"]) -> Float[Tensor, "P B"]:
        """φ of a chunk, valid until the next one."""
        b, d = chunk.shape
        if self._buffer is None:
            self._buffer = self._theta.new_empty(self._theta.shape[1], b)  # the first chunk is the longest
            self._buffer[0] = 1
        phi = self._buffer[:, :b]
        x = torch.sub(chunk.T, self.summary.origin.to(chunk.dtype)[:, None], out=phi[1 : 1 + d])
        self.form.write_products(x, phi[1 + d :])
        return phi

    def collect(self, responsibilities: Float[Tensor, "K B"]) -> None:
        """Add Σ_n γ_nk φ(x_n) of the chunk whose log-joint was asked for last."""
        sums = (responsibilities @ self._phi.mT).to(accumulation_dtype(self._phi.device))
        self._sums = sums if self._sums is None else self._sums.add_(sums)

    def is_exact(self, new: MixtureParameters) -> bool:
        """Whether the covariances that come out of the statistics are."""
        return is_quadratic_exact(new, self.summary, self._theta.dtype)

    def statistics(self) -> SufficientStatistics:
        """The sums over all chunks, about the data's origin."""
        assert self._sums is not None, "no chunk was collected"
        k, d = self._sums.shape[0], self.summary.origin.numel()
        mass, first, products = self._sums.split([1, d, self._sums.shape[1] - 1 - d], dim=1)
        is_pooled = products.shape[1] == 0
        second = self.summary.scatter if is_pooled else self.form.from_products(products, d)
        return SufficientStatistics(mass[:, 0], first, second, self.summary.origin.expand(k, d), self.form)


def shared_term(parameters: MixtureParameters, summary: DataSummary) -> Tensor | float:
    """What the log-joints of all rows miss together: −½ Σ_n xᵀPx = −½ tr(P T) where all components share P."""
    form, d = parameters.family.form, parameters.n_features
    if form.n_products(d) > 0:
        return 0.0
    return -0.5 * (form.precision(parameters.whitener) * summary.scatter).sum()


def _natural(parameters: MixtureParameters, origin: Tensor) -> Float[Tensor, "K P"]:
    """θ_k: the coefficients of 1, x − origin and the products."""
    theta = parameters.family.form.natural(parameters.whitener, parameters.means - origin)
    theta[:, 0].add_(log_constant(parameters))
    return theta
