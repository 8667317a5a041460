"""The tail of a table: each row once, whatever the writer does, and by nothing but size and content."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixturelab.stream.tables import Table
from mixturelab.watch.tail import Tail

HEADER = b"step,epoch,loss\n"


def steps(news):
    return [int(row["step"]) for row in news.rows]


def line(step, loss="1.5"):
    return f"{step},0,{loss}\n".encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "losses.csv"


def test_a_file_that_is_not_there_has_no_rows_and_is_read_once_it_is(path):
    tail = Tail(path)
    assert not tail.read()
    path.write_bytes(HEADER + line(0))
    news = tail.read()
    assert news.rows == ({"step": "0", "epoch": "0", "loss": "1.5"},)
    assert not news.is_anew
    assert not tail.read()


@given(cuts=st.lists(st.integers(0, 400), max_size=12), n_rows=st.integers(0, 20))
def test_however_the_bytes_arrive_each_row_comes_once_and_whole(tmp_path_factory, cuts, n_rows):
    path = tmp_path_factory.mktemp("run") / "losses.csv"
    content = HEADER + b"".join(line(step, f"{step / 7:.9g}") for step in range(n_rows))
    tail, found = Tail(path), []
    for end in [*sorted(min(cut, len(content)) for cut in cuts), len(content)]:
        path.write_bytes(b"")  # the same file: its identity stays
        path.write_bytes(content[:end])
        news = tail.read()
        assert not news.is_anew
        found += news.rows
    assert found == [{"step": str(i), "epoch": "0", "loss": f"{i / 7:.9g}"} for i in range(n_rows)]


def test_a_torn_line_waits_for_its_end(path):
    path.write_bytes(HEADER + line(0) + b"1,0,0.")
    tail = Tail(path)
    assert steps(tail.read()) == [0]
    assert not tail.read()
    path.write_bytes(HEADER + line(0) + b"1,0,0.25\n")
    assert tail.read().rows[0]["loss"] == "0.25"


def test_zeros_where_bytes_have_not_arrived_yet_are_no_row(path):
    path.write_bytes(HEADER + line(0) + b"\0" * 20)
    tail = Tail(path)
    assert steps(tail.read()) == [0]
    path.write_bytes(HEADER + line(0) + line(1) + line(2))
    assert steps(tail.read()) == [1, 2]


def test_a_file_that_was_cut_back_is_read_anew(path):
    path.write_bytes(HEADER + line(0) + line(1) + line(2))
    tail = Tail(path)
    tail.read()
    os.truncate(path, len(HEADER + line(0)))
    news = tail.read()
    assert news.is_anew
    assert steps(news) == [0]


def test_a_file_that_was_cut_back_and_grew_longer_between_two_looks_is_read_anew(path):
    """The same file, and longer: only its content tells."""
    path.write_bytes(HEADER + b"".join(line(step) for step in range(5)))
    tail = Tail(path)
    tail.read()
    with path.open("r+b") as file:
        file.truncate(len(HEADER + line(0) + line(1)))
        file.seek(0, os.SEEK_END)
        file.write(b"".join(line(step, "2.5") for step in range(2, 9)))
    news = tail.read()
    assert news.is_anew
    assert steps(news) == list(range(9))
    assert [row["loss"] for row in news.rows] == ["1.5"] * 2 + ["2.5"] * 7


def test_a_file_that_was_replaced_by_an_equal_one_that_is_longer_is_read_anew(path):
    path.write_bytes(HEADER + line(0))
    tail = Tail(path)
    tail.read()
    other = path.with_name("other")
    other.write_bytes(HEADER + line(0) + line(1))
    os.replace(other, path)
    news = tail.read()
    assert news.is_anew
    assert steps(news) == [0, 1]


def test_times_are_not_looked_at(path):
    """A network file system's may be late, or stand still."""
    path.write_bytes(HEADER + line(0))
    os.utime(path, (1, 1))
    tail = Tail(path)
    assert steps(tail.read()) == [0]
    path.write_bytes(HEADER + line(0) + line(1))
    os.utime(path, (1, 1))
    assert steps(tail.read()) == [1]


def test_a_file_that_was_removed_begins_anew(path):
    path.write_bytes(HEADER + line(0))
    tail = Tail(path)
    tail.read()
    path.unlink()
    assert tail.read().is_anew
    assert not tail.read()
    path.write_bytes(HEADER + line(0))
    assert steps(tail.read()) == [0]


def test_what_cannot_be_read_is_told_and_tried_again(path):
    path.mkdir()
    tail = Tail(path)
    assert not tail.read()
    assert "directory" in tail.problem
    path.rmdir()
    path.write_bytes(HEADER + line(0))
    assert steps(tail.read()) == [0]
    assert tail.problem is None


def test_damaged_lines_are_left_out(path):
    path.write_bytes(HEADER + line(0) + b"1,0\n" + b"\xff\xfe\n" + line(2))
    assert steps(Tail(path).read()) == [0, 2]


def test_it_reads_what_a_run_s_own_table_writes_and_what_its_resume_leaves(path):
    """The other side of the file, with quotes in its words and rows taken back."""
    table = Table(path, ("loss", "alarms"), words=True)
    tail, words = Tail(path), 'low "rank", half'
    for step in range(4):
        table.write(step, table.row(step, 0, {"loss": step / 3, "alarms": words}))
        assert steps(tail.read()) == [step]
    table.make_room(2)
    table.write(2, table.row(2, 0, {"loss": 9.0, "alarms": words}))
    news = tail.read()
    assert news.is_anew
    assert steps(news) == [0, 1, 2]
    assert news.rows[2] == {"step": "2", "epoch": "0", "loss": "9", "alarms": words}
