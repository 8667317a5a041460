"""Pictures of finished results. The only place that imports matplotlib, seaborn or ipywidgets."""

from typing import TYPE_CHECKING, Any

from mixturelab.plot.assignments import soft_assignments
from mixturelab.plot.comparison import confusion_map, score_dots, signal_curves
from mixturelab.plot.convergence import convergence
from mixturelab.plot.embeddings import embedding_map
from mixturelab.plot.geometry import covariance_matrices, ellipse, interval
from mixturelab.plot.motion import component_images, fading_rows, stream_curves
from mixturelab.plot.palette import COLOURS, MARKERS, mix, style
from mixturelab.plot.picture import Picture, Still, alt_text, describe, look, new, png, show, subplots
from mixturelab.plot.runs import training_curves
from mixturelab.plot.selection import selection_curve

if TYPE_CHECKING:
    from mixturelab.plot.monitor import LiveMonitor

__all__ = [
    "COLOURS",
    "MARKERS",
    "LiveMonitor",
    "Picture",
    "Still",
    "alt_text",
    "component_images",
    "confusion_map",
    "convergence",
    "covariance_matrices",
    "describe",
    "ellipse",
    "embedding_map",
    "fading_rows",
    "interval",
    "look",
    "mix",
    "new",
    "png",
    "score_dots",
    "selection_curve",
    "show",
    "signal_curves",
    "soft_assignments",
    "stream_curves",
    "style",
    "subplots",
    "training_curves",
]


def __getattr__(name: str) -> Any:
    """`LiveMonitor` is fetched when it is first used: pictures do without ipywidgets."""
    if name != "LiveMonitor":
        raise AttributeError(f"module 'mixturelab.plot' has no attribute {name!r}")
    from mixturelab.plot.monitor import LiveMonitor

    return LiveMonitor
