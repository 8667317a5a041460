"""Sufficient statistics of a Gaussian mixture: collect, add, scale, move the origin.

They are sums over rows, so they ADD across chunks, ranks and time. Second moments are kept about an origin
o_k per component (the mean that the assigner used): raw ones, about zero, lose every digit of float32 when the data
lie a thousand standard deviations away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
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

    def to(self, device: torch.device) -> SufficientStatistics:
        """The same on another device."""
        if self.mass.device == device:
            return self
        mass, first, second, origin = (
            p.to(device) for p in (self.mass, self.first, self.second, self.origin)
        )
        return SufficientStatistics(mass, first, second, origin, self.form)

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


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics divided by their mass: they can be weighted down for ever, where sums would underflow.

    Attributes
    ----------
    mass : Tensor [K]
    mean : Tensor [K, D]
    covariance : Tensor
        About the mean, in the form's shape.
    form : Form
    """

    mass: Tensor
    mean: Tensor
    covariance: Tensor
    form: Form

    @classmethod
    def empty(cls, mean: Float[Tensor, "K D"], form: Form) -> Moments:
        """No rows yet: mass and covariance zero."""
        k, d = mean.shape
        return cls(mean.new_zeros(k), mean, mean.new_zeros(form.shape(k, d)), form)

    @classmethod
    def of(cls, statistics: SufficientStatistics) -> Moments:
        """The same rows, normalised; a component without mass has its origin as mean and no covariance."""
        mass, form = statistics.mass, statistics.form
        divisor = torch.where(mass > 0, mass, torch.ones_like(mass))
        mean = statistics.origin + statistics.first / divisor[:, None]
        return cls(
            mass, mean, form.per_component(divisor.reciprocal(), statistics.recenter(mean).second), form
        )

    def statistics(self) -> SufficientStatistics:
        """Back to sums, about the means."""
        second = self.form.per_component(self.mass, self.covariance)
        return SufficientStatistics(self.mass, torch.zeros_like(self.mean), second, self.mean, self.form)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ: the covariance of a mix of two groups of rows, f of it these ones.

        C are these rows' covariances, δ = their mean minus the other's. All three terms are positive
        semi-definite: nothing cancels (Chan, Golub and LeVeque's merge, divided by the mass).
        """
        kept = form.per_component(1 - share, covariance)
        spread = shift * (share * (1 - share)).sqrt()[:, None]
        return kept + form.per_component(share, self.covariance) + form.outer(spread, spread)
