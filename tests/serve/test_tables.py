"""Arrow and Parquet bodies: the same numbers as JSON, and what is damaged, hostile or too large is refused."""

import io
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serve.clients import GEYSER, client_of

from mixturelab.serve import ipc_sizes, parquet_child
from mixturelab.serve.settings import Settings

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
KINDS = (STREAM, FILE, PARQUET)
PATHS = ("/responsibilities", "/predict", "/score")


def written(table: pa.Table, kind: str, compression: str | None = None, **options) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == PARQUET:
        pq.write_table(table, sink, compression=compression or "none", **options)
    else:
        new = pa.ipc.new_stream if kind == STREAM else pa.ipc.new_file
        with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table, **options)
    return sink.getvalue().to_pybytes()


def read(body: bytes, kind: str) -> pa.Table:
    if kind == PARQUET:
        return pq.read_table(io.BytesIO(body))
    return (pa.ipc.open_stream if kind == STREAM else pa.ipc.open_file)(body).read_all()


def geyser_table(**more) -> pa.Table:
    return pa.table({"waiting": GEYSER.waiting.to_numpy(), **more, "eruptions": GEYSER.eruptions.to_numpy()})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_table_has_the_answers_of_json(client, kind, path, compression):
    """By name, in whatever order, in several batches, with other columns beside them."""
    extra = pa.array(["old", None] * 136).dictionary_encode()
    table = geyser_table(label=extra, text=["x" * (i % 7) for i in range(272)])
    options = {"row_group_size": 100} if kind == PARQUET else {"max_chunksize": 100}
    answer = client.post(path, written(table, kind, compression, **options), kind)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    expected = client.post(path, {"rows": GEYSER.to_numpy().tolist()}).json()
    assert columns(read(answer.content, kind)) == as_columns(expected)


def columns(table: pa.Table) -> dict[str, list]:
    return {name: table[name].to_pylist() for name in table.column_names}


def as_columns(answer: dict) -> dict[str, list]:
    if "responsibilities" in answer:
        return {
            f"responsibility_{k}": list(column)
            for k, column in enumerate(zip(*answer["responsibilities"], strict=True))
        }
    return {name: column for name, column in answer.items() if name != "mean"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_json_if_that_is_asked_for(client, kind):
    answer = client.post("/score", written(geyser_table(), kind), kind, accept="application/json")
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["log_density"]) == 272


def test_the_answer_is_a_table_if_that_is_asked_for(client):
    answer = client.post("/score", {"rows": [[4.0, 80.0]]}, accept=f"{STREAM}, */*;q=0.1")
    assert read(answer.content, STREAM).column_names == ["log_density"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [pa.float32(), pa.int16(), pa.int64(), pa.uint8()])
def test_other_numbers_are_numbers(client, kind, dtype):
    table = pa.table({"eruptions": pa.array([2, 4], dtype), "waiting": pa.array([50, 80], dtype)})
    answer = client.post("/score", written(table, kind), kind, accept="application/json").json()
    assert answer == client.post("/score", {"rows": [[2, 50], [4, 80]]}).json()


def test_without_names_columns_count(models):
    client = client_of(models["no names"])
    table = pa.table({"a": GEYSER.eruptions.to_numpy(), "b": GEYSER.waiting.to_numpy()})
    answer = client.post("/score", written(table, STREAM), STREAM, accept="application/json").json()
    assert answer == client.post("/score", {"rows": GEYSER.to_numpy().tolist()}).json()
    more = table.append_column("c", pa.array(range(272)))
    assert client.error("/score", written(more, STREAM), STREAM)[0] == 422


# ------------------------------------------------------------------------------------------------- bad tables
@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_column_is_named_with_those_that_are_there(client, kind):
    table = pa.table({"eruptions": [3.6], "Waiting": [79.0], "town": ["old"]})
    status, error = client.error("/score", written(table, kind), kind)
    said = "no column 'waiting'; the columns are 'eruptions', 'Waiting', 'town'"
    assert (status, said in error["message"]) == (422, True), error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "column"), [(None, "waiting"), (np.nan, "eruptions"), (np.inf, "waiting"), (1e308, "eruptions")]
)
def test_a_bad_value_is_named(client, kind, value, column):
    table = geyser_table().to_pydict()
    table[column][123] = value
    status, error = client.error("/score", written(pa.table(table), kind), kind)
    assert (status, error["row"], error["feature"]) == (422, 123, column)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("table", "word"),
    [
        (pa.table({"eruptions": [1.0]}), "waiting"),
        (pa.table({"eruptions": [1.0], "waiting": ["long"]}), "waiting"),
        (pa.table({"eruptions": [1.0], "waiting": pa.array(["long"]).dictionary_encode()}), "waiting"),
        (pa.table({"eruptions": [1.0], "waiting": [[1.0]]}), "waiting"),
        (pa.table({"eruptions": [1.0], "waiting": [{"a": 1.0}]}), "waiting"),
        (pa.table({"eruptions": pa.array([], pa.float64()), "waiting": pa.array([], pa.float64())}), "empty"),
        (pa.table([[1.0], [2.0], [3.0]], names=["eruptions", "waiting", "waiting"]), "twice"),
        (pa.table({}), "eruptions"),
    ],
)  # fmt: skip
def test_a_table_without_what_is_needed_is_422(client, kind, table, word):
    status, error = client.error("/score", written(table, kind), kind)
    assert status == 422
    assert word in error["message"]
    assert error["feature"] == (None if word == "empty" else "waiting" if word == "twice" else word)


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_rows_are_413(geyser, kind):
    client = client_of(geyser, Settings(max_rows=271))
    assert client.error("/score", written(geyser_table(), kind), kind)[0] == 413


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"ARROW1\0\0", b"{}", b"PAR1" * 5, b"\xff" * 200, b"\0" * 200]
)
def test_another_format_is_400(client, kind, body):
    assert client.error("/score", body, kind)[0] in (400, 422)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_damaged_table_is_refused_or_read(client, kind, compression):
    """Each cut, and each of many flipped bits."""
    body = written(geyser_table(label=pa.array(["a", "b"] * 136).dictionary_encode()), kind, compression)
    rng = np.random.default_rng(0)
    damaged = [body[:cut] for cut in rng.integers(0, len(body), 60)]
    for place in np.concatenate(
        [rng.integers(0, len(body), 60), rng.integers(0, 700, 60), -rng.integers(1, 700, 60)]
    ):
        flipped = bytearray(body)
        flipped[place] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    statuses = {client.post("/score", part, kind).status_code for part in damaged}
    assert statuses <= {200, 400, 413, 422}
    assert 400 in statuses


# ----------------------------------------------------------------------------------------------------- bombs
def zeros(n: int) -> pa.Table:
    return pa.table({"eruptions": np.zeros(n), "waiting": np.zeros(n)})


@pytest.mark.parametrize(
    ("kind", "compression"),
    [(STREAM, "zstd"), (FILE, "zstd"), (STREAM, "lz4"), (PARQUET, "zstd"), (PARQUET, "gzip")],
)
def test_a_bomb_is_refused_before_it_goes_off(geyser, kind, compression):
    """Kilobytes that hold megabytes; the limit is between the two."""
    options = {"use_dictionary": False} if kind == PARQUET else {}
    body = written(zeros(400_000), kind, compression, **options)
    assert len(body) < 200_000
    client = client_of(geyser, Settings(max_bytes=1 << 20))
    status, error = client.error("/score", body, kind)
    assert status == 413
    assert "unpacked" in error["message"]
    assert client_of(geyser).post("/score", body, kind).status_code == 200


def test_a_stream_that_promises_more_than_there_is_is_refused(client):
    """The unpacked length of a compressed buffer is made 2⁶² bytes."""
    body = bytearray(written(zeros(1000), STREAM, "zstd"))
    place = bytes(body).index(struct.pack("<q", 8000))
    body[place : place + 8] = struct.pack("<q", 2**62)
    assert client.error("/score", bytes(body), STREAM)[0] == 413


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_the_size_of_a_stream_is_that_of_its_buffers(compression):
    table = zeros(1000)
    messages = pa.ipc.MessageReader.open_stream(written(table, STREAM, compression, max_chunksize=300))
    assert sum(map(ipc_sizes.unpacked, messages)) == pytest.approx(table.nbytes, abs=500)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_the_size_of_a_parquet_file_is_that_of_its_pages(compression, version, use_dictionary):
    """Without the headers of the pages, which Parquet's own sum includes."""
    sink = io.BytesIO()
    options = {"compression": compression, "data_page_version": version, "use_dictionary": use_dictionary}
    pq.write_table(
        geyser_table(), sink, row_group_size=100, write_page_index=True, data_page_size=512, **options
    )
    metadata = pq.read_metadata(sink)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    chunks = [group.column(column) for group in groups for column in range(2)]
    theirs = sum(chunk.total_uncompressed_size for chunk in chunks)
    ours = parquet_child.unpacked(sink.getvalue(), metadata, {"eruptions", "waiting"})
    assert 0.5 * theirs < ours <= theirs
    assert ours >= (0 if use_dictionary else 272 * 16)


def parquet(table: pa.Table) -> bytes:
    """Without a word on dictionaries: readers make plain columns of them."""
    return written(table, PARQUET, "zstd", store_schema=False)


ONE_TEXT = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), pa.array(["x" * 1_000_000]))
ONE_LIST = pa.ListArray.from_arrays(pa.array([0, 3_000_000], pa.int32()), pa.array(np.zeros(3_000_000)))


@pytest.mark.parametrize(
    "table",
    [pa.table({"eruptions": ONE_TEXT, "waiting": np.ones(400)}), pa.table({"eruptions": ONE_LIST, "waiting": [1.0]}),
     pa.table([np.ones(1000)] * 300, names=["eruptions"] * 299 + ["waiting"])],
    ids=["text", "list", "twice"],
)  # fmt: skip
def test_columns_that_are_not_wanted_are_not_unpacked(table):
    """A page of bytes repeats a value as often as it likes: only columns of numbers, one for each feature, are read."""
    body = parquet(table)
    assert len(body) < 200_000
    names = ["eruptions", "waiting"]
    answer, stream = parquet_child.convert(body, 500_000, 1 << 26, names, 2)
    assert (answer["kind"], len(stream) < 100_000) == ("stream", True)
    assert pa.ipc.open_stream(stream).read_all().num_rows == 0


def test_more_columns_than_features_are_not_unpacked(models):
    """For a model without names, all columns are its features, so it knows how many there may be."""
    body = parquet(pa.table([np.ones(1000)] * 300, names=[str(number) for number in range(300)]))
    assert len(parquet_child.convert(body, 500_000, 1 << 26, None, 2)[1]) < 100_000
    status, error = client_of(models["no names"]).error("/score", body, PARQUET)
    assert (status, "300 columns" in error["message"]) == (422, True)


def test_a_column_without_a_name_is_named_by_its_place(models):
    table = pa.table({"a": [1.0], "b": ["long"]})
    status, error = client_of(models["no names"]).error("/score", written(table, STREAM), STREAM)
    assert (status, error["feature"]) == (422, 1)
