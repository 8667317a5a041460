"""Rows without scores: each kind is described with its place and its reason, and all other rows are scored."""

import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mixturelab.exceptions import DataError
from mixturelab.scoring.bad_rows import COLUMNS

# What stands in a row of "a,b,c,id", and what is said of it: column, value, reason.
KINDS = [
    ("1,,3,x", "b", "", "is empty"),
    ("1, NA ,3,x", "b", " NA ", "stands for a missing value"),
    ("1,two,3,x", "b", "two", "is not a number"),
    ('1,"2,5",3,x', "b", "2,5", "is not a number (a decimal comma?)"),
    ('1,"1,234",3,x', "b", "1,234", "is not a number (a separator between thousands, or a decimal comma?)"),
    ("1,5 %,3,x", "b", "5 %", "is not a number (a percent sign?)"),
    ("1,2_000,3,x", "b", "2_000", "is not a number"),
    ("1,2,inf,x", "c", "inf", "is infinite"),
    ("1,2,1e999,x", "c", "1e999", "is too large for a number in float64"),
    ("-1e200,2,3,x", "a", "-1e200", "is larger than 1.34e+150, so that its square overflows"),
    ("1,2,3", "", "1,2,3", "the row has 3 cells; the header has 4"),
    ("1,2,3,4,5", "", "1,2,3,4,5", "the row has 5 cells; the header has 4"),
    ("oops", "", "oops", "the row has 1 cell; the header has 4"),
    ("x,y,z,x", "a", "x", "is not a number"),
]


def said(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.mark.parametrize(("row", "column", "value", "reason"), KINDS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_row_is_described(score, tmp_path, row, column, value, reason, place):
    rows = ["1,2,3,first", '4,5,6,"second\nline"']
    rows.insert(place, row)
    summary = score(("a,b,c,id\n\n" + "\n".join(rows)).encode(), keep=("id",))
    assert (summary.written, summary.bad, summary.bad_out) == (2, 1, tmp_path / "out.csv.bad.csv")
    line = {0: 3, 1: 4, 2: 6}[place]
    file = str(tmp_path / "in.csv")
    expected = [file, str(place + 1), str(place + 1), str(line), column, value, reason]
    assert said(summary.bad_out).to_numpy().tolist() == [expected]
    assert list(said(summary.bad_out)) == list(COLUMNS)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["row"].tolist() == [n for n in (1, 2, 3) if n != place + 1]
    assert found["id"].tolist() == ["first", "second\nline"]


def test_bytes_that_are_no_utf_8(score, tmp_path):
    data = b"a,b,c,id\n1,2,3,\xe9\n\xff,2,3,x\n1,2,3,fine\n"
    assert score(data, keep=("id",)).bad == 2
    found = said(tmp_path / "out.csv.bad.csv")
    assert found["column"].tolist() == ["id", "a"]
    assert found["value"].tolist() == [r"\xe9", r"\xff"]
    assert set(found["reason"]) == {"is not UTF-8 text"}
    assert score(data).bad == 1  # what is not used may be anything


def test_a_quote_that_is_never_closed(score, tmp_path):
    assert score(b'a,b,c\n1,2,3\n1,"2,3\n4,5,6\n').written == 1
    assert said(tmp_path / "out.csv.bad.csv")["reason"].tolist() == ["a quote is not closed"]
    assert said(tmp_path / "out.csv.bad.csv")["line"].tolist() == ["3"]


@pytest.mark.parametrize("name", ["in.parquet", "in.npy"])
def test_bad_values_in_tables(score, tmp_path, frame, name):
    frame.loc[10, "b"], frame.loc[20, "a"], frame.loc[4999, "c"] = np.nan, np.inf, 1e160
    if name == "in.npy":
        np.save(tmp_path / name, frame.to_numpy())
    else:
        table = pa.table({column: pa.array(frame[column].to_numpy()) for column in frame})
        parquet.write_table(table, tmp_path / name)
    assert score(tmp_path / name, "out.parquet", chunk_rows=700).bad == 3
    found = said(tmp_path / "out.parquet.bad.csv")
    assert found["row"].tolist() == ["11", "21", "5000"]
    assert found["column"].tolist() == ["b", "a", "c"]
    assert found["line"].tolist() == [""] * 3
    assert found["value"].tolist() == ["nan", "inf", "1e+160"]
    assert [reason.split(",")[0] for reason in found["reason"]] == [
        "is NaN",
        "is infinite",
        "is larger than 1.34e+150",
    ]
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert scores["row"].tolist() == [n for n in range(1, 5001) if n not in (11, 21, 5000)]


def test_a_missing_value_of_parquet_is_not_called_nan(score, tmp_path):
    table = pa.table(
        {"a": [1.0, None], "b": pa.array([1, 2], pa.int8()), "c": pa.array([1.0, 2.0], pa.float32())}
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    score(tmp_path / "in.parquet")
    assert said(tmp_path / "out.csv.bad.csv")["reason"].tolist() == ["is missing"]


def test_a_row_too_far_from_everything(score, tmp_path):
    data = b"a,b,c\n1,2,3\n1e149,1e149,-1e149\n"
    summary = score(data)
    assert summary.written + summary.bad == 2
    assert np.isfinite(pd.read_csv(tmp_path / "out.csv").to_numpy()).all()


def test_rows_count_over_a_folder_and_in_each_file(score, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.csv").write_bytes(b"a,b,c\n1,2,3\n1,x,3\n")
    (folder / "2.csv").write_bytes(b"c,b,a\n1,2,3\n1,2,\n")
    assert score(folder).bad == 2
    found = said(tmp_path / "out.csv.bad.csv")
    assert found["file"].tolist() == [str(folder / "1.csv"), str(folder / "2.csv")]
    assert found["row"].tolist() == ["2", "4"]
    assert found["row_in_file"].tolist() == ["2", "2"]
    assert found["line"].tolist() == ["3", "3"]
    assert pd.read_csv(tmp_path / "out.csv")["row"].tolist() == [1, 3]


@pytest.mark.parametrize("chunk_rows", [None, 100])
def test_many_bad_rows_among_many_good(score, tmp_path, frame, chunk_rows):
    text = frame.to_csv(index=False).splitlines()
    rng, kinds = np.random.default_rng(0), [row for row, *_ in KINDS if "," in row]
    places = np.sort(rng.choice(5000, 300, replace=False))
    for place in places:
        text[place + 1] = kinds[rng.integers(len(kinds))].rpartition(",")[0]
    summary = score("\n".join(text).encode(), chunk_rows=chunk_rows)
    assert (summary.written, summary.bad) == (4700, 300)
    assert said(summary.bad_out)["row"].astype(int).tolist() == (places + 1).tolist()
    rest = frame.drop(index=places)
    (tmp_path / "rest.csv").write_text(rest.to_csv(index=False))
    expected = pd.read_csv(tmp_path / "out.csv")
    score(tmp_path / "rest.csv")
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "out.csv").drop(columns="row"),
        expected.drop(columns="row"),
        rtol=1e-10,
        atol=1e-14,
    )


def test_stopping_at_the_first(score, tmp_path, frame):
    with pytest.raises(DataError, match=r"in\.csv: row 2 \(line 3\), column 'b': 'x' is not a number$"):
        score(b"a,b,c\n1,2,3\n1,x,3\n,,\n", bad_rows="stop")
    with pytest.raises(DataError, match=r"row 1 \(line 2\), column 'b': the cell is empty"):
        score(b"a,b,c\n1,,3\n", bad_rows="stop")
    with pytest.raises(DataError, match=r"row 1 \(line 2\): the row has 2 cells; the header has 3"):
        score(b"a,b,c\n1,3\n", bad_rows="stop")
    np.save(tmp_path / "in.npy", [[1.0, np.nan, 3.0]])
    with pytest.raises(DataError, match=r"in\.npy: row 1, column 'b': 'nan' is NaN"):
        score(tmp_path / "in.npy", bad_rows="stop")
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "in.npy"]


def test_standard_output_stops_at_the_first_unless_there_is_a_file_for_them(score, tmp_path):
    data = b"a,b,c\n1,2,3\n1,x,3\n4,5,6\n"
    with pytest.raises(
        DataError, match=r"standard input: row 2 \(line 3\).*--bad-out FILE puts such rows aside"
    ):
        score("-", "-", stdin=data)
    found = score("-", "-", stdin=data, bad_out=tmp_path / "bad.csv")
    assert pd.read_csv(io.BytesIO(found))["row"].tolist() == [1, 3]
    assert said(tmp_path / "bad.csv")["file"].tolist() == ["standard input"]


def test_nothing_is_said_where_nothing_is_bad_and_what_was_said_before_goes(score, tmp_path):
    score(b"a,b,c\n1,2,x\n")
    assert (tmp_path / "out.csv.bad.csv").exists()
    score(b"a,b,c\n1,2,3\n")
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_values_are_shortened(score, tmp_path):
    score(b"a,b,c\n1,2," + b"x" * 10_000 + b"\n")
    assert len(said(tmp_path / "out.csv.bad.csv")["value"][0]) == 61
