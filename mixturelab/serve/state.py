"""What changes while the service runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixturelab.serve.logs import JsonLog
from mixturelab.serve.metrics import Metrics

__all__ = ["State"]


@dataclass
class State:
    """Of one running service.

    Attributes
    ----------
    log : JsonLog
    metrics : Metrics
    is_ready : bool
        Whether ``/ready`` says so: from the start of the server until it is told to stop.
    was_cut_off : bool
        Whether a request had to be ended before it was answered.
    """

    log: JsonLog
    metrics: Metrics = field(default_factory=Metrics)
    is_ready: bool = False
    was_cut_off: bool = False
