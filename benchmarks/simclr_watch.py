"""One SimCLR training, watched by everything at once: mixtures of several K, signals of others, held-out neighbours.

Nothing that watches changes the training: it sees the embeddings that the loss shows to the active mixture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mixturelab import MixtureStats
from mixturelab.simclr import (
    RunConfig,
    Trainer,
    alignment,
    embed,
    embedding_std,
    nt_xent,
    rank_me,
    uniformity,
)
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.evaluate import evaluate

# What a run leaves: "signal/…" and "alarm/…" have one entry a step, "final/…" the figures of `Evaluation`.
Record = dict[str, np.ndarray]

ALARMS = ("complete_collapse", "low_rank_collapse", "no_class_structure")
COMPONENTS = (4, 8, 10, 16)
CLASSES = 10
KNN_EVERY = 10  # steps
HELD_OUT = 0.2  # share of the images
TEMPERATURE = RunConfig().temperature


def estimators() -> dict[str, MixtureStats]:
    """Those whose alarms count, as they are by default; and two that find the spectrum at every step."""
    by_labels = {"enabled": True, "assigner": "label_supervised"}
    found = {f"k-means, K = {k}": MixtureStats(k, enabled=True) for k in COMPONENTS}
    found["labels"] = MixtureStats(CLASSES, **by_labels)
    found["clusters"] = MixtureStats(CLASSES, enabled=True, diagnostics_every=1)
    found["classes"] = MixtureStats(CLASSES, **by_labels, diagnostics_every=1)
    return found


WATCHERS = tuple(estimators())[:-2]


# Signals of a batch [2N, D] alone; and both losses of it, whichever of them it was trained with.
OF_EMBEDDINGS: dict[str, Callable[[Tensor], float]] = {
    "rank_me": rank_me,
    "embedding_std": embedding_std,
    "uniformity": uniformity,
    "nt_xent": lambda z: float(nt_xent(*z.chunk(2), TEMPERATURE)),
    "alignment": lambda z: float(alignment(*z.chunk(2))),
}


class Panel:
    """Stands where `Trainer` has its one estimator, and hands each batch to several.

    Attributes
    ----------
    z : Tensor [2N, D]
        The last step's embeddings, normalised.
    signals, alarms : list of dict
        One entry a step.
    """

    def __init__(self, watching: dict[str, MixtureStats], loss: Callable[[], float]) -> None:
        self.watching, self._loss = watching, loss
        self.z = torch.empty(0)
        self.signals: list[dict[str, float]] = []
        self.alarms: list[dict[str, bool]] = []

    def update(self, embeddings: Tensor, labels: Tensor | None = None) -> None:
        """What a loss calls, through `feed`."""
        self.z = embeddings.detach()
        for estimator in self.watching.values():
            estimator.update(embeddings, labels)

    def log_step(self, step: int, epoch: int) -> None:
        """What `Trainer` calls after a step: outside the active mixture, so that a loss taken here feeds nobody."""
        rows = {name: estimator.log_step(step, epoch) for name, estimator in self.watching.items()}
        others = {name: signal(self.z) for name, signal in OF_EMBEDDINGS.items()}
        self.signals.append({"loss": self._loss(), **of_mixture(rows), **others})
        on = {name: rows[name]["alarms"].split(";") for name in WATCHERS}
        self.alarms.append({f"{name}/{alarm}": alarm in on[name] for name in WATCHERS for alarm in ALARMS})


def of_mixture(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """Signals that `MixtureStats` gives, with components by k-means and by labels."""
    found = {}
    for name in ("clusters", "classes"):
        row = rows[name]
        ratio = row["opnorm_B"] / row["trace_B"] if row["trace_B"] > 0 else np.nan
        found |= {f"{name}_trace_B": row["trace_B"], f"{name}_ratio": ratio, f"{name}_nc1": row["nc1"]}
        found[f"{name}_r_squared"] = row["r_squared"]
    # These two have no components in them.
    without = {"effective_rank": "effective_rank", "spread": "batch_spread"}
    return found | {name: rows["clusters"][column] for name, column in without.items()}


# ------------------------------------------------------------------------------------------ held-out images
def split(data: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Images to train on, and those held out: the same ones in every run."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    n_held_out = round(HELD_OUT * len(data))
    return _rows(data, order[n_held_out:]), _rows(data, order[:n_held_out])


def _rows(data: ImageSet, rows: Tensor) -> ImageSet:
    return replace(data, images=data.images[rows], labels=data.labels[rows])


def neighbours(net: nn.Module, known: ImageSet, held_out: ImageSet) -> dict[str, float]:
    """Accuracy of five nearest neighbours, by cosine, of held-out images among those trained on: of h and of z."""
    reference, query = embed(net, known.images), embed(net, held_out.images)
    pairs = zip(("knn_h", "knn_z"), reference, query, strict=True)
    return {name: _knn(a, known.labels, b, held_out.labels) for name, a, b in pairs}


def _knn(reference: Tensor, known: Tensor, query: Tensor, wanted: Tensor) -> float:
    cosine = functional.normalize(query, dim=1) @ functional.normalize(reference, dim=1).T
    votes = known[cosine.topk(5, dim=1).indices]
    return float((votes.mode(dim=1).values == wanted).double().mean())


# ------------------------------------------------------------------------------------------------- one run
def labelled(config: RunConfig) -> RunConfig:
    """The same run, whose trainer hands on labels."""
    mixture = {"enabled": True, "K": CLASSES, "assigner": "label_supervised"}
    return config.changed(runtime={"mixture": mixture})


def record(config: RunConfig, data: ImageSet, hold_out: bool = False, steps: int | None = None) -> Record:
    """Train once and keep what every watcher said.

    Parameters
    ----------
    config : RunConfig
    data : ImageSet
        With labels.
    hold_out : bool
        Train on four fifths, and watch the neighbours of the rest; otherwise train on all, and evaluate at the end.
    steps : int, optional
        Stop after so many, without an evaluation. Default: the whole run.
    """
    shown, held_out = split(data) if hold_out else (data, None)
    trainer = Trainer(labelled(config), shown)
    panel = trainer.estimator = Panel(estimators(), lambda: trainer.losses[-1])
    for step in trainer:
        if held_out is not None and step.number % KNN_EVERY == 0:
            panel.signals[-1].update(neighbours(trainer.network, shown, held_out))
        if trainer.step == steps:
            break
    finals = {} if hold_out or steps is not None else _finals(trainer, data)
    return {"config": np.array(config.to_yaml()), **_series(panel), **finals}


def _finals(trainer: Trainer, data: ImageSet) -> Record:
    worth = {layer: evaluate(trainer.network, data, layer=layer) for layer in ("z", "h")}
    return {f"final/{layer}": np.array([*asdict(figures).values()]) for layer, figures in worth.items()}


def _series(panel: Panel) -> Record:
    """Each signal over the steps, NaN where it was not looked at."""
    names = panel.signals[0]
    found = {f"signal/{name}": np.array([row.get(name, np.nan) for row in panel.signals]) for name in names}
    return found | {
        f"alarm/{name}": np.array([row[name] for row in panel.alarms]) for name in panel.alarms[0]
    }
