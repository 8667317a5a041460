"""The exceptions and warnings a user of mixturelab can meet, all in one place."""

from sklearn.exceptions import ConvergenceWarning, NotFittedError

__all__ = [
    "ArgumentError",
    "CollapsedComponentError",
    "ConvergenceWarning",
    "DataError",
    "DegenerateFitWarning",
    "MixtureLabError",
    "ModelFileError",
    "NotFittedError",
    "RankError",
    "StreamWarning",
]


class MixtureLabError(Exception):
    """Base of every error that mixturelab raises on purpose."""


class ArgumentError(MixtureLabError, ValueError):
    """An argument has a value it cannot have; the message names it, what came and what was wanted."""


class DataError(MixtureLabError, ValueError):
    """The data cannot be used; the message names the argument, the row and the column."""


class ModelFileError(MixtureLabError, ValueError):
    """A model file is damaged, foreign or not trusted; nothing in it was run."""


class CollapsedComponentError(MixtureLabError, ValueError):
    """A component's covariance is singular, so that its density is not defined."""


class RankError(MixtureLabError, RuntimeError):
    """Another process of a distributed run is gone or did not answer in time: the statistics of all cannot go on."""


class DegenerateFitWarning(UserWarning):
    """The fit ended at a solution that describes a few rows, not a group; the message says which."""


class StreamWarning(UserWarning):
    """Something was left out of a stream's statistics or files while the training went on; said once."""
