"""The k-means assigner of a stream: where centroids begin, which are dead, and the index of every row."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mixturelab.inference.assigners import lloyd, seed
from mixturelab.model.assigned import class_means
from mixturelab.stream.batch import Batch
from mixturelab.stream.config import MixtureSettings
from mixturelab.stream.ranks import Ranks
from mixturelab.stream.snapshot import mixing_weights
from mixturelab.stream.state import State

# Dead components are looked for this often, in updates; a component is dead below this part of an equal share.
DECIDE_EVERY, DEAD_SHARE = 50, 0.2
# No re-seeding where the spread is below this part of E‖x‖²: in a collapse there is nothing to find.
NO_SPREAD = 1e-3


def assign(
    state: State,
    batch: Batch,
    settings: MixtureSettings,
    calls: int,
    may_read: bool,
    all_started: bool = False,
    ranks: Ranks | None = None,
) -> tuple[State, Tensor]:
    """The component of each row (K for one that is not live), after centroids were begun or moved.

    Parameters
    ----------
    state : State
    batch : Batch
    settings : MixtureSettings
    calls : int
        Updates before this one: it says when centroids are begun and moved, and seeds the private generator.
    may_read : bool
        Whether the host may look for nothing to do.
    all_started : bool
        Whether all centroids are known to have begun.
    ranks : Ranks, optional
        The processes that hold the other rows of the batch.
    """
    if _is_time_to_seed(calls):
        state = _begin_and_move(state, batch, settings, calls, may_read, ranks)
    centroids, started = state.centroid - batch.centre, None if all_started else state.started
    means = class_means if ranks is None else ranks.class_means
    return state, lloyd(
        batch.x, batch.is_live, centroids, started, settings.max_assign_iters, may_read, means
    )


def _begin_and_move(
    state: State,
    batch: Batch,
    settings: MixtureSettings,
    calls: int,
    may_read: bool,
    ranks: Ranks | None,
) -> State:
    dead = torch.zeros_like(state.started)
    if settings.reseed and calls and calls % DECIDE_EVERY == 0:
        state, dead = _decide(state, batch)
    if may_read and bool((state.started & ~dead).all()):
        return state
    return _seed(state, batch, dead, settings.seed + calls, ranks)


def _is_time_to_seed(calls: int) -> bool:
    """At updates 0, 1, 2, 4, 8, … (an early batch may have too few rows), and at every decision."""
    return calls & (calls - 1) == 0 or calls % DECIDE_EVERY == 0


def _decide(state: State, batch: Batch) -> tuple[State, Tensor]:
    """Which components are dead: hardly any rows now, nor at the last decision, while there are rows to be had.

    π alone would condemn a component re-seeded a moment ago, whose statistics a slow decay still makes small: the rows
    since the last decision speak for it.
    """
    least = DEAD_SHARE / len(state.mass)
    poor = state.started & (mixing_weights(state.mass) < least) & (mixing_weights(state.recent) < least)
    dead = poor & state.starving & (batch.total >= NO_SPREAD * batch.energy)
    starving, recent = poor & ~dead, torch.zeros_like(state.recent)
    if batch.count is not None:  # a batch without a row decides nothing
        some = batch.count > 0
        dead, starving = dead & some, torch.where(some, starving, state.starving)
        recent = torch.where(some, recent, state.recent)
    return replace(state, starving=starving, recent=recent), dead


def _seed(state: State, batch: Batch, dead: Tensor, random_seed: int, ranks: Ranks | None) -> State:
    """Begin the centroids that have none, and move the dead ones; their statistics stay and fade."""
    generator = torch.Generator("cpu").manual_seed(random_seed)
    if ranks is None:
        x, is_live = batch.x, batch.is_live
        is_live = torch.ones_like(x[:, 0], dtype=torch.bool) if is_live is None else is_live
    else:
        x, is_live = ranks.rows_to_seed(batch, len(dead), generator)
        generator.manual_seed(random_seed)  # as many numbers were drawn as this process has rows
    uniform = torch.rand(len(dead), len(x), generator=generator, dtype=torch.float32, device=generator.device)
    live = state.started & ~dead
    centroids, started = seed(
        x, is_live, state.centroid - batch.centre, live, uniform.to(x, non_blocking=True)
    )
    if ranks is not None:  # one of them chooses: others of another make might round otherwise
        centroids, started = ranks.first(centroids), ranks.first(started.to(torch.uint8)) > 0
    new = started & ~live
    return replace(
        state,
        centroid=torch.where(new[:, None], centroids + batch.centre, state.centroid),
        centroid_mass=torch.where(new, 0.0, state.centroid_mass),
        started=state.started | new,
        counts=state.count(reseeded=(dead & new).sum()),
    )
