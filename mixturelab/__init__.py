"""mixturelab: learn, use and trust Gaussian mixture models. The public names, nothing else."""

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.functional import log_density, log_joint, responsibilities
from mixturelab.model.suffstats import SufficientStatistics
from mixturelab.quality import quality
from mixturelab.selection import SelectionResult, select

__version__ = "0.1.0"

__all__ = [
    "GaussianMixture",
    "SelectionResult",
    "SufficientStatistics",
    "__version__",
    "load_dataset",
    "log_density",
    "log_joint",
    "quality",
    "responsibilities",
    "select",
]
