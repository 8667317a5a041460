"""The parameters of a Gaussian mixture, frozen, and what makes them valid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mixturelab.exceptions import ArgumentError, CollapsedComponentError
from mixturelab.model.covariance import Family, family_of
from mixturelab.model.forms import LOG_TWO_PI

# The first sentence is scikit-learn's, so that code which matches it goes on working.
ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance "
    "(for instance caused by singleton or collapsed samples). Try to decrease the number of components, "
    "increase reg_covar, or scale the input data."
)


@dataclass(frozen=True, eq=False)
class MixtureParameters:
    """Weights π, means μ and covariances Σ of K Gaussians in D dimensions.

    Attributes
    ----------
    weights : Tensor [K]
        π_k ≥ 0, summing to one.
    means : Tensor [K, D]
        μ_k, in the data's units.
    covariances : Tensor
        Σ_k in the data's units squared: [K, D, D], [D, D], [K, D] or [K], as the family stores them.
    family : Family
        The constraint that the covariances obey.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    family: Family

    @property
    def n_components(self) -> int:
        """K."""
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        """D."""
        return self.means.shape[1]

    @property
    def n_parameters(self) -> int:
        """Free parameters: the covariances', K·D means and K − 1 weights."""
        k, d = self.means.shape
        return self.family.n_parameters(k, d) + k * d + k - 1

    @cached_property
    def _factor(self) -> tuple[Tensor, Tensor]:
        return self.family.form.whitener(self.covariances)

    @property
    def whitener(self) -> Tensor:
        """W_k = C_k⁻¹, the inverse Cholesky factor of Σ_k, in the family's form."""
        return self._factor[0]

    @property
    def is_positive(self) -> Tensor:
        """Whether every covariance is positive definite (a boolean scalar, left on the device)."""
        return self._factor[1].all()

    @property
    def log_weights(self) -> Tensor:
        """Log π_k; −∞ for a component of weight 0."""
        return self.weights.log()

    @property
    def precisions(self) -> Tensor:
        """Σ_k⁻¹ in the family's form."""
        return self.family.form.precision(self.whitener)

    @property
    def log_det(self) -> Tensor:
        """log|W_k| = −½ log|Σ_k|, [K]."""
        return self.family.form.log_det(self.whitener, *self.means.shape)

    @property
    def smallest_variance(self) -> Tensor:
        """The smallest eigenvalue of each Σ_k, [K]."""
        return self.family.form.smallest_variance(self.covariances, self.n_components)

    def dense_covariances(self) -> Tensor:
        """Σ_k as full matrices, [K, D, D]."""
        return self.family.form.dense(self.covariances, *self.means.shape)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | None = None) -> MixtureParameters:
        """The same mixture in another precision or on another device."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(dtype=dtype, device=device)

        return MixtureParameters(move(self.weights), move(self.means), move(self.covariances), self.family)

    def require_positive(self) -> MixtureParameters:
        """Itself.

        Raises
        ------
        CollapsedComponentError
            If a covariance is not positive definite; the message names the components.
        """
        positive = self._factor[1]
        if bool(positive.all()):
            return self
        which = torch.nonzero(~positive.reshape(-1)).flatten().tolist()
        named = (
            f"Component(s): {which}."
            if positive.numel() == len(self.weights)
            else "The shared covariance is singular."
        )
        raise CollapsedComponentError(f"{ILL_DEFINED} {named}")


def make_parameters(
    weights: Tensor, means: Tensor, covariances: Tensor, covariance_type: str = "full"
) -> MixtureParameters:
    """Checked parameters.

    Raises
    ------
    ArgumentError
        If a shape does not fit, a value is not finite, the weights are no probabilities or a covariance
        is not symmetric.
    CollapsedComponentError
        If a covariance is not positive definite.
    """
    family = family_of(covariance_type)
    _check_means(means)
    k, d = means.shape
    _check_shape("weights", weights, (k,))
    _check_shape(
        "covariances", covariances, family.form.shape(k, d), f" for covariance_type={covariance_type!r}"
    )
    _check_weights(weights)
    if family.form.is_matrix:
        _check_symmetric(covariances)
    return MixtureParameters(weights, means, covariances, family).require_positive()


def _check_means(means: Tensor) -> None:
    if means.ndim != 2 or means.numel() == 0:
        raise ArgumentError(f"means has shape {tuple(means.shape)}; wanted [n_components, n_features]")
    _check_finite("means", means)


def _check_shape(name: str, value: Tensor, wanted: tuple[int, ...], why: str = "") -> None:
    if tuple(value.shape) != wanted:
        raise ArgumentError(f"{name} has shape {tuple(value.shape)}; wanted {wanted}{why}")
    _check_finite(name, value)


def _check_finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value).all()):
        raise ArgumentError(f"{name} holds a NaN or an infinity; wanted finite numbers")


def _check_weights(weights: Tensor) -> None:
    total = float(weights.sum())
    tolerance = 1e-6 if weights.dtype == torch.float64 else 1e-4
    if float(weights.min()) < 0 or abs(total - 1) > tolerance:
        lowest = float(weights.min())
        raise ArgumentError(f"weights sum to {total:.6g}, smallest {lowest:.6g}; wanted ≥ 0 and a sum of 1")


def _check_symmetric(covariances: Tensor) -> None:
    gap = float((covariances - covariances.mT).abs().max())
    if gap > 1e-5 * float(covariances.abs().max()):
        raise ArgumentError(f"covariances are not symmetric (off by {gap:.3g}); wanted Σ = Σᵀ")


def from_precisions(weights: Tensor, means: Tensor, precisions: Tensor, family: Family) -> MixtureParameters:
    """The mixture whose precisions Σ⁻¹ are given, in the family's form."""
    whitener, _ = family.form.whitener(precisions)  # P = U Uᵀ with U = (its inverse factor)⁻¹
    covariances = family.form.precision(whitener)  # (U⁻¹)ᵀ U⁻¹ = P⁻¹
    return MixtureParameters(weights, means, covariances, family)


def from_whitener(weights: Tensor, means: Tensor, whitener: Tensor, family: Family) -> MixtureParameters:
    """The mixture whose whiteners W_k are given: densities come from them, and never from Σ_k rounded."""
    parameters = MixtureParameters(weights, means, family.form.covariance(whitener), family)
    is_finite = torch.isfinite(whitener).all()
    parameters.__dict__["_factor"] = (whitener, is_finite)  # what the cached property would compute
    return parameters


def log_constant(parameters: MixtureParameters) -> Tensor:
    """Log π_k + log|W_k| − D/2 log 2π: the part of the log-joint that no row changes, [K]."""
    d = parameters.n_features
    return parameters.log_weights + parameters.log_det - 0.5 * d * LOG_TWO_PI
