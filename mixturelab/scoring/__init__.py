"""Scores from a fitted mixture: of rows in memory, and of files longer than memory."""

from mixturelab.scoring.columns import matrix, positions
from mixturelab.scoring.job import Interrupted, Progress, Summary, run
from mixturelab.scoring.plan import Job
from mixturelab.scoring.scorer import Scorer, Scores

__all__ = ["Interrupted", "Job", "Progress", "Scorer", "Scores", "Summary", "matrix", "positions", "run"]
