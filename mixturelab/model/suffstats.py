"""Sufficient statistics of a Gaussian mixture: collect, add, scale, move the origin.

They are sums over rows, so they ADD across chunks, ranks and time. Second moments are kept about an origin
o_k per component (the mean that the assigner used): raw ones, about zero, lose every digit of float32 when the data
lie a thousand standard deviations away.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mixturelab.model.forms import Form


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """Weighted moments of the rows, for each of K components.

    Attributes
    ----------
    mass : Tensor [K]
        N_k = Σ_n γ_nk, the expected number of rows (Bishop 2006, eq. 9.27).
    first : Tensor [K, D]
        S1_k = Σ_n γ_nk (x_n − o_k).
    second : Tensor
        S2_k = Σ_n γ_nk (x_n − o_k)(x_n − o_k)ᵀ in the form's shape ([D, D], summed over k, if shared).
    origin : Tensor [K, D]
        o_k.
    form : Form
        How second moments are stored.
    """

    mass: Tensor
    first: Tensor
    second: Tensor
    origin: Tensor
    form: Form

    @classmethod
    def collect(
        cls,
        x: Float[Tensor, "N D"],
        responsibilities: Float[Tensor, "N K"],
        origin: Float[Tensor, "K D"],
        form: Form,
    ) -> SufficientStatistics:
        """The statistics of some rows, written as the sums they are (one chunk: it holds K·D numbers a row)."""
        gamma = responsibilities.T
        residual = x.T - origin[:, :, None]
        return cls(
            gamma.sum(1), (residual * gamma[:, None]).sum(-1), form.moment(gamma, residual), origin, form
        )

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        """Statistics of both sets of rows, about this one's origin (Chan, Golub and LeVeque's merge)."""
        if not isinstance(other, SufficientStatistics):
            return NotImplemented
        if self.form is not other.form:
            raise TypeError(f"cannot add {self.form} and {other.form} statistics: collect both in one form")
        moved = other.recenter(self.origin)
        return SufficientStatistics(
            self.mass + moved.mass,
            self.first + moved.first,
            self.second + moved.second,
            self.origin,
            self.form,
        )

    def scale(self, factor: float | Tensor) -> SufficientStatistics:
        """Every row's weight times a number."""
        return SufficientStatistics(
            self.mass * factor, self.first * factor, self.second * factor, self.origin, self.form
        )

    def recenter(self, origin: Float[Tensor, "K D"]) -> SufficientStatistics:
        """The same rows about another origin: exact algebra, no rows needed."""
        shift = origin - self.origin
        moved = self.mass[:, None] * shift
        outer = self.form.outer
        second = self.second - outer(shift, self.first) - outer(self.first, shift) + outer(moved, shift)
        return SufficientStatistics(self.mass, self.first - moved, second, origin, self.form)
