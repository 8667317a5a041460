"""CSV in and out: blocks against Python's csv module, Arrow against cell by cell, and numbers against their text."""

import csv
import io
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixturelab.exceptions import DataError
from mixturelab.scoring import csv_blocks, csv_text
from mixturelab.scoring.csv_blocks import blocks, row_ends, split_rows
from mixturelab.scoring.csv_cells import Irregular, Layout, as_number, by_arrow, by_cell, cells_of
from mixturelab.scoring.streams import TextStream

CELLS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        ["", "NA", "nan", " 1 ", "\t2", "+3", "1_0", "0x1", "inf", "-INF", "1e400", "1e-400", "1,5", "٣"]
    ),
    st.text(alphabet='ab1.,";\n\r\té€ ', max_size=6),
)
RAW = st.text(alphabet='1.,"\n\r a', max_size=40).map(str.encode)


class Dribble(io.BytesIO):
    """A file that gives a few bytes at a time, however many are wanted."""

    def __init__(self, data, most):
        super().__init__(data)
        self._most = most

    def read(self, size=-1, /):
        return super().read(min(size, self._most))


def written(table, **options) -> bytes:
    text = io.StringIO()
    csv.writer(text, **options).writerows(table)
    return text.getvalue().encode()


# --------------------------------------------------------------------------------------------------- blocks
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_rows_are_those_of_pythons_csv_module(table, newline):
    data = written(table, lineterminator=newline)
    found = [cells_of(row, ",") for _, row in split_rows(data, b",")]
    expected = [
        row
        for row in csv.reader(io.StringIO(data.decode(), newline=""))
        if len(row) > 1 or "".join(row).strip(" \t\r\n")
    ]
    # A row of one cell of blanks in quotes is no blank line here, and is one there.
    assert [row for row in found if len(row) > 1 or "".join(row).strip(" \t\r\n")] == expected


@given(RAW, st.integers(1, 5), st.integers(1, 30), st.integers(1, 9))
def test_blocks_are_the_data_cut_at_row_ends_however_its_bytes_arrive(data, rows, room, most):
    ends = set(row_ends(data, b",", ended=True).tolist())
    found = list(blocks(Dribble(data, most), b",", 100, rows, room))
    assert b"".join(block.data for block in found) == data
    assert {block.end - 100 for block in found} <= ends
    assert all(len(split_rows(block.data, b",")) <= rows for block in found)
    assert [block.last for block in found] == [False] * (len(found) - 1) + [True] * bool(found) or not found[
        -1
    ].last
    assert [b.data for b in found] == [b.data for b in blocks(io.BytesIO(data), b",", 0, rows, room)]


@given(RAW, st.integers(1, 4), st.integers(1, 30))
def test_blocks_from_a_blocks_end_on_are_the_same(data, rows, room):
    found = list(blocks(io.BytesIO(data), b",", 0, rows, room))
    for number, block in enumerate(found):
        rest = list(blocks(io.BytesIO(data[block.end :]), b",", block.end, rows, room))
        assert [b.data for b in rest] == [b.data for b in found[number + 1 :]]


def test_a_quote_that_is_left_open_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(csv_blocks, "LONGEST", 10_000)
    data = b'1,2\n3,"4\n' + b"5,6\n" * 10_000
    with pytest.raises(DataError, match="is a quote left open"):
        list(blocks(io.BytesIO(data), b",", 0, 10, 1000))


# ---------------------------------------------------------------------------------------------------- cells
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.booleans())
@settings(max_examples=400)
def test_arrow_reads_what_is_read_cell_by_cell(table, kept_feature):
    layout = Layout(",", 2, (0,), (("kept", 1), *((("same", 0),) if kept_feature else ())))
    expect_equal(written(table, lineterminator="\n"), layout)


@given(RAW)
@settings(max_examples=600)
def test_arrow_reads_any_bytes_as_they_are_read_cell_by_cell(data):
    expect_equal(data, Layout(",", 2, (0,), (("kept", 1),)))
    expect_equal(data, Layout(",", 1, (0,), ()))


def expect_equal(data, layout):
    x, kept = by_cell(data, layout)
    try:
        found, texts = by_arrow(data, layout, last=True)
    except Irregular:
        return
    np.testing.assert_array_equal(found, x)
    assert {name: column.to_pylist() for name, column in texts.items()} == kept


def test_arrow_does_read_what_is_regular():
    data = b'1,"x, y"\n 2.5 ,z\n\nNA,\n,"\xc3\xa9\n"\n-1e-300,a"b\n'
    found, texts = by_arrow(data, Layout(",", 2, (0,), (("kept", 1),)), last=False)
    np.testing.assert_array_equal(found[:, 0], [1, 2.5, np.nan, np.nan, -1e-300])
    assert texts["kept"].to_pylist() == ["x, y", "z", "", "é\n", 'a"b']


@pytest.mark.parametrize("data", [b"1,2,3\n", b"1\n", b"x,1\n", b"1,\xff\n", b'1,"x'])
def test_what_is_not_regular_is_left_to_reading_cell_by_cell(data):
    with pytest.raises(Irregular):
        by_arrow(data, Layout(",", 2, (0,), (("kept", 1),)), last=True)


@given(st.floats(allow_nan=False))
def test_a_number_is_read_to_the_last_bit(number):
    assert as_number(repr(number)) == number


@pytest.mark.parametrize("cell", ["", "x", "1_0", "٣", "1,5", "0x10", "--1", "1 2"])
def test_what_is_no_number_is_nan(cell):
    assert math.isnan(as_number(cell))


# ---------------------------------------------------------------------------------------------------- text out
NUMBERS = st.one_of(st.floats(), st.floats(-1e12, 1e12), st.integers(-40, 40).map(lambda power: 10.0**power))


@given(st.lists(NUMBERS, min_size=1))
@settings(max_examples=300)
def test_numbers_have_the_same_text_with_arrow_and_without_and_come_back(numbers):
    text = csv_text.by_arrow({"a": np.array(numbers)})
    assert csv_text.by_cell({"a": np.array(numbers)}) == text
    np.testing.assert_array_equal([float(line) for line in text.decode().split()], numbers)


@given(st.lists(st.tuples(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1))
@settings(max_examples=300)
def test_text_is_quoted_where_it_needs_it_with_arrow_and_without(table):
    texts, whole, truth = (list(column) for column in zip(*table, strict=True))
    texts = [text.encode(errors="replace").decode() for text in texts]
    columns = {"text": texts, "whole": np.array(whole), "truth": np.array(truth)}
    found = csv_text.by_arrow(columns)
    assert csv_text.by_cell(columns) == found
    read = list(csv.reader(io.StringIO(found.decode(), newline="")))
    assert read == [[text, str(n), str(b).lower()] for text, n, b in zip(texts, whole, truth, strict=True)]


def test_float32_has_its_own_shortest_digits():
    columns = {"a": np.array([0.1, 1e10, 3.4e38], np.float32)}
    assert csv_text.by_arrow(columns) == csv_text.by_cell(columns) == b"0.1\n1e+10\n3.4e+38\n"


def test_arrow_types_have_text_and_nulls_are_empty():
    columns = {
        "day": pa.array([0, None], pa.date32()),
        "word": pa.array(["a,b", None]).dictionary_encode(),
        "number": pa.array([1.5, None]),
    }
    assert csv_text.by_arrow(columns) == b'1970-01-01,"a,b",1.5\n,,\n'


def test_a_list_has_no_text():
    with pytest.raises(DataError, match=r"column 'a' holds list.*leave it out"):
        csv_text.by_arrow({"a": pa.array([[1, 2]])})


# ------------------------------------------------------------------------------------------------------ streams
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_no_text_and_utf_16_is_recoded(coding):
    text = "naïve,€\n1,2\n" * 1000
    data = text.encode(coding)
    if coding in ("utf-16-le", "utf-16-be"):
        data = "\ufeff".encode(coding) + data
    stream = TextStream(Dribble(data, 7))
    parts = list(iter(lambda: stream.read(100), b""))
    assert b"".join(parts).decode() == text


def test_pandas_reads_the_numbers_back(frame):
    text = csv_text.header_line(list(frame)) + csv_text.lines(
        {name: frame[name].to_numpy() for name in frame}
    )
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(text)), frame)
