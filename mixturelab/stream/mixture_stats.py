"""MixtureStats: a Gaussian mixture of embeddings, kept while a network trains. Wires assigner, accumulator, writer."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor

from mixturelab.exceptions import DataError, StreamWarning
from mixturelab.inference import accumulators
from mixturelab.model.assigned import AssignedRows, GroupedRows, assign_rows, group_rows, one_hot
from mixturelab.model.forms import DENSE
from mixturelab.stream import online_kmeans, readings
from mixturelab.stream.batch import Batch, check_embeddings, check_labels, judge
from mixturelab.stream.config import MixtureSettings
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, Alarm, Host, find_alarms
from mixturelab.stream.folding import fold
from mixturelab.stream.ranks import Ranks
from mixturelab.stream.snapshot import Snapshot, exactly, is_plain
from mixturelab.stream.state import FORMS, Clock, Last, State, check_state
from mixturelab.stream.writers import RunFiles

_FORMAT = 1


class MixtureStats:
    """A K-component Gaussian mixture of embeddings, updated with every batch; cheap enough to leave on.

    Statistics are folded, never parameters: in mode "ema" a row of t batches ago weighs (1 − γ)γᵗ, and
    Σ πΣ + B is the covariance of all rows with these weights.

    Parameters
    ----------
    K : int
        Number of components.
    assigner : {"kmeans_online", "label_supervised"}
        The nearest centroid, or the label. The centroids are the means so far.
    mode : {"ema", "per_batch", "label_supervised"}
        Decayed statistics of all batches; the last batch alone; the last batch's classes (whatever the assigner).
    enabled : bool
        Off by default: then `update` returns ``{}``, and nothing is computed or written.
    log_dir : path, optional
        Where `log_step` writes ``mixture.csv``, ``mixture_diagnostics.csv`` and scores. Default: nowhere.
    is_main : bool
        Whether this process is the one that writes.
    on_row : callable, optional
        Gets each logged row, a dict of numbers and the names of the alarms: for TensorBoard, a tracker, a list.
    **options
        ema_decay, store_scores, scores_mode, cross_rank, max_assign_iters, covariance, reseed, log_every,
        diagnostics_every, validate_labels, ignore_index, on_error, seed, group_rows: see `MixtureSettings`.

    Raises
    ------
    ArgumentError
        An unknown option or value, or a folder that cannot be written or belongs to another K: before any training.

    Notes
    -----
    With ``cross_rank`` the statistics are those of the rows of all processes, and the same to the last bit in each; R
    is of a process's own rows, and so are the batch's own eigenvalues in `summary`. Sums are exchanged, of about
    K(1 + D + D²) numbers, never the rows (but for the few that centroids begin with).

    float32 on the embeddings' device, also inside autocast and for half precision; float64 for float64. No gradient
    is followed, and the global random state is not touched: training is the same to the last bit.
    """

    def __init__(
        self,
        K: int = 8,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        is_main: bool = True,
        on_row: Callable[[dict[str, Any]], None] | None = None,
        **options: Any,
    ) -> None:
        self.settings = settings = MixtureSettings.parse({"K": K, **options})
        self.enabled = settings.enabled
        self.is_main = is_main
        self._on_row = on_row
        self._form = FORMS[settings.covariance]
        is_stream = settings.mode == "ema"
        self._accumulator = accumulators.decay(settings.ema_decay) if is_stream else accumulators.LATEST
        self._uses_labels = "label_supervised" in (settings.mode, settings.assigner)
        self._write_errors = 0
        self._warned: set[str] = set()
        self._ranks = Ranks.found() if self.enabled and settings.cross_rank else None
        self._files = self._open(log_dir) if self.enabled and is_main and log_dir is not None else None
        self.reset()

    @classmethod
    def from_settings(
        cls,
        settings: MixtureSettings,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        is_main: bool = True,
        on_row: Callable[[dict[str, Any]], None] | None = None,
    ) -> Self:
        """The estimator that a `runtime.mixture` section asks for."""
        return cls(**settings.model_dump(), log_dir=log_dir, is_main=is_main, on_row=on_row)

    def _open(self, log_dir: str | os.PathLike[str]) -> RunFiles:
        settings = self.settings
        scores = settings.scores_mode if settings.store_scores else None
        return RunFiles(log_dir, settings.K, diagnostics=readings.COLUMNS, scores=scores)

    @property
    def K(self) -> int:
        """The number of components."""
        return self.settings.K

    def reset(self) -> None:
        """Forget all statistics; files stay."""
        self._state: State | None = None
        self._last: Last | None = None
        self._snapshot: Snapshot | None = None
        self._clock = Clock()
        self._memory: Tensor | None = None
        self._early: Tensor | None = None  # counts from before the first row that could be used
        self._all_index: Tensor | None = (
            None  # the components of all processes' rows, where scores are stored
        )
        self._zero: Tensor | None = None
        self._host = Host()
        self._all_seen = False  # known where the host may look: then two tensors need no attention

    # ----------------------------------------------------------------------------------------- update

    def update(self, embeddings: Tensor, labels: Any = None) -> Snapshot | dict[str, Any]:
        """Fold a batch into the statistics.

        Parameters
        ----------
        embeddings : Tensor [N, D]
            Rows that are not finite, or too large to be squared and summed, are dropped and counted.
        labels : Tensor [N], optional
            Integers 0 to K − 1, or ``ignore_index``; needed, and looked at, only where labels assign.

        Returns
        -------
        Snapshot
            pi, mu, Sigma, B, R, valid; ``{}`` if disabled.

        Raises
        ------
        ArgumentError
            Embeddings or labels of a wrong shape or kind, a label out of range: the state is as it was.
        DataError
            A batch without a usable row, with on_error="raise" only.
        RankError
            With cross_rank: another process is gone. What one process refuses is an ArgumentError in all of them.
        """
        if not self.enabled:
            return {}
        if self._ranks is not None:
            return self._update_together(self._ranks, embeddings, labels)
        x = self._check(embeddings)
        if is_plain(x):
            with torch.no_grad():
                return self._update(x, labels)
        with exactly(x):
            return self._update(x, labels)

    def _check(self, embeddings: Any) -> Tensor:
        return check_embeddings(embeddings, None if self._state is None else self._state.mean.shape[1])

    def _update_together(self, ranks: Ranks, embeddings: Any, labels: Any) -> Snapshot:
        """The same where other processes hold rows of the batch: first all agree that it can be used."""
        problem, x, labelled = None, None, None
        try:
            x = self._check(embeddings)
            labelled = self._check_labels(x, labels) if self._uses_labels else None
        except Exception as error:  # whatever it is: the others must not wait for this process
            problem = error
        sizes = ranks.agree(problem, x)
        assert x is not None
        with exactly(x):
            return self._update_of_all(ranks, x, labelled, sizes)

    def _update_of_all(
        self, ranks: Ranks, x: Tensor, labelled: tuple[Tensor, Tensor | None] | None, sizes: list[int]
    ) -> Snapshot:
        rows, own = len(x), labelled
        if not rows:  # a process without a row takes part with one that is not there
            x, own = x.new_full((1, x.shape[1]), math.nan), labelled and (labelled[0].new_zeros(1), None)
        before = self._state_for(x)
        batch = judge(x, before.mean.dtype, may_read=False)
        assert batch.dropped is not None
        batch = ranks.union(replace(batch, dropped=batch.dropped - int(not rows)))
        state, index, ignored = self._assign(before, batch, own, may_read=False)
        usable, ignored = self._counted(ranks, batch, index, ignored)
        counts: dict[str, Tensor | None] = {"rows_dropped": batch.dropped, "rows_ignored": ignored}
        if self.settings.on_error == "raise" and not bool(usable):
            what = "embeddings of all processes have no row that is finite" + " and has a label" * bool(
                labelled
            )
            return self._no_rows(what, replace(before, counts=before.count(**counts)), x[:rows])
        self._fold(state, batch, index, counts, may_read=False)
        self._all_index = ranks.all_rows(index[:rows], sizes) if self.settings.store_scores else None
        return self._see(index[:rows])

    def _counted(
        self, ranks: Ranks, batch: Batch, index: Tensor, ignored: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """How many rows of all processes can be used, and how many have no label."""
        if not self._uses_labels:
            return batch.count, None
        usable = (index < self.settings.K).sum()
        told = ranks.sum(torch.stack([usable, usable.new_zeros(()) if ignored is None else ignored]))
        return told[0], told[1]

    def _update(self, x: Tensor, labels: Any) -> Snapshot | dict[str, Any]:
        labelled = self._check_labels(x, labels) if self._uses_labels else None
        if not x.shape[0]:
            return self._no_rows("embeddings has no rows", self._state_for(x), x)
        before, may_read = self._state_for(x), self._may_read(x)
        batch = judge(x, before.mean.dtype, may_read, self._memory_for(x, before.mean) if may_read else None)
        state, index, ignored = self._assign(before, batch, labelled, may_read)
        counts: dict[str, Tensor | None] = {"rows_dropped": batch.dropped, "rows_ignored": ignored}
        if self._knows_no_row(batch, index, may_read):
            what = "embeddings has no row that is finite" + " and has a label" * bool(labelled)
            return self._no_rows(what, replace(before, counts=before.count(**counts)), x)
        if batch.dropped is not None and may_read and bool(batch.dropped):
            self._warn_of_rows()
        return self._fold(state, batch, index, counts, may_read)

    def _check_labels(self, x: Tensor, labels: Any) -> tuple[Tensor, Tensor | None]:
        options = self.settings
        return check_labels(
            labels, len(x), options.K, options.ignore_index, options.validate_labels, x.device
        )

    def _state_for(self, x: Tensor) -> State:
        if self._state is None:
            empty = State.empty(self.settings.K, x.shape[1], self._form, _real(x), x.device)
            return empty if self._early is None else replace(empty, counts=self._early.to(x.device))
        return self._state if self._state.mass.device == x.device else self._state.to(x.device)

    def _may_read(self, x: Tensor) -> bool:
        """Whether the host may look at values: free on a CPU, a wait anywhere else."""
        grouped = self.settings.group_rows
        return x.device.type == "cpu" if grouped is None else grouped

    def _memory_for(self, x: Tensor, like: Tensor) -> Tensor:
        """Rows to write into, kept from update to update: fresh pages cost more than what is done to them."""
        if self._memory is None or self._memory.shape != x.shape or self._memory.dtype != like.dtype:
            self._memory = torch.empty_like(x, dtype=like.dtype, memory_format=torch.contiguous_format)
        return self._memory

    def _assign(
        self, state: State, batch: Batch, labelled: tuple[Tensor, Tensor | None] | None, may_read: bool
    ) -> tuple[State, Tensor, Tensor | None]:
        """The component of each row, K for a row of none; and how many rows were without a label."""
        if labelled is None:
            calls, known = self._clock.calls, self._all_seen
            state, index = online_kmeans.assign(
                state, batch, self.settings, calls, may_read, known, self._ranks
            )
            return state, index, None
        index, ignored = labelled
        if batch.is_live is not None:
            index = torch.where(batch.is_live, index, self.settings.K)
        return state, index, ignored

    def _knows_no_row(self, batch: Batch, index: Tensor, may_read: bool) -> bool:
        """Whether there is no row to fold in, where that may be read or must be judged; elsewhere it adds nothing."""
        is_judged = may_read or self.settings.on_error == "raise"
        may_be = batch.is_live is not None or self._uses_labels
        return is_judged and may_be and bool(index.min() == self.settings.K)

    def _no_rows(self, what: str, state: State, x: Tensor) -> Snapshot:
        """A batch without a row to fold in: counted, and no step."""
        self._last = None  # its memory may have been written over
        if self.settings.on_error == "raise":
            raise DataError(f"{what}; wanted at least one that can be used")
        self._warn("rows", f"{what}: such batches are left out and counted (this is said once)")
        if self._state is None:  # before the first row nothing is fixed, neither D nor the dtype
            self._early = state.counts
        else:
            self._state = state
        index = torch.full((x.shape[0],), self.settings.K, device=x.device)
        self._snapshot = Snapshot(state, self._form, index)
        return self._snapshot

    def _fold(
        self,
        state: State,
        batch: Batch,
        index: Tensor,
        counts: dict[str, Tensor | None],
        may_read: bool,
    ) -> Snapshot:
        make: Callable[..., AssignedRows | GroupedRows]
        make = group_rows if may_read and self._form is DENSE else assign_rows
        if self._ranks is not None:
            make = partial(self._ranks.assign_rows, may_read=self._may_read(batch.x))
        rows = make(batch.x, index, self.settings.K)
        self._last = Last(batch, index, rows.mass, rows.mean)
        rows = rows.about(batch.centre)
        mass, mean, covariance, traces = fold(
            self._accumulator, state.mass, state.mean, state.covariance, state.traces, rows, self._form
        )
        seen, previous = state.seen, state.mean
        if not self._all_seen:
            seen, previous = state.came(rows.mass, mean)
            self._all_seen = may_read and bool(seen.all())
        self._state = State(
            mass,
            mean,
            covariance,
            traces,
            seen,
            previous,
            **self._centroids(state, rows, mean, mass),
            starving=state.starving,
            collapsed_for=self._collapsed_for(state, batch, rows.mass),
            counts=state.count(updates=None if may_read else rows.mass.sum() > 0, **counts),
        )
        self._clock = self._clock.after(has_rows=may_read)
        return self._see(index)

    def _centroids(
        self, state: State, rows: AssignedRows | GroupedRows, mean: Tensor, mass: Tensor
    ) -> dict[str, Tensor]:
        """The k-means assigner's part: centroids fold as the means do, but anew from where they were re-seeded."""
        kept = {"recent": state.recent, "started": state.started}
        if self._uses_labels:
            return {"centroid": state.centroid, "centroid_mass": state.centroid_mass, **kept}
        kept["recent"] = state.recent + rows.mass
        if state.centroid is state.mean and state.centroid_mass is state.mass:  # none was: they are the means
            return {"centroid": mean, "centroid_mass": mass, **kept}
        centroid, moved, _ = self._accumulator.move(state.centroid, state.centroid_mass, rows)
        if self._all_seen and torch.equal(moved, mass) and torch.equal(centroid, mean):
            centroid, moved = mean, mass
        return {"centroid": centroid, "centroid_mass": moved, **kept}

    def _collapsed_for(self, state: State, batch: Batch, mass: Tensor) -> Tensor:
        """Updates running in which hardly anything of E‖x‖² was spread."""
        before, is_collapsed = state.collapsed_for, batch.total <= COLLAPSED_SHARE * batch.energy
        if not isinstance(is_collapsed, bool):
            return torch.where(mass.sum() > 0, (before + 1) * is_collapsed, before)
        if is_collapsed:
            return before + 1
        if self._zero is None or self._zero.device != before.device:
            self._zero = torch.zeros_like(before)
        return self._zero

    def _see(self, index: Tensor) -> Snapshot:
        assert self._state is not None
        self._snapshot = Snapshot(self._state, self._form, index)
        return self._snapshot

    def compute(self) -> Snapshot | dict[str, Any]:
        """The mixture now, as the last `update` returned it; ``{}`` before the first batch."""
        return self._snapshot if self._snapshot is not None else {}

    # ---------------------------------------------------------------------------------------- numbers

    def summary(self) -> dict[str, float]:
        """What the statistics say of the network, as numbers; ``{}`` before the first row.

        Of the decayed statistics: trace_B, opnorm_B, trace_W (squared units of the embeddings), r_squared =
        tr B/(tr B + tr W), stable_rank = tr B/‖B‖, effective_rank, nc1 = tr(Σ_W B⁺)/K, pi_min, pi_max, entropy_pi
        (nats), valid_components, drift (of the means in the last update, in units of √(total trace)). Of the last batch
        alone, with the prefix ``batch_``: trace_B to nc1 of these, and batch_adjusted_r_squared (less what chance puts
        there), batch_spread = total trace/E‖x‖². Counts: updates, rows_dropped, rows_ignored, reseeded, collapsed_for,
        write_errors. A ratio without meaning is NaN.
        """
        return self._numbers(spectrum=True, batch=True) if self._state is not None else {}

    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are on now: complete_collapse, low_rank_collapse, no_class_structure.

        None before 30 updates. The effective rank is that of the last logged row that has one, or a new one where that
        is ``diagnostics_every`` updates old or older.
        """
        if self._state is None:
            return ()
        stale = self._clock.calls >= self._clock.due
        found = self._numbers(spectrum=stale, batch=stale and self._form is not DENSE)
        return self._find_alarms(found, self._rank(found) if stale else self._clock.rank)

    def _rank(self, numbers: Mapping[str, float]) -> float:
        """The effective rank that the alarm judges by: the batch's where no covariances are kept."""
        return numbers["effective_rank" if self._form is DENSE else "batch_effective_rank"]

    def _numbers(self, spectrum: bool, batch: bool) -> dict[str, float]:
        state, last = self._state, self._last
        assert state is not None
        with exactly(state.mean) if spectrum else nullcontext():  # without, nothing is multiplied
            host = self._host if self._may_read(state.mean) else None
            whole = batch or self._uses_labels  # the alarm about classes asks the batch, too
            seen = readings.collect(state, self._form, last, spectrum=spectrum, batch=whole, host=host)
        found = readings.numbers(seen, state.mean.dtype)
        found["updates"] += self._clock.updates
        if found["rows_dropped"]:
            self._warn_of_rows()
        found["write_errors"] = float(self._write_errors)
        return found

    def _find_alarms(self, numbers: Mapping[str, float], rank: float) -> tuple[Alarm, ...]:
        assert self._state is not None
        return find_alarms(numbers, rank, self.settings.K, self._state.mean.shape[1], self._uses_labels)

    # -------------------------------------------------------------------------------------------- log

    def log_step(self, step: int, epoch: int = 0, stats: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write a row about the statistics as they are now, if there was an update since the last one.

        Parameters
        ----------
        step : int
            Rows of this step and of later ones that are there already (an interrupted run's) are replaced.
        epoch : int
        stats : Snapshot, optional
            What `update` returned; ``{}`` is ignored. Default: the last snapshot.

        Returns
        -------
        dict
            The row that ``on_row`` gets; ``{}`` if none was written.
        """
        if not self._is_time_to_log(step, stats):
            return {}
        row = {"step": int(step), "epoch": int(epoch), "K": self.settings.K, **self._row()}
        for write in (self._write, self._on_row):  # a tracker that fails does not cost the row in the file
            try:
                if write is not None:
                    write(dict(row))
            except OSError as error:
                self._failed(error)
        return row

    def _is_time_to_log(self, step: int, stats: Mapping[str, Any] | None) -> bool:
        is_wanted = self.enabled and self.is_main and step % self.settings.log_every == 0
        is_new = self._state is not None and self._clock.calls > self._clock.logged
        return is_wanted and is_new and (stats is None or len(stats) > 0)

    def _row(self) -> dict[str, Any]:
        clock = self._clock
        is_due = clock.calls >= clock.due
        found: dict[str, Any] = dict(self._numbers(spectrum=is_due, batch=is_due))
        due = clock.calls + self.settings.diagnostics_every if is_due else clock.due
        rank = self._rank(found) if is_due else clock.rank
        self._clock = replace(clock, logged=clock.calls, due=due, rank=rank)
        found["alarms"] = ";".join(alarm.name for alarm in self._find_alarms(found, rank))
        return found

    def _write(self, row: Mapping[str, Any]) -> None:
        if self._files is None:
            return
        self._files.write(row["step"], row["epoch"], row, row, self._scores())

    def _scores(self) -> Tensor | None:
        """The last batch's responsibilities, of all processes where several hold it."""
        if not self.settings.store_scores or self._snapshot is None:
            return None
        if self._all_index is None:
            return self._snapshot.R.cpu()
        return one_hot(self._all_index, self.settings.K, self._snapshot.mu.dtype).mT.contiguous().cpu()

    def _failed(self, error: OSError) -> None:
        """A disk that is full does not stop the training: it is said once, and counted."""
        if self.settings.on_error == "raise":
            raise error
        self._write_errors += 1
        self._warn(
            "write", f"log_dir: {error}; the run goes on, and failed rows are counted (this is said once)"
        )

    def _warn_of_rows(self) -> None:
        self._warn(
            "rows",
            "embeddings has rows that are not finite: they are left out and counted (this is said once)",
        )

    def _warn(self, about: str, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, StreamWarning, stacklevel=2)

    # ------------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next updates and rows depend on: tensors and plain numbers, for ``torch.save``."""
        tensors = {} if self._state is None else self._state.tensors()
        features = None if self._state is None else self._state.mean.shape[1]
        return {
            "format": _FORMAT,
            "K": self.settings.K,
            "D": features,
            "covariance": self.settings.covariance,
            "clock": asdict(self._clock),
            "write_errors": self._write_errors,
            "early": None if self._early is None else self._early.cpu(),
            "tensors": dict(tensors),
            "waiting": [] if self._state is None else self._state.covariance.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, bitwise as if there had been no break (on the same machine).

        Raises
        ------
        ArgumentError
            If it is no such state, or one of another K, D or kind of covariance; the estimator is as it was.
        """
        tensors = check_state(state, _FORMAT, self.settings, self._state)
        clock, write_errors = Clock.of(state["clock"]), int(state["write_errors"])
        self._state = State.of(tensors, state["waiting"]) if tensors else None
        self._early = state.get("early")  # older states lack it
        self._clock, self._write_errors, self._all_seen = clock, write_errors, False
        self._last = self._snapshot = self._all_index = None
        if self._state is not None:
            self._see(torch.empty(0, dtype=torch.int64, device=self._state.mass.device))

    # -------------------------------------------------------------------------------------------- end

    def close(self) -> None:
        """Finish the files; further rows are not written."""
        files, self._files = self._files, None
        try:
            if files is not None:
                files.close()
        except OSError as error:
            self._failed(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        options, seen = self.settings, f"updates={self._clock.calls}" if self.enabled else "disabled"
        return f"MixtureStats(K={options.K}, mode={options.mode!r}, assigner={options.assigner!r}, {seen})"


def _real(x: Tensor) -> torch.dtype:
    """float64 for float64, float32 for every other kind."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32
