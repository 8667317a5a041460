"""One E-step and one M-step of EM: a single reading of the rows each; iterates nothing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.covariance import Family
from mixturelab.model.density import LogJoint, chunk_rows, chunks
from mixturelab.model.forms import Form
from mixturelab.model.linalg import accumulation_dtype
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters
from mixturelab.model.quadratic import (
    DataSummary,
    QuadraticPass,
    is_bearable,
    is_quadratic_exact,
    shared_term,
    summarise,
)
from mixturelab.model.responsibilities import normalise_
from mixturelab.model.suffstats import SufficientStatistics

# Below this expected number of rows a component has no mean or covariance of its own: it keeps its last ones.
EMPTY_MASS = 1e-8


class ResidualPass:
    """Statistics from whitened residuals y = W_k(x − μ_k): accurate at any offset, distance and collinearity.

    The residual that the density needs is the one that the M-step needs. With ``origin`` given, the second moments
    are taken about it instead of about the current means.
    """

    def __init__(self, parameters: MixtureParameters, x: Tensor, origin: Tensor | None = None):
        self.form: Form = parameters.family.form
        self.rows = chunk_rows(parameters.means.numel(), x.device)
        self._density = LogJoint(parameters, x.dtype)
        self._is_moved = origin is not None
        about = parameters.means if origin is None else origin
        self._origin = about.to(x.dtype)  # what is really subtracted from a row, to the last digit
        self._sums = _zeros(parameters, x.device)

    def log_joint(self, chunk: Float[Tensor, "B D"]) -> Float[Tensor, "K B"]:
        """The log-joint of a chunk; its residuals are kept for `collect`."""
        joint, y = self._density(chunk.T)
        if self._is_moved:
            residual = torch.sub(chunk.T, self._origin[:, :, None], out=self._density.buffer(0, len(chunk)))
            y = self.form.apply(self._density.whitener, residual, out=y)
        self._y = y
        return joint

    def collect(self, responsibilities: Float[Tensor, "K B"]) -> None:
        """Add the chunk whose log-joint was asked for last."""
        mass, first, second = self._sums
        mass += responsibilities.sum(1)
        first += (self._y @ responsibilities[:, :, None]).squeeze(-1)
        second += self.form.moment(responsibilities, self._y)

    def is_exact(self, new: MixtureParameters) -> bool:
        """Whether the covariances that come out of the statistics are: by how far the means moved."""
        lost = self.form.condition(new.whitener, (new.means - self._origin).square())
        return is_bearable(lost, self._origin.dtype)

    def statistics(self) -> SufficientStatistics:
        """The sums over all chunks, in the data's units."""
        mass, first, second = self._sums
        whitener = self._density.whitener.to(mass.dtype)  # exactly what was applied to the rows, undone
        first, second = self.form.solve(whitener, first), self.form.unwhiten(whitener, second)
        return SufficientStatistics(mass, first, second, self._origin.to(mass.dtype), self.form)


def e_step(
    x: Float[Tensor, "N D"],
    parameters: MixtureParameters,
    *,
    summary: DataSummary | None = None,
    origin: Float[Tensor, "K D"] | None = None,
) -> tuple[SufficientStatistics, float]:
    """Responsibilities of every row, summed into statistics; and the log-likelihood, summed over rows.

    The rows are read once, in chunks; no N×K or N×D tensor is made (Bishop 2006, eqs. 9.23 and 9.27).

    Parameters
    ----------
    x : Tensor [N, D]
    parameters : MixtureParameters
        On x's device.
    summary : DataSummary, optional
        Of the same rows, if it is known already.
    origin : Tensor [K, D], optional
        Take second moments about these points, through residuals.
    """
    summary = summary or summarise(x)
    reading, total = read(x, parameters, summary, origin)
    return reading.statistics(), total


def m_step(
    statistics: SufficientStatistics,
    family: Family,
    reg_covar: float = 0.0,
    previous: MixtureParameters | None = None,
    prior: ParameterPrior | None = None,
) -> MixtureParameters:
    """Parameters that maximise the expected log-likelihood (Bishop 2006, eqs. 9.24 to 9.26), plus a ridge.

    With a prior, they maximise the expected log-likelihood plus the log prior (MAP). Without one, a component whose
    mass is below `EMPTY_MASS` keeps its previous mean and covariance; its weight is what it is. Covariances are *not*
    checked here: `MixtureParameters.is_positive` tells.
    """
    if prior is not None:
        return prior.mode(statistics, reg_covar)
    d = statistics.origin.shape[1]
    mass = statistics.mass
    empty = mass < EMPTY_MASS
    divisor = torch.where(empty, 1.0, mass)
    root = divisor.sqrt()[:, None]
    first = statistics.first / root
    means = statistics.origin + first / root
    central = statistics.second - family.form.outer(first, first)  # S2 − S1 S1ᵀ / N: about the new means
    covariances = family.form.add_diagonal(family.estimate(divisor, central, d), reg_covar)
    if previous is not None:
        means = torch.where(empty[:, None], previous.means, means)
        covariances = family.form.keep(empty, previous.covariances, covariances)
    return MixtureParameters(mass / mass.sum(), means, covariances, family)


def em_step(
    x: Float[Tensor, "N D"],
    parameters: MixtureParameters,
    summary: DataSummary,
    reg_covar: float,
    prior: ParameterPrior | None = None,
) -> tuple[MixtureParameters, float, Float[Tensor, "K"]]:
    """One iteration: new parameters, the log-likelihood *of the old ones*, and the mass of each component.

    With a prior the log-likelihood has the log prior added to it. See `em_update`.
    """
    new, total, statistics = em_update(x, parameters, summary, reg_covar, prior)
    return new, total, statistics.mass


def em_update(
    x: Float[Tensor, "N D"],
    parameters: MixtureParameters,
    summary: DataSummary,
    reg_covar: float,
    prior: ParameterPrior | None = None,
) -> tuple[MixtureParameters, float, SufficientStatistics]:
    """The same, with the statistics that the new parameters were made from.

    Where the new covariances have lost digits to cancellation, the rows are read again, with the same
    responsibilities, through residuals about the new means.
    """
    reading, log_likelihood = read(x, parameters, summary)
    statistics = reading.statistics()
    new = m_step(statistics, parameters.family, reg_covar, parameters, prior)
    if not reading.is_exact(new):
        statistics = read(x, parameters, summary, new.means)[0].statistics()
        new = m_step(statistics, parameters.family, reg_covar, parameters, prior)
    if prior is not None:
        log_likelihood += prior.log_density(parameters)
    return new, log_likelihood, statistics


def read(
    x: Tensor, parameters: MixtureParameters, summary: DataSummary, origin: Tensor | None = None
) -> tuple[ResidualPass | QuadraticPass, float]:
    """Read the rows once; the reading with its statistics, and the log-likelihood."""
    reading, missing = _choose(x, parameters, summary, origin)
    exact, total = accumulation_dtype(x.device), None
    for chunk in chunks(x, reading.rows):
        responsibilities, log_evidence = normalise_(reading.log_joint(chunk))
        reading.collect(responsibilities)
        part = log_evidence.sum(dtype=exact)
        total = part if total is None else total + part
    return reading, float(missing if total is None else total + missing)


def _choose(
    x: Tensor, parameters: MixtureParameters, summary: DataSummary, origin: Tensor | None
) -> tuple[ResidualPass | QuadraticPass, Tensor | float]:
    """The quicker reading where it is exact enough, and what its log-joints leave out."""
    is_quicker = origin is None and _is_quadratic_quicker(parameters)
    if is_quicker and is_quadratic_exact(parameters, summary, x.dtype):
        return QuadraticPass(parameters, summary, x.dtype), shared_term(parameters, summary)
    return ResidualPass(parameters, x, origin), 0.0


def _is_quadratic_quicker(parameters: MixtureParameters) -> bool:
    """Products are made once for all components: worth it unless they outnumber the residuals (measured)."""
    n_products = parameters.family.form.n_products(parameters.n_features)
    return n_products <= 1.5 * parameters.means.numel()


def _zeros(parameters: MixtureParameters, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    k, d = parameters.means.shape
    shapes: tuple[tuple[int, ...], ...] = ((k,), (k, d), parameters.family.form.shape(k, d))
    mass, first, second = (
        torch.zeros(shape, dtype=accumulation_dtype(device), device=device) for shape in shapes
    )
    return mass, first, second
