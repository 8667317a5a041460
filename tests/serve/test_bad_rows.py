"""Bad JSON is refused with its row and feature, and the service goes on."""

import json
import math
import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from serve.clients import GEYSER, client_of

from mixturelab import GaussianMixture
from mixturelab.serve.settings import Settings

PATHS = ("/responsibilities", "/predict", "/score")
GOOD = {"rows": [[4.0, 80.0]]}
NAMED = {"eruptions": 4.0, "waiting": 80.0}
DEEP = b"[" * 100_000


def refused(client, content, kind="application/json"):
    """The one error that all three endpoints give; a good request is answered after it."""
    errors = [client.error(path, content, kind) for path in PATHS]
    assert errors[0] == errors[1] == errors[2]
    assert client.post("/score", GOOD).status_code == 200
    status, error = errors[0]
    return status, error["row"], error["feature"], error["message"]


@pytest.mark.parametrize(
    ("rows", "row", "feature"),
    [
        ([[1.0]], 0, None),
        ([[1.0, 2.0], [1.0, 2.0, 3.0]], 1, None),
        ([[]], 0, None),
        ([[1.0, 2.0], ["1", 2.0]], 1, "eruptions"),
        ([[1.0, None]], 0, "waiting"),
        ([[1.0, True]], 0, "waiting"),
        ([[1.0, [2.0]]], 0, "waiting"),
        ([[1.0, {}]], 0, "waiting"),
        ([1.0, 2.0], 0, None),
        ([None], 0, None),
        (["ab"], 0, None),
        ([[1.0, 2.0], {"eruptions": 1, "waiting": 2}], 1, None),
        ([NAMED, [1.0, 2.0]], 1, None),
        ([NAMED, {"eruptions": 1.0}], 1, "waiting"),
        ([NAMED, {**NAMED, "colour": 1.0}], 1, "colour"),
        ([{**NAMED, "waiting": "long"}], 0, "waiting"),
        ([NAMED, {**NAMED, "waiting": None}], 1, "waiting"),
        ([{}], 0, "eruptions"),
        ([[1e308, 2.0]], 0, "eruptions"),
        ([[1.0, 2.0], [1.0, -1e200]], 1, "waiting"),
        ([[1.0, 2.0], [1.0, 10**400]], 1, "waiting"),
    ],
)
def test_the_row_and_the_feature_are_named(client, rows, row, feature):
    status, *place, message = refused(client, {"rows": rows})
    assert (status, place) == (422, [row, feature])
    assert f"row {row}" in message
    assert feature is None or repr(feature) in message


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize(
    "form", ["[[4, 80], [4, {}]]", '[{{"eruptions": 4, "waiting": 80}}, {{"waiting": {}, "eruptions": 4}}]']
)
def test_what_is_not_finite_is_named_though_it_is_not_json(client, value, form):
    body = f'{{"rows": {form.format(value)}}}'.encode()
    assert refused(client, body)[:3] == (422, 1, "waiting")


def test_a_model_without_names_counts_its_features(models):
    client = client_of(models["no names"])
    assert refused(client, {"rows": [[1.0, "a"]]})[:3] == (422, 0, 1)
    assert refused(client, {"rows": [NAMED]})[:3] == (422, 0, None)


def test_the_row_is_named_wherever_it_is(client):
    rows = [[4.0, 80.0]] * 9000
    for place in (0, 4095, 4096, 8999):
        bad = [*rows[:place], [4.0, "x"], *rows[place + 1 :]]
        assert refused(client, {"rows": bad})[:3] == (422, place, "waiting")
        far = [*rows[:place], [4.0, 1e300], *rows[place + 1 :]]
        assert refused(client, {"rows": far})[:3] == (422, place, "waiting")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"row": []},
        {"rows": []},
        {"rows": {}},
        {"rows": "a"},
        {"rows": None},
        {"rows": [[1, 2]], "more": 1},
        [],
        1,
        None,
        "rows",
    ],
)
def test_another_form_is_refused(client, content):
    assert refused(client, content)[0] == 422


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"rows": [[1, 2]', b"\xff\xfe", b'{"rows": [[1, 2]]}x', DEEP, b'{"rows": ' + DEEP, b'{"a":' * 5000,
     "\ufeff{}".encode(), '{"rows": [[1, 2]]}'.encode("utf-16"), b'{"rows": [[1, 2]], "\xe9": 1}',
     b'{"rows": [[01, 2]]}', b"\0" * 50],
)  # fmt: skip
def test_what_is_not_json_is_400(client, body):
    assert refused(client, body)[0] == 400


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"rows": [[1, 2]], "rows": [[3, 4]]}', "rows"),
        ('{"rows": [{"eruptions": 1, "waiting": 2, "waiting": 3}]}', "waiting"),
        (
            '{"rows": [{"eruptions": 1, "waiting": 2}, {"waiting": 3, "waiting": 3, "eruptions": 1}]}',
            "waiting",
        ),
        (r'{"rows": [{"eruptions": 1, "waiting": 2, "w\u0061iting": 3}]}', "waiting"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(client, body, key):
    assert refused(client, body.encode())[::2] == (422, key)


def test_names_with_colons_and_escapes_are_names():
    names = ["a:b", 'c"d', "é\u0301"]
    frame = GEYSER.assign(z=np.random.default_rng(0).normal(size=272)).set_axis(names, axis=1)
    model = GaussianMixture(2, random_state=0).fit(frame)
    client = client_of(model)
    rows = frame.iloc[:3].to_dict("records")
    for ascii_only in (True, False):
        body = json.dumps({"rows": rows}, ensure_ascii=ascii_only).encode()
        assert client.post("/predict", body).json()["component"] == model.predict(frame.iloc[:3]).tolist()
    twice = b'{"rows": [{"a:b": 1, "c\\"d": 1, "e\xcc\x81": 1, "a\\u003ab": 2}]}'
    assert client.error("/score", twice)[0] == 422
    # As many colons as there should be: one of them is written as an escape.
    twice = b'{"rows": [{"a\\u003ab": 1, "c\\"d": 1, "e\xcc\x81": 1, "c\\"d": 2}]}'.replace(
        b"e\xcc", "é".encode() + b"\xcc"
    )
    assert client.error("/score", twice)[0] == 422


def test_a_long_name_is_not_sent_back_whole(client):
    answer = client.post("/score", {"rows": [{"x" * 1_000_000: 1.0, "waiting": 2.0}]})
    assert answer.status_code == 422
    assert len(answer.content) < 3000
    assert answer.json()["error"]["feature"].startswith("xxx")


def test_too_many_rows_are_413(geyser):
    client = client_of(geyser, Settings(max_rows=100))
    assert client.post("/score", {"rows": [[4, 80]] * 100}).status_code == 200
    assert refused(client, {"rows": [[4, 80]] * 101})[0] == 413
    assert client.get("/model").json()["limits"]["rows"] == 100


@pytest.mark.parametrize("part", [b"[4,8],", b"[],", b"[[[]]],", b"1,", b'{"a":1},', b"{},", b'"",'])
def test_ten_million_rows_are_413(client, part):
    """Also of what is no row; and they are counted before each of them takes memory."""
    body = b'{"rows":[' + part * (60_000_000 // len(part)) + b"0]}"
    tracemalloc.start()
    try:
        assert client.error("/score", body)[0] == 413
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(body)
    finally:
        tracemalloc.stop()
    assert client.post("/score", GOOD).status_code == 200


@pytest.mark.parametrize(
    "content",
    [{}, {"n": 0}, {"n": -1}, {"n": 1.5}, {"n": "5"}, {"n": True}, {"n": None}, {"n": 10**30}, {"n": 5, "seed": -1},
     {"n": 5, "seed": 2**32}, {"n": 5, "seed": "a"}, {"n": 5, "seed": 1.5}, {"n": 5, "more": 1}, [], None, {"n": [5]}],
)  # fmt: skip
def test_a_bad_sample_is_refused(client, content):
    assert client.error("/sample", content)[0] == 422


def test_a_sample_too_large_or_twice_is_refused(client):
    assert client.error("/sample", {"n": 100_001})[0] == 422
    assert client.error("/sample", b'{"n": 1, "n": 2}')[0] == 422


@pytest.mark.parametrize("depth", [10, 900, 1000, 1020, 5000])
def test_a_deep_sample_is_refused(client, depth):
    body = b'{"n": ' + b'{"a": ' * depth + b"1" + b"}" * (depth + 1)
    assert client.error("/sample", body)[0] in (400, 422)


# ---------------------------------------------------------------------------------------------- content types
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/csv",
     "application/jsonx", "application/json; charset=latin-1", "application/json, text/plain", "application", "\xff"],
)  # fmt: skip
@pytest.mark.parametrize("path", [*PATHS, "/sample"])
def test_another_content_type_is_415(client, path, kind):
    """Without one of those that browsers only send when a service allows it, a web page elsewhere could ask."""
    answer = client.ask(
        "POST", path, content=b"{}", headers={"content-type": kind.encode("latin-1")} if kind else {}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"']
)
def test_json_by_its_other_names_is_json(client, kind):
    assert client.post("/score", GOOD, kind).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_a_compressed_body_is_415(client, coding):
    assert client.error("/score", b"\x1f\x8b", **{"content-encoding": coding})[0] == 415


# ------------------------------------------------------------------------------------------------ anything at all
NUMBERS = st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=3), st.just(1e308))
ROWS = st.one_of(
    st.lists(NUMBERS, max_size=3),
    st.dictionaries(st.sampled_from(["eruptions", "waiting", "other"]), NUMBERS, max_size=3),
    NUMBERS,
)


@hypothesis.given(st.lists(ROWS, max_size=4))
@hypothesis.settings(max_examples=300)
def test_any_rows_are_answered_or_refused(client, rows):
    """And what is answered is right: as many numbers as rows, all finite."""
    answer = client.post("/score", json.dumps({"rows": rows}).encode())
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        density = answer.json()["log_density"]
        assert len(density) == len(rows)
        assert all(map(math.isfinite, density))
    else:
        assert not all(_is_good(row) for row in rows) or not rows or len({type(row) for row in rows}) > 1


def _is_good(row) -> bool:
    values = row if isinstance(row, list) else list(row.values()) if isinstance(row, dict) else [None]
    if isinstance(row, dict) and set(row) != {"eruptions", "waiting"}:
        return False
    return len(values) == 2 and all(type(value) in (int, float) and abs(value) <= 1e100 for value in values)


@hypothesis.given(st.binary(max_size=60))
@hypothesis.settings(max_examples=300)
def test_any_bytes_are_refused(client, body):
    assert client.post("/score", body).status_code in (400, 422)
