"""Cells of text as numbers, and why they are none; by Arrow for whole blocks, cell by cell where Arrow cannot."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mixturelab.scoring.chunk import Columns, Floats
from mixturelab.scoring.csv_blocks import BLANK, split_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

# What people write where there is no number.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "missing", ".", "?", "-"})
_MISSING_SPELT = sorted(
    {spelt for word in MISSING for spelt in (word, word.upper(), word.capitalize(), "NaN")}
)


@dataclass(frozen=True)
class Layout:
    """How a CSV file is read.

    Attributes
    ----------
    delimiter : str
    width : int
        Cells of a row.
    features : tuple of int
        Which cells are the model's features, in its order.
    kept : tuple of (str, int)
        Columns that go to the output: their names, and which cells they are.
    """

    delimiter: str
    width: int
    features: tuple[int, ...]
    kept: tuple[tuple[str, int], ...]


class Irregular(Exception):
    """Arrow does not read this block as it has to be read; cell by cell it will be."""


def by_arrow(data: bytes, layout: Layout, last: bool) -> tuple[Floats, Columns]:
    """Features and kept columns of a block, several times as fast as `by_cell`, and never otherwise than there.

    Parameters
    ----------
    data : bytes
        Whole rows.
    layout : Layout
    last : bool
        Whether the file ends here, perhaps inside quotes.

    Raises
    ------
    Irregular
        If a cell is text where a number belongs, a row has another width, or quotes are not closed.
    """
    import pyarrow as pa
    from pyarrow import csv

    if _differs(data, layout, last):
        raise Irregular
    names = [str(place) for place in range(layout.width)]
    wanted = list(dict.fromkeys([*layout.features, *(place for _, place in layout.kept)]))
    types = {names[place]: pa.string() for _, place in layout.kept}
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            csv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=b'"' in data, invalid_row_handler=_blank_or_not
            ),
            csv.ConvertOptions(
                column_types={names[place]: pa.float64() for place in layout.features} | types,
                include_columns=[names[place] for place in wanted],
                null_values=_MISSING_SPELT,
            ),
        )
        return _numbers(table, names, layout), {name: table[names[place]] for name, place in layout.kept}
    except pa.ArrowException:
        raise Irregular from None


def _differs(data: bytes, layout: Layout, last: bool) -> bool:
    """Whether Arrow would read a row where there is none, or take what is left open as closed."""
    if not data.strip(BLANK):
        return True
    alone = layout.width == 1 and re.search(rb"(?m)^[ \t]+\r?$", data)
    return bool(alone) or (last and b'"' in data)


def _blank_or_not(row: Any) -> str:
    return "error" if row.text.strip(BLANK.decode()) else "skip"


def _numbers(table: Any, names: Sequence[str], layout: Layout) -> Floats:
    both = {place for _, place in layout.kept} & set(layout.features)
    x = np.empty((table.num_rows, len(layout.features)))
    for feature, place in enumerate(layout.features):
        column = table[names[place]]
        x[:, feature] = _from_text(column) if place in both else column.to_numpy()
    return x


def _from_text(column: Any) -> Any:
    """Numbers of a column that is kept as text, too."""
    import pyarrow as pa
    from pyarrow import compute

    trimmed = compute.utf8_trim(column, " \t")
    missing = compute.is_in(trimmed, pa.array(_MISSING_SPELT))
    numbers = compute.cast(compute.if_else(missing, pa.scalar(None, pa.string()), trimmed), pa.float64())
    return numbers.to_numpy()


# ------------------------------------------------------------------------------------------------ cell by cell
def by_cell(data: bytes, layout: Layout) -> tuple[Floats, Columns]:
    """Features and kept columns of a block of rows; NaN, and no text, where a row cannot be used."""
    rows = split_rows(data, layout.delimiter.encode())
    x = np.full((len(rows), len(layout.features)), np.nan)
    kept: dict[str, list[str]] = {name: [""] * len(rows) for name, _ in layout.kept}
    for number, (_, row) in enumerate(rows):
        cells = cells_of(row, layout.delimiter)
        if cells is None or len(cells) != layout.width:
            continue
        texts = [cells[place] for _, place in layout.kept]
        if all(map(is_text, texts)):
            x[number] = [as_number(cells[place]) for place in layout.features]
            for name, text in zip(kept, texts, strict=True):
                kept[name][number] = text
    return x, kept


def cells_of(row: bytes, delimiter: str) -> list[str] | None:
    """The cells of a row; None if a quote is not closed."""
    text = row.decode("utf-8", "surrogateescape")
    return text.split(delimiter) if '"' not in text else _quoted_cells(text, delimiter)


def _quoted_cells(text: str, delimiter: str) -> list[str] | None:
    other = f"[^{re.escape(delimiter)}]*"
    pattern = re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|(?!"))({other})')
    cells, place = [], 0
    while True:
        match = pattern.match(text, place)
        if match is None:
            return None
        cells.append((match[1] or "").replace('""', '"') + match[2])
        place = match.end() + len(delimiter)
        if match.end() == len(text):
            return cells


def as_number(cell: str) -> float:
    """The number that a cell holds; NaN if it holds none."""
    try:
        # Python reads 1_000 and digits of other scripts as numbers; nobody else does.
        return float(cell) if "_" not in cell and cell.isascii() else math.nan
    except ValueError:
        return math.nan


def is_text(cell: str) -> bool:
    """Whether its bytes are UTF-8."""
    return cell.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in cell)


# Cells that people take for numbers, and what keeps them from being one.
_ALMOST: Sequence[tuple[str, str]] = [
    (r"[+-]?\d{1,3}([., ]\d{3})+([.,]\d*)?", "a separator between thousands, or a decimal comma?"),
    (r"[+-]?\d*,\d+", "a decimal comma?"),
    (r"[+-]?[\d.,]*\d\s?%", "a percent sign?"),
]


def why_not(cell: str) -> str | None:
    """What keeps a cell from being a number that can be used, if anything does."""
    if cell.strip().lower() in MISSING:
        return "is empty" if not cell.strip() else "stands for a missing value"
    if not is_text(cell):
        return "is not UTF-8 text"
    number = as_number(cell)
    if math.isinf(number):
        return "is infinite" if "inf" in cell.lower() else "is too large for a number in float64"
    if math.isnan(number):
        return "is not a number" + "".join(_hints(cell.strip()))
    return None


def _hints(cell: str) -> Iterator[str]:
    """At most one."""
    for pattern, hint in _ALMOST:
        if re.fullmatch(pattern, cell):
            yield f" ({hint})"
            return
