"""The settings of `MixtureStats`: the `runtime.mixture` section of a run's YAML, and its keyword arguments."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from mixturelab.exceptions import ArgumentError
from mixturelab.settings import Integer, Real, Settings, read_yaml, suggestion

__all__ = ["SECTION", "MixtureSettings"]

SECTION = ("runtime", "mixture")

# A misspelt section would switch the statistics off without a word; another program's section is its own business.
_SURELY_MISSPELT = 0.85


class MixtureSettings(Settings):
    """What `MixtureStats` is to keep of a network's embeddings, and what it is to write.

    Attributes
    ----------
    enabled : bool
        Off by default: a disabled estimator makes no files and costs nothing.
    K : int
        Number of components.
    mode : {"per_batch", "ema", "label_supervised"}
        Moments of this batch alone, of a decayed stream of batches, or of this batch's classes.
    assigner : {"kmeans_online", "label_supervised"}
        What gives each row its component.
    ema_decay : float
        γ of mode "ema": a row t updates ago weighs (1 − γ)γᵗ.
    store_scores : bool
        Write each logged batch's responsibilities.
    scores_mode : {"append", "per_step"}
        All into one file, or one file a step.
    cross_rank : bool
        Statistics over the rows of all processes of a distributed run (`torch.distributed`, whose group must be there
        before the estimator): every process must call `update` at every step, if need be with a batch of no rows.
    max_assign_iters : int
        Lloyd iterations of the k-means assigner, warm-started from the previous centroids.
    covariance : {"full", "diag", "none"}
        How much of the within-component covariances to keep.
    reseed : bool
        Move the centroids of dead components.
    log_every, diagnostics_every : int
        Steps between two rows of the CSV; updates between two eigendecompositions (made at the next row).
    validate_labels : bool
        Check every label's range (on a GPU: one read by the host a step).
    ignore_index : int
        The label of rows to leave out.
    on_error : {"warn", "raise"}
        What a batch without a usable row, or a file that cannot be written, does.
    seed : int
        Of the private generator.
    group_rows : bool or None
        Group rows by component on the host; None: where reading them is free.

    Raises
    ------
    ArgumentError
    """

    enabled: bool = False
    K: Annotated[Integer, Field(ge=1)] = 8
    mode: Literal["per_batch", "ema", "label_supervised"] = "ema"
    assigner: Literal["kmeans_online", "label_supervised"] = "kmeans_online"
    ema_decay: Annotated[Real, Field(gt=0, lt=1)] = 0.95
    store_scores: bool = False
    scores_mode: Literal["append", "per_step"] = "append"
    cross_rank: bool = False
    max_assign_iters: Annotated[Integer, Field(ge=1)] = 2
    covariance: Literal["full", "diag", "none"] = "full"
    reseed: bool = True
    log_every: Annotated[Integer, Field(ge=1)] = 1
    diagnostics_every: Annotated[Integer, Field(ge=1)] = 25
    validate_labels: bool = True
    ignore_index: Annotated[Integer, Field(ge=-(2**63), le=2**63 - 1)] = -1
    on_error: Literal["warn", "raise"] = "warn"
    seed: Annotated[Integer, Field(ge=0, le=2**63 - 1)] = 0
    group_rows: bool | None = None

    @property
    def needs_labels(self) -> bool:
        """Whether `update` cannot work without labels; a disabled estimator needs none."""
        return self.enabled and "label_supervised" in (self.mode, self.assigner)

    @classmethod
    def from_yaml(cls, source: str | os.PathLike[str]) -> Self:
        """The `runtime.mixture` section of a YAML file, or of YAML text.

        Parameters
        ----------
        source : path or str
            A string that is itself a mapping is the document; any other is the name of a file.

        Raises
        ------
        ArgumentError
        """
        return cls.from_document(read_yaml(source))

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Self:
        """The `runtime.mixture` section of a parsed document; the defaults (disabled) where there is none.

        Raises
        ------
        ArgumentError
        """
        section: Any = document
        for depth, name in enumerate(SECTION):
            section = _inner(section, name, SECTION[:depth])
        return cls.parse(section, where=".".join(SECTION))


def _inner(outer: Any, name: str, path: tuple[str, ...]) -> Any:
    if outer is None:
        return None
    if not isinstance(outer, Mapping):
        where = ".".join(path) or "the document"
        raise ArgumentError(f"{where} is {outer!r}; wanted a mapping (with a section {name!r} or without)")
    if name in outer:
        return outer[name]
    for key in map(str, outer):
        if suggestion(key, [name], _SURELY_MISSPELT):
            raise ArgumentError(f"{'.'.join([*path, key])} is not a section; did you mean {name}?")
    return None
