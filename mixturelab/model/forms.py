"""The four shapes a covariance, a scatter or a whitener can have, and the algebra of each.

A mixture of K Gaussians in D dimensions stores its second moments as K matrices (dense), one shared
matrix (shared), K diagonals (diagonal) or K numbers (scalar). Everything that depends on that shape is
here; a covariance family (`covariance`) adds only its M-step and its parameter count.

Throughout, ``y`` is laid out [K, D, B]: the B rows of a chunk are contiguous, so that sums over
components and features run along whole vectors.
"""

import math
from abc import ABC, abstractmethod
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mixturelab.model import linalg


class Form(ABC):
    """Storage of second moments: covariances, scatters and whiteners of one shape.

    A *whitener* W of a covariance Σ is its inverse Cholesky factor: W Σ Wᵀ = I, so that
    y = W(x − μ) has unit covariance and ‖y‖² is the squared Mahalanobis distance.
    """

    is_matrix: bool = False  # whether the stored tensor holds square, symmetric matrices

    def __reduce__(self) -> str:
        """There is one of each form: a copy, or one read from a pickle, is that one."""
        return type(self).__name__.upper()

    @abstractmethod
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the stored tensor."""

    @abstractmethod
    def outer(self, a: Float[Tensor, "K D"], b: Float[Tensor, "K D"]) -> Tensor:
        """a_k b_kᵀ, reduced to this shape."""

    @abstractmethod
    def moment(self, weights: Float[Tensor, "K B"], y: Float[Tensor, "K D B"]) -> Tensor:
        """Σ_n w_kn y_kn y_knᵀ, reduced to this shape."""

    @abstractmethod
    def own_moment(self, weights: Float[Tensor, "K N"], y: Float[Tensor, "N D"]) -> Tensor:
        """Σ_n w_kn y_n y_nᵀ of rows that belong to one component each (all other weights of a row are zero)."""

    @abstractmethod
    def per_component(self, factor: Float[Tensor, "K"], matrix: Tensor) -> Tensor:
        """Each component's matrix times its number."""

    @abstractmethod
    def traces(self, matrix: Tensor, n_components: int) -> Float[Tensor, "K"]:
        """The trace of each component's matrix (for a scatter of scalar form: the number itself)."""

    @abstractmethod
    def apply(
        self, matrix: Tensor, y: Float[Tensor, "K D B"], out: Float[Tensor, "K D B"] | None = None
    ) -> Float[Tensor, "K D B"]:
        """The product of each component's matrix with each of its rows, into ``out`` if it is given."""

    @abstractmethod
    def whitener(self, covariance: Tensor) -> tuple[Tensor, Bool[Tensor, "*one"]]:
        """The whiteners, and for each stored matrix whether it is positive definite."""

    @abstractmethod
    def unwhiten(self, whitener: Tensor, scatter: Tensor) -> Tensor:
        """C S Cᵀ with C = W⁻¹: a scatter of whitened residuals, back in the data's units."""

    @abstractmethod
    def solve(self, whitener: Tensor, vectors: Float[Tensor, "K D"]) -> Float[Tensor, "K D"]:
        """C v with C = W⁻¹: whitened vectors, back in the data's units."""

    @abstractmethod
    def keep(self, mask: Bool[Tensor, "K"], old: Tensor, new: Tensor) -> Tensor:
        """``old`` for the components in the mask, ``new`` for the others (always ``new`` where one is shared)."""

    @abstractmethod
    def from_scatter(self, scatter: Float[Tensor, "D D"]) -> Tensor:
        """One full scatter matrix as the scatter of a single component in this form."""

    @abstractmethod
    def covariance(self, whitener: Tensor) -> Tensor:
        """Σ = CCᵀ with C = W⁻¹."""

    @abstractmethod
    def precision(self, whitener: Tensor) -> Tensor:
        """Σ⁻¹ = WᵀW."""

    def trace(self, scatter: Tensor, whitener: Tensor) -> Tensor:
        """Σ tr(S Σ⁻¹) over the stored matrices."""
        return (scatter * self.precision(whitener)).sum()

    @abstractmethod
    def log_det(self, whitener: Tensor, n_components: int, n_features: int) -> Float[Tensor, "K"]:
        """log|W| = −½ log|Σ| for each component."""

    @abstractmethod
    def dense(self, matrix: Tensor, n_components: int, n_features: int) -> Float[Tensor, "K D D"]:
        """The K full matrices that the stored tensor stands for (a view where one will do)."""

    @abstractmethod
    def add_diagonal(self, matrix: Tensor, value: float) -> Tensor:
        """Each matrix plus ``value`` times the identity."""

    @abstractmethod
    def smallest_variance(self, covariance: Tensor, n_components: int) -> Float[Tensor, "K"]:
        """The smallest eigenvalue of each component's covariance."""

    @abstractmethod
    def smallest_relative(
        self, covariance: Tensor, total: Float[Tensor, "D"], n_components: int
    ) -> Float[Tensor, "K"]:
        """The same once each feature has been divided by the root of its entry of ``total``."""

    @abstractmethod
    def condition(self, whitener: Tensor, squares: Float[Tensor, "K D"]) -> Float[Tensor, "K"]:
        """How much rounding grows when squares of this size, feature by feature, cancel down to unit variance.

        Σ_d (Σ_k⁻¹)_dd s_kd / D: products x_i x_j of entries of size √s carry rounding of that size, and the
        precision multiplies it, through distance and through collinearity alike. It does not depend on units.
        """

    @abstractmethod
    def variances(self, covariance: Tensor) -> Tensor:
        """The diagonals, in a shape that can be added to [K, D]."""

    def spread(self, covariance: Tensor, total: Float[Tensor, "D"]) -> Tensor:
        """The variances whose products a reading of x about a common origin adds up, given the rows' own."""
        return self.variances(covariance)

    # The exponential-family form: −½ xᵀPx as a linear function of the products of x's entries.

    @abstractmethod
    def n_products(self, n_features: int) -> int:
        """How many products of two entries of x the form needs."""

    @abstractmethod
    def write_products(self, x: Float[Tensor, "D B"], out: Float[Tensor, "Q B"]) -> None:
        """Fill ``out`` with those products."""

    @abstractmethod
    def coefficients(self, precision: Tensor) -> Float[Tensor, "K Q"]:
        """c_k with −½ xᵀP_k x = c_k · products(x)."""

    def natural(self, whitener: Tensor, centre: Float[Tensor, "K D"]) -> Float[Tensor, "K P"]:
        """θ_k with −½ ‖W_k(x − c_k)‖² = θ_k · (1, x, products(x))."""
        columns, precision = centre[:, :, None], self.precision(whitener)
        squares = self.apply(whitener, columns).square().sum(1)
        parts = [-0.5 * squares, self.apply(precision, columns).squeeze(-1)]
        if self.n_products(centre.shape[1]) > 0:
            parts.append(self.coefficients(precision))
        return torch.cat(parts, dim=1)

    @abstractmethod
    def from_products(self, sums: Float[Tensor, "K Q"], n_features: int) -> Tensor:
        """Σ_n r_kn x_n x_nᵀ from the weighted sums of the products."""


class Dense(Form):
    """K full matrices, [K, D, D]."""

    is_matrix = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a[:, :, None] * b[:, None, :]

    def moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return linalg.weighted_gram(weights, y)

    def own_moment(self, weights: Tensor, y: Tensor) -> Tensor:
        roots = weights.sqrt()  # on both sides, so that the product is symmetric
        return torch.cat([_gram_of(roots_c[:, :, None] * y) for roots_c in _in_parts(roots, y)])

    def per_component(self, factor: Tensor, matrix: Tensor) -> Tensor:
        return factor[:, None, None] * matrix

    def traces(self, matrix: Tensor, n_components: int) -> Tensor:
        return matrix.diagonal(dim1=-2, dim2=-1).sum(-1).expand(n_components)

    def apply(self, matrix: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        return linalg.matmul(matrix, y, out)

    def whitener(self, covariance: Tensor) -> tuple[Tensor, Tensor]:
        factor, positive = linalg.cholesky(covariance)
        return linalg.inverse_lower(factor), positive

    def unwhiten(self, whitener: Tensor, scatter: Tensor) -> Tensor:
        half = torch.linalg.solve_triangular(whitener, scatter, upper=False)
        return linalg.symmetric(torch.linalg.solve_triangular(whitener, half.mT, upper=False))

    def solve(self, whitener: Tensor, vectors: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(whitener, vectors[:, :, None], upper=False).squeeze(-1)

    def keep(self, mask: Tensor, old: Tensor, new: Tensor) -> Tensor:
        return torch.where(mask[:, None, None], old, new)

    def from_scatter(self, scatter: Tensor) -> Tensor:
        return scatter[None]

    def covariance(self, whitener: Tensor) -> Tensor:
        factor = linalg.inverse_lower(whitener)
        return linalg.symmetric(factor @ factor.mT)

    def precision(self, whitener: Tensor) -> Tensor:
        return linalg.symmetric(whitener.mT @ whitener)

    def trace(self, scatter: Tensor, whitener: Tensor) -> Tensor:
        return (torch.matmul(whitener, scatter) * whitener).sum()

    def log_det(self, whitener: Tensor, n_components: int, n_features: int) -> Tensor:
        return linalg.log_diagonal_sum(whitener)

    def dense(self, matrix: Tensor, n_components: int, n_features: int) -> Tensor:
        return matrix

    def add_diagonal(self, matrix: Tensor, value: float) -> Tensor:
        return torch.add(matrix, linalg.identity(matrix.shape[-1], matrix.dtype, matrix.device), alpha=value)

    def smallest_variance(self, covariance: Tensor, n_components: int) -> Tensor:
        return torch.linalg.eigvalsh(covariance)[..., 0].expand(n_components)

    def smallest_relative(self, covariance: Tensor, total: Tensor, n_components: int) -> Tensor:
        scale = total.sqrt()
        return self.smallest_variance(covariance / torch.outer(scale, scale), n_components)

    def condition(self, whitener: Tensor, squares: Tensor) -> Tensor:
        return (whitener.square().sum(-2) * squares).mean(-1)

    def variances(self, covariance: Tensor) -> Tensor:
        return covariance.diagonal(dim1=-2, dim2=-1)

    def n_products(self, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def write_products(self, x: Tensor, out: Tensor) -> None:
        start = 0
        for j in range(len(x)):  # the upper triangle, row by row
            stop = start + len(x) - j
            torch.mul(x[j:], x[j], out=out[start:stop])
            start = stop

    def coefficients(self, precision: Tensor) -> Tensor:
        upper, factor, _ = _triangle(precision.shape[-1], precision.device)
        return precision.reshape(len(precision), -1).index_select(1, upper) * factor

    def natural(self, whitener: Tensor, centre: Tensor) -> Tensor:
        # V = (−Wc, W) has V·(1, x) = W(x − c): all coefficients stand in VᵀV, in the order of the products of (1, x).
        joined = torch.cat([-self.apply(whitener, centre[:, :, None]), whitener], dim=2)
        return self.coefficients(joined.mT @ joined)

    def from_products(self, sums: Tensor, n_features: int) -> Tensor:
        _, _, place = _triangle(n_features, sums.device)
        return sums.index_select(1, place).view(len(sums), n_features, n_features)


class Shared(Dense):
    """One full matrix for all components, [D, D]; a scatter is the sum of the components' scatters."""

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_features, n_features)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a.mT @ b

    def moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return super().moment(weights, y).sum(0)

    def own_moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return (y * weights.sum(0)[:, None]).mT @ y

    def per_component(self, factor: Tensor, matrix: Tensor) -> Tensor:
        raise NotImplementedError("one matrix for all components has no share of each: use the dense form")

    def apply(self, matrix: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.matmul(matrix, y, out=out)

    def log_det(self, whitener: Tensor, n_components: int, n_features: int) -> Tensor:
        return linalg.log_diagonal_sum(whitener).expand(n_components)

    def from_scatter(self, scatter: Tensor) -> Tensor:
        return scatter

    def keep(self, mask: Tensor, old: Tensor, new: Tensor) -> Tensor:
        return new

    def dense(self, matrix: Tensor, n_components: int, n_features: int) -> Tensor:
        return matrix.expand(n_components, n_features, n_features)

    def spread(self, covariance: Tensor, total: Tensor) -> Tensor:
        return total  # the pooled scatter comes from the total one

    # A quadratic term that all components share drops out of the responsibilities: no products at all.

    def n_products(self, n_features: int) -> int:
        return 0

    def write_products(self, x: Tensor, out: Tensor) -> None:
        pass

    def coefficients(self, precision: Tensor) -> Tensor:
        raise NotImplementedError("the shared quadratic term is not linear in any product: see `quadratic`")

    def natural(self, whitener: Tensor, centre: Tensor) -> Tensor:
        return Form.natural(self, whitener, centre)

    def from_products(self, sums: Tensor, n_features: int) -> Tensor:
        raise NotImplementedError("the pooled scatter comes from the total scatter: see `quadratic`")


class Diagonal(Form):
    """K diagonals, [K, D]."""

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return (y.square() * weights[:, None]).sum(-1)

    def own_moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return weights @ y.square()

    def per_component(self, factor: Tensor, matrix: Tensor) -> Tensor:
        return factor[:, None] * matrix

    def traces(self, matrix: Tensor, n_components: int) -> Tensor:
        return matrix.sum(-1)

    def apply(self, matrix: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(matrix[:, :, None], y, out=out)

    def whitener(self, covariance: Tensor) -> tuple[Tensor, Tensor]:
        return covariance.rsqrt(), _positive(covariance).all(-1)

    def unwhiten(self, whitener: Tensor, scatter: Tensor) -> Tensor:
        return scatter / whitener.square()

    def solve(self, whitener: Tensor, vectors: Tensor) -> Tensor:
        return vectors / whitener

    def keep(self, mask: Tensor, old: Tensor, new: Tensor) -> Tensor:
        return torch.where(mask[:, None], old, new)

    def from_scatter(self, scatter: Tensor) -> Tensor:
        return scatter.diagonal()[None]

    def covariance(self, whitener: Tensor) -> Tensor:
        return whitener.square().reciprocal()

    def precision(self, whitener: Tensor) -> Tensor:
        return whitener.square()

    def log_det(self, whitener: Tensor, n_components: int, n_features: int) -> Tensor:
        return whitener.log().sum(-1)

    def dense(self, matrix: Tensor, n_components: int, n_features: int) -> Tensor:
        return torch.diag_embed(matrix)

    def add_diagonal(self, matrix: Tensor, value: float) -> Tensor:
        return matrix + value

    def smallest_variance(self, covariance: Tensor, n_components: int) -> Tensor:
        return covariance.amin(-1)

    def smallest_relative(self, covariance: Tensor, total: Tensor, n_components: int) -> Tensor:
        return (covariance / total).amin(-1)

    def condition(self, whitener: Tensor, squares: Tensor) -> Tensor:
        return (whitener.square() * squares).amax(-1)  # a variance sees its own feature alone

    def variances(self, covariance: Tensor) -> Tensor:
        return covariance

    def n_products(self, n_features: int) -> int:
        return n_features

    def write_products(self, x: Tensor, out: Tensor) -> None:
        torch.mul(x, x, out=out)

    def coefficients(self, precision: Tensor) -> Tensor:
        return -0.5 * precision

    def from_products(self, sums: Tensor, n_features: int) -> Tensor:
        return sums


class Scalar(Form):
    """K numbers, [K]: a covariance is σ²I, a scatter its trace."""

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components,)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(-1)

    def moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return (y.square().sum(1) * weights).sum(-1)

    def own_moment(self, weights: Tensor, y: Tensor) -> Tensor:
        return weights @ y.square().sum(-1)

    def per_component(self, factor: Tensor, matrix: Tensor) -> Tensor:
        return factor * matrix

    def traces(self, matrix: Tensor, n_components: int) -> Tensor:
        return matrix

    def apply(self, matrix: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(matrix[:, None, None], y, out=out)

    def whitener(self, covariance: Tensor) -> tuple[Tensor, Tensor]:
        return covariance.rsqrt(), _positive(covariance)

    def unwhiten(self, whitener: Tensor, scatter: Tensor) -> Tensor:
        return scatter / whitener.square()

    def solve(self, whitener: Tensor, vectors: Tensor) -> Tensor:
        return vectors / whitener[:, None]

    def keep(self, mask: Tensor, old: Tensor, new: Tensor) -> Tensor:
        return torch.where(mask, old, new)

    def from_scatter(self, scatter: Tensor) -> Tensor:
        return scatter.diagonal().sum()[None]

    def covariance(self, whitener: Tensor) -> Tensor:
        return whitener.square().reciprocal()

    def precision(self, whitener: Tensor) -> Tensor:
        return whitener.square()

    def log_det(self, whitener: Tensor, n_components: int, n_features: int) -> Tensor:
        return n_features * whitener.log()

    def dense(self, matrix: Tensor, n_components: int, n_features: int) -> Tensor:
        identity = torch.eye(n_features, dtype=matrix.dtype, device=matrix.device)
        return matrix[:, None, None] * identity

    def add_diagonal(self, matrix: Tensor, value: float) -> Tensor:
        return matrix + value

    def smallest_variance(self, covariance: Tensor, n_components: int) -> Tensor:
        return covariance

    def smallest_relative(self, covariance: Tensor, total: Tensor, n_components: int) -> Tensor:
        return covariance / total.amax()

    def condition(self, whitener: Tensor, squares: Tensor) -> Tensor:
        return whitener.square() * squares.mean(-1)

    def variances(self, covariance: Tensor) -> Tensor:
        return covariance[:, None]

    def n_products(self, n_features: int) -> int:
        return 1

    def write_products(self, x: Tensor, out: Tensor) -> None:
        torch.sum(x.square(), dim=0, keepdim=True, out=out)

    def coefficients(self, precision: Tensor) -> Tensor:
        return -0.5 * precision[:, None]

    def from_products(self, sums: Tensor, n_features: int) -> Tensor:
        return sums[:, 0]


@lru_cache(maxsize=64)
def _triangle(n_features: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Where the upper triangle stands in a flat matrix, the factors of its products in −½ xᵀPx, and the way back.

    Each product x_i x_j comes once; the third gives, for every entry of the flat matrix, its place in the triangle.
    """
    with torch.inference_mode(False):  # what is kept must be of use to autograd, too
        rows, columns = torch.triu_indices(n_features, n_features, device=device)
        place = torch.empty(n_features, n_features, dtype=torch.int64, device=device)
        place[rows, columns] = place[columns, rows] = torch.arange(len(rows), device=device)
        return rows * n_features + columns, torch.where(rows == columns, -0.5, -1.0), place.flatten()


# Numbers in one batched product over components: more would cost memory, fewer would cost launches.
_BATCH = 1 << 22


def _in_parts(roots: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The components in as few parts as hold no more numbers than `_BATCH`, or than the rows themselves."""
    return roots.split(max(1, _BATCH // max(1, y.numel())))


def _gram_of(y: Tensor) -> Tensor:
    return torch.bmm(y.mT, y)


def _positive(variance: Tensor) -> Tensor:
    return (variance > 0) & torch.isfinite(variance)


DENSE, SHARED, DIAGONAL, SCALAR = Dense(), Shared(), Diagonal(), Scalar()
LOG_TWO_PI = math.log(2 * math.pi)
