"""Scoring files: every format against the model's own table, and what is kept, chosen, matched and refused."""

import bz2
import gzip
import io
import os
import threading
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from mixturelab import BayesianGaussianMixture, GaussianMixture, load_dataset
from mixturelab.exceptions import ArgumentError, DataError, ModelFileError
from mixturelab.persistence import load, save, save_joblib
from mixturelab.pipeline.run import rowwise
from mixturelab.scoring import Job, csv_reader, csv_text, parquet_encoder, run

# Without zero bytes and line ends, of which something else is said.
RUBBISH = np.random.default_rng(0).integers(128, 256, 2000, dtype=np.uint8).tobytes()
SCORES = [
    "row",
    "component",
    "log_density",
    "uncertainty",
    "responsibility_0",
    "responsibility_1",
    "responsibility_2",
]


def read(path) -> pd.DataFrame:
    readers = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".npy": lambda path: pd.DataFrame(np.load(path)),
    }
    return readers[path.suffix](path)


def expect_scores(found, model, frame):
    expected = rowwise(model, frame)
    assert list(found) == list(expected)
    np.testing.assert_array_equal(found[["row", "component"]], expected[["row", "component"]])
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-10, atol=1e-14)


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=1000)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, 700)
    else:
        np.save(path, frame.to_numpy())


def csv_bytes(frame) -> bytes:
    return frame.to_csv(index=False).encode()


def arrow_bytes(frame) -> bytes:
    file, table = io.BytesIO(), pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, 700)
    return file.getvalue()


def parquet_bytes(frame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


# ------------------------------------------------------------------------------------------------- formats
@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.npy", "in.arrow", "in.CSV", "in.data"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
def test_every_format_gives_what_the_model_gives(score, tmp_path, model, frame, name, out):
    write(frame, tmp_path / name) if name.islower() and "data" not in name else frame.to_csv(
        tmp_path / name, index=False
    )
    summary = score(tmp_path / name, out)
    assert (summary.written, summary.bad, summary.out, summary.bad_out) == (5000, 0, tmp_path / out, None)
    assert summary.mean_log_density == pytest.approx(model.score(frame))
    expect_scores(read(tmp_path / out), model, frame)
    assert sorted(os.listdir(tmp_path)) == sorted([name, out])


@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_every_family_and_both_estimators(score, tmp_path, frame, kind, family):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(3, covariance_type=family, random_state=0, max_iter=20).fit(frame)
    score(csv_bytes(frame), "out.csv", model=save(model, tmp_path / "m.safetensors"))
    expect_scores(read(tmp_path / "out.csv"), model, frame)


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_standard_input_and_output(score, model, frame, form):
    given = {"csv": csv_bytes, "parquet": parquet_bytes, "arrow": arrow_bytes}[form](frame)
    found = score("-", "-", stdin=given, input_format=form, format=form)
    readers = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "arrow": lambda file: pa.ipc.open_stream(file).read_pandas(),
    }
    expect_scores(readers[form](io.BytesIO(found)), model, frame)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npy", ".arrow"])
def test_a_folder_is_read_in_sorted_order(score, tmp_path, model, frame, ending):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, start in [("10", 0), ("2", 3000), ("3", 3001)]:
        stop = {0: 3000, 3000: 3001, 3001: 5000}[start]
        write(frame.iloc[start:stop], folder / f"part-{number}{ending}")
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.crc").write_bytes(b"\0")
    score(folder)
    expect_scores(read(tmp_path / "out.csv"), model, frame)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", None)])
def test_compressed_csv(score, tmp_path, model, frame, ending, pack):
    pack = pack or pa.Codec("zstd").compress
    data = pack(csv_bytes(frame))
    score(data if isinstance(data, bytes) else data.to_pybytes(), name=f"in.csv{ending}")
    expect_scores(read(tmp_path / "out.csv"), model, frame)


def test_an_input_as_long_as_a_chunk_and_a_bit(score, tmp_path, model):
    for n in (1, 99, 100, 101, 300):
        frame = pd.DataFrame(np.random.default_rng(n).normal(size=(n, 3)), columns=["a", "b", "c"])
        score(csv_bytes(frame), chunk_rows=100)
        expect_scores(read(tmp_path / "out.csv"), model, frame)


# ------------------------------------------------------------------------------------------- the same bytes
@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.npy"])
def test_the_bytes_do_not_depend_on_the_size_of_chunks_nor_on_the_format(score, tmp_path, frame, name):
    write(frame, tmp_path / name)
    found = set()
    for chunk_rows in (None, 99, 1000, 4096, 10**6):
        score(tmp_path / name, chunk_rows=chunk_rows)
        found.add((tmp_path / "out.csv").read_bytes())
    write(frame, tmp_path / "other.csv")
    score(tmp_path / "other.csv")
    assert found == {(tmp_path / "out.csv").read_bytes()}


@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
def test_two_runs_give_the_same_bytes(score, tmp_path, frame, out):
    score(csv_bytes(frame), out)
    before = (tmp_path / out).read_bytes()
    score(tmp_path / "in.csv", out)
    assert (tmp_path / out).read_bytes() == before


@pytest.mark.parametrize("options", [{}, {"keep": "all"}, {"only": ("log_density",)}])
def test_without_pyarrow_csv_has_the_same_bytes(score, tmp_path, frame, monkeypatch, options):
    data = csv_bytes(frame.head(500).assign(note='say "x, y"', empty=""))
    score(data, **options)
    with_arrow = (tmp_path / "out.csv").read_bytes()
    for module in (csv_reader, csv_text):
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    score(data, **options)
    assert (tmp_path / "out.csv").read_bytes() == with_arrow


# ---------------------------------------------------------------------------------------------- which columns
def test_columns_are_matched_by_name(score, tmp_path, model, frame):
    score(csv_bytes(frame.assign(note="text", n=1)[["note", "c", "n", "a", "b"]]))
    expect_scores(read(tmp_path / "out.csv"), model, frame)


def test_a_model_without_names_takes_the_columns_of_numbers(score, tmp_path, model, frame, nameless):
    score(csv_bytes(frame.assign(note="text")[["a", "note", "b", "c"]]), model=nameless)
    expect_scores(read(tmp_path / "out.csv"), model, frame)
    frame.assign(note="text")[["a", "note", "b", "c"]].to_parquet(tmp_path / "in.parquet")
    score(tmp_path / "in.parquet", model=nameless)
    expect_scores(read(tmp_path / "out.csv"), model, frame)


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_model_without_names_and_another_number_of_columns(score, tmp_path, frame, nameless, name):
    write(frame.assign(d=1.0, note="x"), tmp_path / name)
    with pytest.raises(
        DataError, match=r"in\.\w+: 4 numeric columns \(a, b, c, d\); the model has 3 features"
    ):
        score(tmp_path / name, model=nameless)
    score(tmp_path / name, model=nameless, columns=("a", "b", "c"))


def test_other_columns_can_be_named(score, tmp_path, model, frame):
    score(csv_bytes(frame.rename(columns={"b": "weight in kg"})), columns=("a", "weight in kg", "c"))
    expect_scores(read(tmp_path / "out.csv"), model, frame)
    with pytest.raises(ArgumentError, match="columns names 2; the model has 3 features"):
        score(tmp_path / "in.csv", columns=("a", "b"))


def test_columns_are_kept_as_they_came(score, tmp_path, frame):
    frame = frame.head(3).assign(id=["007", "a,b", 'é "q"'], note=["", "x\ny", " z "])
    score(csv_bytes(frame), keep=("note", "id", "a"))
    found = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert list(found) == ["row", "note", "id", "a", *SCORES[1:]]
    assert found["id"].tolist() == frame["id"].tolist()
    assert found["note"].tolist() == frame["note"].tolist()
    assert found["a"].tolist() == [repr(number) for number in frame["a"].tolist()]


def test_all_columns_can_be_kept(score, tmp_path, frame):
    score(csv_bytes(frame.assign(id="x")), keep="all")
    assert list(read(tmp_path / "out.csv")) == ["row", "a", "b", "c", "id", *SCORES[1:]]


def test_columns_of_parquet_keep_their_types(score, tmp_path, frame):
    table = pa.Table.from_pandas(frame).append_column("id", pa.array(range(5000), pa.uint16()))
    table = table.append_column("when", pa.array(range(5000), pa.timestamp("s")))
    table = table.append_column("list", pa.array([[i, None] for i in range(5000)]))
    table = table.append_column("word", pa.array([f"w{i % 3}" for i in range(5000)]).dictionary_encode())
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    score(tmp_path / "in.parquet", "out.parquet", keep=("id", "when", "list", "word"), chunk_rows=999)
    found = parquet.read_table(tmp_path / "out.parquet")
    for name in ("id", "when", "list", "word"):
        assert found[name].type == parquet.read_schema(tmp_path / "in.parquet").field(name).type
        assert found[name].to_pylist() == table[name].to_pylist()
    with pytest.raises(DataError, match=r"column 'list' holds list.*leave it out or write Parquet"):
        score(tmp_path / "in.parquet", "out.csv", keep=("list",))
    score(tmp_path / "in.parquet", "out.csv", keep=("id", "when", "word"))
    assert read(tmp_path / "out.csv")["word"].tolist() == table["word"].to_pylist()


def test_columns_of_arrays_are_kept(score, tmp_path, frame):
    np.save(tmp_path / "in.npy", frame.to_numpy(np.float32))
    for out in ("out.csv", "out.npy", "out.parquet"):
        score(tmp_path / "in.npy", out, keep=("b",))
        np.testing.assert_array_equal(
            read(tmp_path / out)["b"].astype(np.float32), frame["b"].astype(np.float32)
        )


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (("x",), "no column 'x' to keep; the columns are 'a', 'b', 'c', 'row', 'd', 'd'"),
        (("d",), "column 'd' is there 2 times"),
        (("row",), "column 'row' cannot be kept: the scores have a column of this name"),
        ("all", "column 'row' cannot be kept"),
    ],
)
def test_what_cannot_be_kept_is_named(score, keep, said):
    with pytest.raises(DataError, match=f"in.csv: {said}"):
        score(b"a,b,c,row,d,d\n1,2,3,4,5,6\n", keep=keep)


def test_a_name_of_the_scores_can_be_kept_where_they_do_not_have_it(score, tmp_path):
    score(b"a,b,c,row\n1,2,3,x\n", keep=("row",), only=("component",))
    assert list(read(tmp_path / "out.csv")) == ["row", "component"]


def test_text_has_no_place_in_an_array(score, tmp_path, frame):
    with pytest.raises(DataError, match=r"column 'a' cannot be kept in a .npy file"):
        score(csv_bytes(frame), "out.npy", keep=("a",))


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (("log_density",), ["log_density"]),
        (("uncertainty", "component"), ["component", "uncertainty"]),
        (("responsibilities", "row"), ["row", *SCORES[4:]]),
        (("responsibility_2",), ["responsibility_2"]),
    ],
)
@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
def test_columns_of_the_scores_can_be_chosen(score, tmp_path, model, frame, only, names, out):
    score(csv_bytes(frame), out, only=only)
    found = read(tmp_path / out)
    assert list(found) == names
    np.testing.assert_allclose(
        found.to_numpy(), rowwise(model, frame)[names].to_numpy(), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a,b\n1,2\n", "no column 'c'; the columns are 'a', 'b'"),
        (b"a,b,c,a\n1,2,3,4\n", "column 'a' is there twice"),
        (b"", "the file is empty"),
        (b"\n  \n", "the file is empty"),
        (b"1,2,3\n4,5,6\n", "line 1 holds numbers"),
        (b"\x89PNG\r\n", "the file is a PNG picture"),
        (b"a,b\0,c\n", "zero byte"),
        (b'a,b,"c\n1,2,3', "a quote in the header is not closed"),
        (b"a,b,c\xff\n1,2,3\n", "the header is not UTF-8"),
        (gzip.compress(b"a,b,c\n", mtime=0), "gzip data"),
        (parquet_bytes(pd.DataFrame({"a": [1]})), "a Parquet file"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_a_csv_that_cannot_be_read_is_said_and_leaves_nothing(score, tmp_path, text, said, resume):
    with pytest.raises(DataError, match=f"in.csv: .*{said}"):
        score(text, resume=resume)
    assert os.listdir(tmp_path) == ["in.csv"]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        (b"a,b,c\n", 0),
        (b"a,b,c", 0),
        (b"a,b,c\n1,2,3", 1),
        (b"\xef\xbb\xbfa,b,c\r\n1,2,3\r\n4,5,6\r\n", 2),
        (b"\n\na,b,c\n\n1,2,3\n  \n\n4,5,6\n\n", 2),
        (b"a,b,c\r1,2,3\r4,5,6", 2),
        (b'"a","b","c"\n"1","2","3"\n', 1),
        (b" a , b,c \n 1 ,\t2,3 \n", 1),
        (b"a;b;c\n1;2;3\n", 1),
        (b"a\tb\tc\n1\t2\t3\n", 1),
        (b"sep=|\na|b|c\n1|2|3\n", 1),
        ("\ufeffa,b,c,é\n1,2,3,ü\n".encode("utf-16-le"), 1),
        (b'a,b,c,"x\ny"\n1,2,3,"z\n,"\n', 1),
        (b"a,b,c,,\n1,2,3,,\n", 1),
    ],
)
@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
def test_the_ways_in_which_csv_is_written(score, tmp_path, text, n, out):
    assert score(text, out).written == n
    found = read(tmp_path / out)
    assert list(found) == SCORES
    assert found["row"].tolist() == list(range(1, n + 1))


# ------------------------------------------------------------------------------------------------ what is refused
def test_no_rows_of_an_array_or_of_parquet(score, tmp_path, frame):
    for name in ("in.parquet", "in.npy"):
        write(frame.head(0), tmp_path / name)
        for out in ("out.csv", "out.parquet", "out.npy"):
            assert score(tmp_path / name, out, keep=("a",)).written == 0
            assert list(read(tmp_path / out)) == ["row", "a", *SCORES[1:]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.npy", b"\x93NUMPY\x01\x00", "not a .npy file"),
        ("in.npy", np.zeros((3, 2)), "the array has 2 columns; the model has 3 features"),
        ("in.npy", np.zeros(3), r"shape \(3,\)"),
        ("in.npy", np.array([["x"]]), "wanted numbers"),
        ("in.npy", np.array([[None]]), "not a .npy file"),
        ("in.parquet", b"PAR1 and no more", "cannot be read"),
        (
            "in.parquet",
            parquet_bytes(pd.DataFrame({"a": ["1"], "b": [2], "c": [3]})),
            "column 'a' holds .*string",
        ),
        ("in.arrow", b"ARROW1", "cannot be read"),
        ("in.csv.gz", gzip.compress(b"a,b,c\n" + RUBBISH, mtime=0)[:-500], "cannot be read"),
        ("in.csv.gz", b"a,b,c\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(score, tmp_path, name, content, said):
    path = tmp_path / name
    np.save(path, content, allow_pickle=True) if isinstance(content, np.ndarray) else path.write_bytes(
        content
    )
    with pytest.raises(DataError, match=f"{name}.*{said}"):
        score(path)
    assert os.listdir(tmp_path) == [name]


def test_folders_that_are_no_table(score, tmp_path, frame):
    folder = tmp_path / "parts"
    with pytest.raises(DataError, match="parts does not exist"):
        score(folder)
    folder.mkdir()
    with pytest.raises(DataError, match="folder without files"):
        score(folder)
    write(frame, folder / "1.csv")
    write(frame, folder / "2.parquet")
    with pytest.raises(DataError, match=r"files of more than one kind: 1\.csv and 2\.parquet"):
        score(folder)
    (folder / "2.parquet").rename(folder / "notes.md")
    with pytest.raises(DataError, match=r"holds notes\.md, which is no CSV"):
        score(folder)
    (folder / "notes.md").unlink()
    (folder / "deeper").mkdir()
    with pytest.raises(DataError, match="holds the folder deeper"):
        score(folder)
    assert os.listdir(tmp_path) == ["parts"]


def test_a_file_of_a_folder_without_the_columns_is_named_before_any_work(score, tmp_path, frame):
    folder = tmp_path / "parts"
    folder.mkdir()
    write(frame, folder / "1.csv")
    write(frame[["a", "b"]], folder / "2.csv")
    with pytest.raises(DataError, match=r"parts/2\.csv: no column 'c'"):
        score(folder)


def test_kept_columns_of_a_folder_are_those_of_the_first_file(score, tmp_path, frame):
    folder = tmp_path / "parts"
    folder.mkdir()
    write(frame.assign(id=1), folder / "1.parquet")
    write(frame.assign(more=2, id=3)[["id", "more", "c", "b", "a"]], folder / "2.parquet")
    score(folder, "out.parquet", keep="all", only=("row",))
    found = read(tmp_path / "out.parquet")
    assert list(found) == ["row", "a", "b", "c", "id"]
    assert found["id"].tolist() == [1] * 5000 + [3] * 5000
    write(frame.assign(id="x"), folder / "2.parquet")
    with pytest.raises(DataError, match=r"column 'id' holds .*string here and int64 in the first file"):
        score(folder, "out.parquet", keep="all")


def test_what_is_read_is_not_written_over(score, tmp_path, frame, model_file):
    write(frame, tmp_path / "in.csv")
    (tmp_path / "same.csv").symlink_to(tmp_path / "in.csv")
    for out in ("in.csv", "same.csv"):
        with pytest.raises(ArgumentError, match=r"the output would replace .*\.csv, which is read"):
            score(tmp_path / "in.csv", out)
    with pytest.raises(ArgumentError, match="the bad rows' file would replace"):
        score(tmp_path / "in.csv", bad_out=tmp_path / "in.csv")
    with pytest.raises(ArgumentError, match="the bad rows' file would replace"):
        score(tmp_path / "in.csv", bad_out=model_file)
    with pytest.raises(ArgumentError, match="the bad rows' file is the output"):
        score(tmp_path / "in.csv", bad_out=tmp_path / "out.csv")
    (tmp_path / "parts").mkdir()
    write(frame, tmp_path / "parts" / "1.csv")
    with pytest.raises(ArgumentError, match="would lie in the folder that is read"):
        score(tmp_path / "parts", "parts/out.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": "out.xlsx"}, "out ends in '.xlsx'; wanted .csv, .parquet or .npy"),
        ({"out": "out.csv", "format": "xml"}, "format is 'xml'"),
        ({"out": "-", "format": "npy"}, "cannot go to a pipe"),
        ({"out": "out.csv", "format": "arrow"}, "is for pipes"),
        ({"only": ("density",)}, "only names 'density'; wanted row, component"),
        ({"only": ()}, "only names no column"),
        ({"only": ("responsibility_3",)}, "only names 'responsibility_3'"),
        ({"bad_rows": "drop"}, "bad_rows is 'drop'; wanted side or stop"),
        ({"bad_rows": "stop", "bad_out": "x.csv"}, "says to stop at the first"),
        ({"out": "-", "bad_rows": "side"}, "no file beside standard output"),
        ({"out": "-", "resume": True}, "resume needs files"),
        ({"chunk_rows": 0}, "chunk_rows is 0"),
        ({"keep": ("a", "a")}, "keep names 'a' more than once"),
        ({"input_format": "xml"}, "input_format is 'xml'"),
    ],
)
def test_arguments_that_cannot_be(score, tmp_path, options, said):
    with pytest.raises(ArgumentError, match=said):
        score(b"a,b,c\n1,2,3\n", **options)
    assert os.listdir(tmp_path) == ["in.csv"]


def test_a_pickle_is_opened_only_if_told_to(score, model, tmp_path):
    pickled = save_joblib(model, tmp_path / "m.joblib")
    with pytest.raises(ModelFileError, match="trust=True"):
        score(b"a,b,c\n1,2,3\n", model=pickled)
    assert score(b"a,b,c\n1,2,3\n", model=pickled, trust=True).written == 1


# ------------------------------------------------------------------------------------------------- where it goes
def test_an_older_output_is_replaced_and_a_link_stays_one(score, tmp_path):
    (tmp_path / "real.csv").write_text("older")
    (tmp_path / "out.csv").symlink_to(tmp_path / "real.csv")
    score(b"a,b,c\n1,2,3\n")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("row,component")


def test_a_device_is_not_replaced(score):
    assert score(b"a,b,c\n1,2,3\n", "/dev/null").written == 1
    assert not os.path.isfile("/dev/null")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_a_full_device_is_said(score):
    with pytest.raises(DataError, match="/dev/full cannot be written: No space left on device"):
        score(b"a,b,c\n1,2,3\n", "/dev/full")


def test_an_output_that_cannot_be_written_is_named(score, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/out\.csv cannot be written: there is no folder"):
        score(b"a,b,c\n1,2,3\n", "nowhere/out.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv is a folder"):
        score(b"a,b,c\n1,2,3\n", "folder.csv")
    assert sorted(os.listdir(tmp_path)) == ["folder.csv", "in.csv"]


def test_progress_is_told(model_file, tmp_path, frame):
    for name in ("in.csv", "in.parquet", "in.npy"):
        write(frame, tmp_path / name)
        told = []
        run(Job(model_file, tmp_path / name, tmp_path / "out.csv", chunk_rows=1000), told.append)
        assert [progress.written for progress in told] == [1000, 2000, 3000, 4000, 5000]
        assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)
        assert told[-1].fraction == 1


def test_parquet_on_standard_output_has_the_bytes_of_the_file(score, tmp_path, frame, monkeypatch):
    """Into a file row groups are written in place; for a pipe they are made elsewhere."""
    monkeypatch.setattr(parquet_encoder, "GROUP", 1000)
    piped = score(csv_bytes(frame), "-", format="parquet", chunk_rows=300)
    score(tmp_path / "in.csv", "out.parquet", chunk_rows=300)
    assert (tmp_path / "out.parquet").read_bytes() == piped
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 5


def test_scoring_leaves_the_number_of_threads_alone(score, frame):
    before = torch.get_num_threads()
    seen = []
    torch.set_num_threads(before + 1)
    try:
        score(csv_bytes(frame))
        seen.append(torch.get_num_threads())
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [before + 1, before + 1]


def test_a_folder_that_is_not_there_is_named_before_anything_is_written(tmp_path):
    model, table = _geyser_files(tmp_path)
    for places in (
        {"out": tmp_path / "no" / "s.csv"},
        {"out": tmp_path / "s.csv", "bad_out": tmp_path / "no" / "b.csv"},
    ):
        with pytest.raises(DataError, match=r"cannot be written: there is no folder .*no; make it first"):
            run(Job(model, table, **places))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "table.csv"]


def test_a_column_is_not_two_features(tmp_path):
    model, table = _geyser_files(tmp_path)
    with pytest.raises(ArgumentError, match="columns names one twice: waiting, waiting"):
        run(Job(model, table, tmp_path / "s.csv", columns=("waiting", "waiting")))


def _geyser_files(folder):
    frame = load_dataset("old_faithful").frame
    frame.to_csv(folder / "table.csv", index=False)
    return save(
        GaussianMixture(2, random_state=0).fit(frame), folder / "model.safetensors"
    ), folder / "table.csv"


@pytest.mark.parametrize("lent", [True, False])
def test_parquet_of_several_row_groups_is_read_back(tmp_path, monkeypatch, lent):
    """Each row group's places in the file are told from the file's beginning, whoever writes it there."""
    monkeypatch.setattr(parquet_encoder, "GROUP", 100)
    monkeypatch.setattr(parquet_encoder, "_lends_descriptors", lambda: lent)
    model, table = _geyser_files(tmp_path)
    run(Job(model, table, tmp_path / "s.parquet", chunk_rows=60))
    assert parquet.ParquetFile(tmp_path / "s.parquet").num_row_groups > 1
    wanted = rowwise(load(model), load_dataset("old_faithful").frame)
    found = pd.read_parquet(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-12)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy"])
def test_it_says_which_columns_a_model_without_names_takes(tmp_path, kind):
    """By position: nobody but the user can know whether they are the right ones."""
    frame = load_dataset("old_faithful").frame
    model = save(GaussianMixture(2, random_state=0).fit(frame.to_numpy()), tmp_path / "model.safetensors")
    table = tmp_path / f"table.{kind}"
    if kind == "npy":
        np.save(table, frame.to_numpy())
    else:
        frame.to_csv(table, index=False) if kind == "csv" else frame.to_parquet(table)
    said: list[str] = []
    run(Job(model, table, tmp_path / "out.csv"), on_note=said.append)
    assert [f"columns {', '.join(map(repr, frame.columns))}" in words for words in said] == [True] * (
        kind != "npy"
    )
    if kind != "npy":
        run(Job(model, table, tmp_path / "out.csv", columns=tuple(frame.columns)), on_note=said.append)
        assert len(said) == 1


def test_columns_of_a_npy_file_cannot_be_named(tmp_path):
    frame = load_dataset("old_faithful").frame
    model = save(GaussianMixture(2, random_state=0).fit(frame), tmp_path / "model.safetensors")
    np.save(tmp_path / "table.npy", frame.to_numpy())
    with pytest.raises(ArgumentError, match=r"columns is given, but those of a \.npy file have no names"):
        run(Job(model, tmp_path / "table.npy", tmp_path / "out.csv", columns=("waiting", "eruptions")))
    assert not (tmp_path / "out.csv").exists()
