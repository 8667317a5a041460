"""How EM got to where it stopped: the log-likelihood of each iteration, and what each one gained."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import plural, short


def convergence(history: Any, *, tol: float | None = None, title: str | None = None) -> Figure:
    """Draw the log-likelihood of each iteration and, on a log scale, what each one gained.

    EM never loses, and slows down: the second panel shows the gain fall until it is below ``tol``.

    Parameters
    ----------
    history : history_ of a fitted mixture, or the mixture
        ``log_likelihood`` (mean per row, one value an iteration), ``status`` and ``reason`` are read.
    tol : float, optional
        Drawn as the line that stopped the fit. Default: the mixture's own, if a mixture was given.
    title : str, optional
        Default: how many iterations, and how it ended.

    Returns
    -------
    Picture
        With its alternative text.
    """
    tol = getattr(history, "tol", None) if tol is None else tol
    history = getattr(history, "history_", history)
    trace = np.asarray(history.log_likelihood, dtype=float)
    with picture.look():
        figure = picture.new(8.2, 6.4)
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
        _draw_trace(upper, trace)
        _draw_gains(lower, trace, tol)
        upper.set_title(_ending(history, trace) if title is None else title)
        lower.set_xlabel("\n".join(["EM iteration", *textwrap.wrap(str(history.reason), 82)]), fontsize=11.5)
        figure.align_ylabels()
    return picture.describe(figure, _words(history, trace, tol))


def _draw_trace(ax: Axes, trace: Array) -> None:
    steps = np.arange(1, len(trace) + 1)
    ax.plot(steps, trace, color=palette.style(0).colour, marker="o", markersize=_dot(len(trace)))
    ax.set_ylabel("log-likelihood\n(mean per row)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlim(0.5, max(len(trace), 2) + 0.5)
    if len(trace):
        place: dict[str, Any] = {"xytext": (0, -20), "textcoords": "offset points", "ha": "right"}
        ax.annotate(f"ends at {_level(trace[-1])}", (steps[-1], trace[-1]), fontweight="bold", **place)


def _level(value: float) -> str:
    return short(value) if abs(value) >= 1e4 else f"{value:.4f}".replace("-", "−")


def _dot(count: int) -> float:
    return 6.0 if count <= 40 else 3.0


def _draw_gains(ax: Axes, trace: Array, tol: float | None) -> None:
    ax.set_ylabel("gain of an iteration\n(log scale)")
    gains = np.diff(trace)
    risen = gains > 0  # rounding can make the last gains zero: a log scale has no place for them
    if not risen.any():
        ax.set_yticks([])
        ax.text(0.5, 0.5, "no gain to show", transform=ax.transAxes, ha="center", va="center")
        return
    steps, look = np.arange(2, len(trace) + 1), palette.style(1)
    ax.semilogy(steps[risen], gains[risen], color=look.colour, marker="s", markersize=_dot(len(trace)))
    ax.yaxis.set_minor_locator(NullLocator())
    if tol is not None and tol > 0:
        ax.axhline(tol, color=palette.INK, linestyle="--", linewidth=1.5)
        label: dict[str, Any] = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 11}
        ax.annotate(f"tol = {tol:g}", (0, tol), xycoords=("axes fraction", "data"), **label)


def _ending(history: Any, trace: Array) -> str:
    return f"EM: {_status(history)} after {plural(len(trace), 'iteration')}"


def _status(history: Any) -> str:
    status = str(getattr(history.status, "value", history.status))
    return {"max_iter": "not converged (max_iter)"}.get(status, status.replace("_", " "))


def _words(history: Any, trace: Array, tol: float | None) -> str:
    ends = f"it goes from {_level(trace[0])} to {_level(trace[-1])} in " if len(trace) else ""
    fall = f" The last iteration gains {short(np.diff(trace)[-1])}" if len(trace) > 1 else ""
    fall += f"; tol is {tol:g}." if tol and fall else "." if fall else ""
    return (
        f"Mean log-likelihood per row at each EM iteration: {ends}{plural(len(trace), 'iteration')}.{fall} "
        f"Status: {_status(history)}. {history.reason}"
    )
