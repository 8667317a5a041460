"""mixturelab: learn, use and trust Gaussian mixture models. The public names, nothing else."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixturelab.bayes import BayesianGaussianMixture
    from mixturelab.datasets import load_dataset
    from mixturelab.estimators import GaussianMixture
    from mixturelab.functional import log_density, log_joint, responsibilities
    from mixturelab.model.suffstats import SufficientStatistics
    from mixturelab.persistence import load, save
    from mixturelab.priors import Prior
    from mixturelab.selection import SelectionResult, select
    from mixturelab.stream import MixtureStats, active_mixture

__version__ = "0.1.0"

__all__ = [
    "BayesianGaussianMixture",
    "GaussianMixture",
    "MixtureStats",
    "Prior",
    "SelectionResult",
    "SufficientStatistics",
    "__version__",
    "active_mixture",
    "load",
    "load_dataset",
    "log_density",
    "log_joint",
    "responsibilities",
    "save",
    "select",
]

# Where each name lives: fetched when it is first used, so that `mixturelab --help` does not wait for torch.
_HOMES = {
    "BayesianGaussianMixture": "bayes",
    "GaussianMixture": "estimators",
    "MixtureStats": "stream",
    "Prior": "priors",
    "SelectionResult": "selection",
    "SufficientStatistics": "model.suffstats",
    "active_mixture": "stream",
    "load": "persistence",
    "load_dataset": "datasets",
    "log_density": "functional",
    "log_joint": "functional",
    "responsibilities": "functional",
    "save": "persistence",
    "select": "selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mixturelab' has no attribute {name!r}")
    value = getattr(import_module(f"mixturelab.{_HOMES[name]}"), name)
    globals()[name] = value  # asked for once only
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
