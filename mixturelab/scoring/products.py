"""The log-joint of many rows from products of their features, and for each row whether that is exact enough."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mixturelab.model.density import LogJoint
from mixturelab.model.params import MixtureParameters, log_constant

# The rounding of an inner product is some 2⁻⁵³ of the sum of its magnitudes: with this, below 1e-12 in a log density.
_LARGEST_SUM = 4096.0
# With fewer components the products are not worth their making; with more features they outgrow a core's cache.
_LEAST_COMPONENTS, _MOST_FEATURES = 8, 32


class ProductsLogJoint:
    """log π_k + log N(x | μ_k, Σ_k) as θ_k · (1, x − o, products of x − o): one matrix product for all components.

    About one origin o it loses digits for rows and components that are far from it in their own deviations. One more
    row of θ bounds, for each row of the table, the magnitudes that are summed; where they are too large the row is
    read again through its residuals. That depends on the row alone, not on those beside it.
    """

    def __init__(self, parameters: MixtureParameters) -> None:
        self._form = parameters.family.form
        self._origin = _origin(parameters)[:, None]
        theta = self._form.natural(parameters.whitener, parameters.means - self._origin.T)
        theta[:, 0].add_(log_constant(parameters))
        self._bound = _bound(parameters, self._origin.T)
        self._theta = theta

    @property
    def numbers_per_row(self) -> int:
        """That are held while a row is worked on."""
        return self._theta.shape[1] + self._theta.shape[0]

    def reader(self, residuals: LogJoint) -> _Reader:
        """With buffers of its own."""
        return _Reader(self, residuals)

    def features(self, x: Float[Tensor, "D B"], out: Float[Tensor, "P B"]) -> None:
        """Fill in (1, x − o, products of x − o), of which the ones are there."""
        centred = torch.sub(x, self._origin, out=out[1 : 1 + len(x)])
        self._form.write_products(centred, out[1 + len(x) :])

    def joint(self, features: Float[Tensor, "P B"]) -> Float[Tensor, "K B"]:
        """θ · features."""
        return self._theta @ features

    def is_unsure(self, features: Float[Tensor, "P B"]) -> Bool[Tensor, "B"]:
        """Whether the magnitudes that were summed are too large, or are not finite."""
        d = len(self._origin)
        squares = features[1 : 1 + d].square()
        return ~(self._bound[0] + self._bound[1:] @ squares <= _LARGEST_SUM)


class _Reader:
    def __init__(self, products: ProductsLogJoint, residuals: LogJoint) -> None:
        self._products, self._residuals = products, residuals
        self._buffer: Tensor | None = None

    def __call__(self, x: Float[Tensor, "D B"]) -> Float[Tensor, "K B"]:
        features = self._filled(x)
        joint, unsure = self._products.joint(features), self._products.is_unsure(features)
        return torch.where(unsure, self._residuals(x)[0], joint) if unsure.any() else joint

    def _filled(self, x: Tensor) -> Tensor:
        width, b = self._products._theta.shape[1], x.shape[1]
        if self._buffer is None:
            self._buffer = x.new_empty(width, b)  # the first tile is the longest
            self._buffer[0] = 1
        features = self._buffer[:, :b]
        self._products.features(x, features)
        return features


def products_of(parameters: MixtureParameters) -> ProductsLogJoint | None:
    """The products' form, where it is quicker and exact enough for the rows that the mixture itself would draw."""
    k, d = parameters.means.shape
    if k < _LEAST_COMPONENTS or d > _MOST_FEATURES or parameters.family.form.n_products(d) == 0:
        return None
    origin = _origin(parameters)
    variances = parameters.dense_covariances().diagonal(dim1=1, dim2=2)
    squares = parameters.weights @ ((parameters.means - origin).square() + variances)
    bound = _bound(parameters, origin[None])
    usual = bound[0] + bound[1:] @ squares
    return ProductsLogJoint(parameters) if usual <= _LARGEST_SUM / 4 else None


def _origin(parameters: MixtureParameters) -> Float[Tensor, "D"]:
    return parameters.weights @ parameters.means


def _bound(parameters: MixtureParameters, origin: Float[Tensor, "one D"]) -> Float[Tensor, "D+1"]:
    """Coefficients u with u · (1, squares of x − o) ≥ Σ_p |θ_kp φ_p| for all k, and what θ was rounded from.

    With M_k = |W_k|ᵀ|W_k|, whose entries are not less than |P_k|'s, a = |x − o| and c_k = |μ_k − o|, the sum is at most
    |constant_k| + ½ (a + c_k)ᵀ M_k (a + c_k). M_k is positive semi-definite, so this is at most |constant_k| + aᵀ M_k a
    + c_kᵀ M_k c_k; and aᵀ M_k a ≤ Σ_d r_kd a_d² with r_k = M_k 1, as no entry is negative.
    """
    k, d = parameters.means.shape
    whitener = parameters.family.form.dense(parameters.whitener, k, d).abs()
    magnitudes = whitener.mT @ whitener
    distance = (parameters.means - origin).abs()
    constant = log_constant(parameters).abs() + torch.einsum("kd,kde,ke->k", distance, magnitudes, distance)
    return torch.cat([constant.amax()[None], magnitudes.sum(2).amax(0)])
