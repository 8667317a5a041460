"""Checklists for a table, a search and a report of the learner's own: properties, since nobody knows the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mixturelab.exercises.result import box, marked

if TYPE_CHECKING:
    import pandas as pd

    from mixturelab.selection import SelectionResult

__all__ = ["REPORT_PARTS", "Checklist", "check_report", "check_search", "check_table"]

SCALES = 3.0  # standard deviations may differ by this factor
TIED = 0.1  # share of rows that may have one and the same value
REPEATED = 0.05  # share of rows that may be copies of others
ROWS_EACH = 10  # rows wanted for each feature
STARTS = 10  # wanted for each K and family
WORDS = 8  # in each part of a report

REPORT_PARTS = ("question", "data", "choice", "groups", "doubt", "stability", "limits")

Item = tuple[bool, str]


@dataclass(frozen=True)
class Checklist:
    """Properties that hold, and those that do not, each with what to do.

    Attributes
    ----------
    title : str
        What was looked at.
    items : tuple of (bool, str)
        Whether a property holds, and the property in words.
    """

    title: str
    items: tuple[Item, ...]

    @property
    def passed(self) -> bool:
        """Whether all of them hold."""
        return all(holds for holds, _ in self.items)

    def __repr__(self) -> str:
        return "\n".join(
            [self._head(), *(f"  {'✓' if holds else '✗'} {words}" for holds, words in self.items)]
        )

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<li>{'✓' if holds else '✗ <strong>to do:</strong>'} {marked(words)}</li>"
            for holds, words in self.items
        )
        listed = f'<ul style="list-style: none; padding-left: 0; margin: 0.3em 0">{lines}</ul>'
        return box("#0072b2" if self.passed else "#c04a00", self._head(), listed)

    def _head(self) -> str:
        held = sum(holds for holds, _ in self.items)
        return f"{self.title}: {held} of {len(self.items)} in order"


def _kindly(title: str, items: Callable[[], Iterator[Item]]) -> Checklist:
    """The list; what cannot be looked at is said, not raised."""
    try:
        return Checklist(title, tuple(items()))
    except Exception as error:
        return Checklist(
            title, ((False, f"this cannot be looked at: `{type(error).__name__}`. {_WANTED[title]}"),)
        )


_WANTED = {
    "Your table": "Give a pandas table of the features alone.",
    "Your search": "Give what `select` returned.",
    "Your report": "Give a dictionary with a text for each part.",
}


# --------------------------------------------------------------------------------------------------- table
def check_table(table: pd.DataFrame) -> Checklist:
    """Whether a table of features is ready to be fitted.

    Parameters
    ----------
    table : DataFrame
        The features alone, as they are given to the mixture.

    Returns
    -------
    Checklist
        Shown by the notebook; nothing is raised.
    """
    return _kindly("Your table", lambda: _of_table(table))


def _of_table(table: pd.DataFrame) -> Iterator[Item]:
    text = [str(name) for name in table.columns if table[name].dtype.kind not in "fiu"]
    yield (
        not text,
        _say(text, "every column is a number", "no number in", "leave it out, or ask what it measures"),
    )
    numbers = table.select_dtypes("number")
    gaps = [str(name) for name in numbers if numbers[name].isna().any()]
    yield (
        not gaps,
        _say(
            gaps, "no value is missing", "values missing in", "decide what to do with these rows, and say so"
        ),
    )
    yield from _of_columns(numbers)
    yield _rows_suffice(numbers.dropna())


def _of_columns(numbers: pd.DataFrame) -> Iterator[Item]:
    constant = [str(name) for name in numbers if numbers[name].nunique() == 1]
    yield (
        not constant,
        _say(constant, "every column varies", "one value only in", "it tells nothing: leave it out"),
    )
    counters = [str(name) for name in numbers if _counts_rows(numbers[name].dropna().to_numpy())]
    yield (
        not counters,
        _say(counters, "no column just counts rows", "row numbers in", "a number of a row is no measurement"),
    )
    often = [str(name) for name in numbers if numbers[name].value_counts(normalize=True).max() > TIED]
    tied = [name for name in often if name not in constant]
    yield (
        not tied,
        _say(
            tied,
            "no single value takes up much of a column",
            "many equal values in",
            "rounded, cut off, or filled in? Expect components without width",
        ),
    )
    yield _scales(numbers)


def _scales(numbers: pd.DataFrame) -> Item:
    spread = numbers.std().to_numpy()
    spread = spread[spread > 0]
    ratio = spread.max() / spread.min() if len(spread) else 1.0
    if ratio <= SCALES:
        return True, "all columns have comparable spreads"
    return (
        False,
        f"the widest column spreads {ratio:.0f} times as much as the narrowest: standardise, or say why not",
    )


def _counts_rows(values: Any) -> bool:
    return len(values) > 2 and bool(np.isin(np.diff(values), [1.0]).all())


def _rows_suffice(numbers: pd.DataFrame) -> Item:
    rows, columns = numbers.shape
    copies = float(numbers.duplicated().mean()) if rows else 0.0
    if rows < ROWS_EACH * columns:
        return False, f"{rows} rows for {columns} features are few: {ROWS_EACH * columns} would be a start"
    if copies > REPEATED:
        return False, f"{copies:.0%} of the rows are copies of others: was something pasted twice?"
    return True, f"{rows} rows for {columns} features, hardly any of them copies"


def _say(names: list[str], well: str, ill: str, advice: str) -> str:
    return well if not names else f"{ill} {', '.join(f'`{name}`' for name in names[:5])}: {advice}"


# -------------------------------------------------------------------------------------------------- search
def check_search(result: SelectionResult) -> Checklist:
    """Whether a search over K and family can be trusted.

    Parameters
    ----------
    result : SelectionResult
        From `mixturelab.select`.

    Returns
    -------
    Checklist
        Shown by the notebook; nothing is raised.
    """
    return _kindly("Your search", lambda: _of_search(result))


def _of_search(result: SelectionResult) -> Iterator[Item]:
    ks = sorted({one.n_components for one in result.candidates})
    families = {one.covariance_type for one in result.candidates}
    best, model = result.best_candidate, result.best
    alone = ks[0] == 1
    yield alone, f"{'K = 1 was tried' if alone else 'try K = 1, too'}: one bell, no groups, is an answer"
    at_edge = best.n_components == ks[-1]
    yield (
        not at_edge,
        f"the winner, K = {best.n_components}, is {'at the edge: try more' if at_edge else 'not at the edge'}",
    )
    several = len(families) > 1
    yield (
        several,
        f"{len(families)} families were tried" if several else "one family was tried: try the others, too",
    )
    starts = int(model.n_init)
    many = "enough to begin with" if starts >= STARTS else f"too few: take `n_init={STARTS}` or more"
    yield starts >= STARTS, f"starts for each K and family: {starts}, {many}"
    done = best.converged
    yield (
        done,
        "the winner's EM has " + ("converged" if done else "not converged: give it a larger `max_iter`"),
    )
    total = float(np.sum(np.asarray(model.weights_)))
    yield abs(total - 1) < 1e-6, "its weights sum to 1"
    needed = np.shape(model.means_)[1] + 1
    yield (
        best.smallest_count >= needed,
        f"its smallest component has {best.smallest_count:.0f} rows; below D + 1 = {needed} it cannot span an ellipse",
    )
    yield (
        not best.spurious,
        f"{'one' if best.spurious else 'none'} of its components hangs on a few equal rows",
    )


# -------------------------------------------------------------------------------------------------- report
def check_report(report: Mapping[str, str]) -> Checklist:
    """Whether every part of a report is written.

    Parameters
    ----------
    report : dict from part to text
        The parts are those of `REPORT_PARTS`.

    Returns
    -------
    Checklist
        Shown by the notebook; nothing is raised.
    """
    return _kindly("Your report", lambda: (_part(report, name) for name in REPORT_PARTS))


def _part(report: Mapping[str, str], name: str) -> Item:
    text = report.get(name)
    if text is None or text is ...:
        return False, f"`{name}` is not written yet"
    words = len(str(text).split())
    if words < WORDS:
        return (
            False,
            f"`{name}` has {words} {'word' if words == 1 else 'words'}: say it so that a stranger understands it",
        )
    return True, f"`{name}` is written"
