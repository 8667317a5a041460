"""Pictures of finished results. The only place that imports matplotlib, seaborn or ipywidgets."""

from mixturelab.plot.assignments import soft_assignments
from mixturelab.plot.convergence import convergence
from mixturelab.plot.embeddings import embedding_map
from mixturelab.plot.geometry import covariance_matrices, ellipse, interval
from mixturelab.plot.palette import COLOURS, MARKERS, mix, style
from mixturelab.plot.picture import Picture, Still, alt_text, describe, look, new, png, show, subplots
from mixturelab.plot.runs import training_curves
from mixturelab.plot.selection import selection_curve

__all__ = [
    "COLOURS",
    "MARKERS",
    "Picture",
    "Still",
    "alt_text",
    "convergence",
    "covariance_matrices",
    "describe",
    "ellipse",
    "embedding_map",
    "interval",
    "look",
    "mix",
    "new",
    "png",
    "selection_curve",
    "show",
    "soft_assignments",
    "style",
    "subplots",
    "training_curves",
]
