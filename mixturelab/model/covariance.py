"""The covariance families: what each constrains, its M-step and its parameter count.

Nobody else branches on a family's name. A new family is one small class: the form in which its
covariances are stored (`forms`), the maximum of the expected log-likelihood given the scatter, and the
number of free covariance parameters.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from mixturelab.exceptions import ArgumentError
from mixturelab.model.forms import DENSE, DIAGONAL, SCALAR, SHARED, Form


class Family(ABC):
    """A constraint on the K covariances: volume, shape and orientation, equal or not, or fixed.

    The models are those of Celeux and Govaert (1995), Gaussian parsimonious clustering models, Pattern Recognition 28,
    781-793; the three-letter name (volume, shape, orientation; E equal, V varying, I identity) is mclust's (Fraley and
    Raftery 2002, Journal of the American Statistical Association 97, 611-631).
    """

    name: ClassVar[str]
    letters: ClassVar[str]
    form: ClassVar[Form]

    @abstractmethod
    def estimate(self, mass: Float[Tensor, "K"], scatter: Tensor, n_features: int) -> Tensor:
        """Covariances that maximise the expected log-likelihood.

        Parameters
        ----------
        mass : Tensor [K]
            N_k, the expected number of rows of each component.
        scatter : Tensor
            Σ_n r_nk (x_n − μ_k)(x_n − μ_k)ᵀ about the *new* means, in the family's form.
        n_features : int
            D.
        """

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters of the covariances alone."""


class Full(Family):
    """Each component its own matrix: Σ_k = S_k / N_k (Bishop 2006, eq. 9.25)."""

    name, letters, form = "full", "VVV", DENSE

    def estimate(self, mass: Tensor, scatter: Tensor, n_features: int) -> Tensor:
        return scatter / mass[:, None, None]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features * (n_features + 1) // 2


class Tied(Family):
    """One matrix for all: Σ = Σ_k S_k / N."""

    name, letters, form = "tied", "EEE", SHARED

    def estimate(self, mass: Tensor, scatter: Tensor, n_features: int) -> Tensor:
        return scatter / mass.sum()

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2


class Diag(Family):
    """Axis-aligned, each component its own variances: σ²_kd = S_kd / N_k."""

    name, letters, form = "diag", "VVI", DIAGONAL

    def estimate(self, mass: Tensor, scatter: Tensor, n_features: int) -> Tensor:
        return scatter / mass[:, None]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features


class Spherical(Family):
    """A sphere each: σ²_k = tr S_k / (D N_k)."""

    name, letters, form = "spherical", "VII", SCALAR

    def estimate(self, mass: Tensor, scatter: Tensor, n_features: int) -> Tensor:
        return scatter / (mass * n_features)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components


FAMILIES: dict[str, Family] = {family.name: family for family in (Full(), Tied(), Diag(), Spherical())}


def family_of(covariance_type: str) -> Family:
    """The family with that name.

    Raises
    ------
    ArgumentError
        If there is none; the message lists the names.
    """
    if not isinstance(covariance_type, str) or covariance_type not in FAMILIES:
        raise ArgumentError(f"covariance_type is {covariance_type!r}; wanted one of {sorted(FAMILIES)}")
    return FAMILIES[covariance_type]
