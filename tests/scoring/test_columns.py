"""Which columns are the model's features."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from mixturelab.exceptions import DataError
from mixturelab.scoring import matrix, positions


def test_columns_are_matched_by_name_in_the_models_order():
    assert positions(["x", "b", "y", "a"], ["a", "b"], 2) == [3, 1]


def test_without_names_the_number_must_agree():
    assert positions(["x", "y"], None, 2) == [0, 1]
    with pytest.raises(DataError, match=r"3 columns .*the model has 2 features"):
        positions(["x", "y", "z"], None, 2)


@pytest.mark.parametrize(
    ("available", "said"),
    [
        (["a"], "no column 'b'; the columns are 'a'"),
        ([], "no column 'a', 'b'; the columns are none"),
        (["a", "b", "a"], "column 'a' is there twice"),
        ([f"x{i}" for i in range(50)], "and 30 more"),
    ],
)
def test_what_is_missing_or_there_twice_is_named(available, said):
    with pytest.raises(DataError, match=said):
        positions(available, ["a", "b"], 2)


def test_a_column_that_is_not_wanted_may_be_there_twice():
    assert positions(["x", "x", "a"], ["a"], 1) == [2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.float32()),
        pa.array(np.array([1, 2, np.nan], np.float16)),
        pa.array([1.0, 2.0, float("nan")], pa.float64()),
        pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.00"), None]),
        pa.array([1.0, 2.0, None]).dictionary_encode(),
        pa.chunked_array([[1.0], [2.0, None]]),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_of_every_type_are_read_and_nulls_are_nan(column):
    np.testing.assert_array_equal(matrix(pa.table({"a": column}), ["a"], 1), [[1], [2], [np.nan]])


def test_booleans_are_zero_and_one():
    np.testing.assert_array_equal(matrix(pa.table({"a": [True, False]}), ["a"], 1), [[1], [0]])


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1"]),
        pa.array([[1.0]]),
        pa.array([{"x": 1}]),
        pa.array(["1"]).dictionary_encode(),
        pa.nulls(1),
    ],
    ids=lambda column: str(column.type),
)
def test_what_is_no_number_is_named(column):
    with pytest.raises(DataError, match=r"column 'a' holds .*; wanted numbers"):
        matrix(pa.table({"a": column}), ["a"], 1)
