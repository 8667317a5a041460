"""Mixtures of a stream: statistics kept while a network trains, their settings and their files."""

from mixturelab.stream.config import MixtureSettings
from mixturelab.stream.context import active_mixture, feed, mixture_hook
from mixturelab.stream.diagnostics import Alarm
from mixturelab.stream.mixture_stats import MixtureStats
from mixturelab.stream.snapshot import Snapshot
from mixturelab.stream.writers import read_scores

__all__ = [
    "Alarm",
    "MixtureSettings",
    "MixtureStats",
    "Snapshot",
    "active_mixture",
    "feed",
    "mixture_hook",
    "read_scores",
]
