"""The concept inventory: ten sound questions, nothing given away too early, no answer that makes it raise."""

import itertools
import math
import re
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from scipy.stats import norm

from mixturelab.exercises.inventory import Inventory, gain, inventory_key
from mixturelab.exercises.inventory_questions import LETTERS, QUESTIONS
from mixturelab.exercises.progress import progress

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
KEY = "".join(question.key for question in QUESTIONS)
WRONG = [
    pytest.param(question, letter, id=f"{question.number}{letter}")
    for question in QUESTIONS
    for letter in LETTERS
    if letter != question.key
]


def sheet(number, letter):
    """All right but for one."""
    return KEY[: number - 1] + letter + KEY[number:]


# ------------------------------------------------------------------------------------------- the questions


def test_ten_questions_of_four_choices_with_one_right_each():
    assert [question.number for question in QUESTIONS] == list(range(1, 11))
    for question in QUESTIONS:
        assert len(question.choices) == 4
        assert sum(choice.is_right for choice in question.choices) == 1
        assert question.text.endswith("?")


def test_all_choices_differ_and_each_has_words_of_its_own():
    choices = [choice for question in QUESTIONS for choice in question.choices]
    for parts in ([c.text for c in choices], [c.message for c in choices]):
        assert len(set(parts)) == len(parts) == 40
        assert all(len(part) > 25 for part in parts)
    named = [choice.misconception for choice in choices if not choice.is_right]
    assert len(set(named)) == len(named) == 30


def test_the_right_answer_cannot_be_told_by_its_place_or_its_length():
    places = Counter(KEY)
    assert set(places) == set(LETTERS)
    assert max(places.values()) <= 3
    assert all(first != second for first, second in itertools.pairwise(KEY))
    longest = [max(LETTERS, key=lambda letter: len(q.choice(letter).text)) == q.key for q in QUESTIONS]
    assert sum(longest) <= 3


def test_numbers_in_the_questions_and_remarks_are_right():
    lamp = norm(2, 0.1)
    assert lamp.pdf(2) == pytest.approx(4, abs=0.05)
    assert lamp.cdf(2.005) - lamp.cdf(1.995) == pytest.approx(0.04, abs=0.001)
    assert lamp.cdf(2.05) - lamp.cdf(1.95) == pytest.approx(0.38, abs=0.005)
    a, b = 2320 - 11 * math.log(272), 2334 - 17 * math.log(272)
    assert (round(a), round(b)) == (2258, 2239)
    assert (round(6 * math.log(272)), round(a - b)) == (34, 20)
    assert float(np.exp(np.float32(-800))) == float(np.exp(np.float32(-900))) == 0.0


def test_hard_assignment_pushes_means_apart_and_narrows():
    rng = np.random.default_rng(0)
    rows = rng.normal(rng.choice([-1.0, 1.0], size=200_000), 1.0)
    upper = rows[rows > 0]
    assert upper.mean() > 1.1
    assert upper.var() < 0.8


# ----------------------------------------------------------------------------------- before and after


def test_before_the_course_only_the_count_and_the_notebooks_are_told():
    result = Inventory()("before", KEY[:5] + "?" * 5)
    assert result.score == 5
    assert result.remarks == ()
    shown = repr(result) + result._repr_html_()
    for question in QUESTIONS:
        assert all(choice.message not in shown and choice.text not in shown for choice in question.choices)
    assert re.findall(r"\d\d", result.message) == sorted({q.notebook for q in QUESTIONS[5:]})


@pytest.mark.parametrize(("question", "letter"), WRONG)
def test_after_the_course_each_wrong_answer_is_named_with_its_cure(question, letter):
    result = Inventory()("after", sheet(question.number, letter), before=4)
    assert result.score == 9
    remark = result.remarks[question.number - 1]
    choice = question.choice(letter)
    assert remark.startswith(f"✗ {question.number} {letter}, *{choice.misconception}*")
    assert choice.message in remark
    assert remark.endswith(f"notebook {question.notebook}.")
    assert "gain of 0.83" in result.message


def test_right_answers_are_explained_and_unknown_ones_answered():
    result = Inventory()("after", KEY[:9] + "?", before=9)
    assert [remark[0] for remark in result.remarks] == ["✓"] * 9 + ["○"]
    assert all(
        question.choice(question.key).message in result.remarks[i] for i, question in enumerate(QUESTIONS)
    )


def test_the_first_answers_are_remembered():
    inventory = Inventory()
    assert "not kept" in inventory("after", KEY).message
    inventory("before", "?" * 10)
    assert "first answers, 0 of 10" in inventory("before", KEY).message
    assert "before the course it was 0" in inventory("after", KEY).message


def test_they_are_remembered_across_kernels_and_deleted_with_the_rest(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXTURELAB_PROGRESS", str(tmp_path / "progress.json"))
    Inventory()("before", KEY[:4] + "?" * 6)
    assert "before the course it was 4" in Inventory()("after", KEY).message
    assert progress("00").done == 0
    progress.forget()
    assert "not kept" in Inventory()("after", KEY).message


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [(10, 10, "still do"), (10, 8, "no disgrace"), (5, 5, "where to go"), (2, 6, "won 4: a gain of 0.50")],
)
def test_every_change_has_kind_words(before, after, words):
    assert words in Inventory()("after", KEY[:after] + "?" * (10 - after), before=before).message


def test_the_gain_is_the_share_of_what_was_open():
    assert gain(4, 7.4) == pytest.approx(3.4 / 6)
    assert gain(4, 4) == 0
    assert math.isnan(gain(10, 10))


# ---------------------------------------------------------------------------------------- any answer at all


@pytest.mark.parametrize("answers", [dict(enumerate(KEY, 1)), {str(i): k for i, k in enumerate(KEY, 1)}, list(KEY), KEY,
                                     KEY.upper(), " ".join(KEY), [f" {k}) " for k in KEY]])  # fmt: skip
def test_answers_may_be_written_in_several_ways(answers):
    assert Inventory()("after", answers).score == 10


@pytest.mark.parametrize("answers", [None, ..., {}, dict.fromkeys(range(1, 11), ...), [None] * 10])
def test_nothing_yet_is_not_an_error(answers):
    result = Inventory()("before", answers)
    assert result.score is None
    assert "0 of 10" in result.message


@pytest.mark.parametrize("answers", [3, "abc", [1, 2], object(), dict.fromkeys(range(1, 11), 7), {"x": "a"}, {1: "e"},
                                     np.nan, [["a"]] * 10, {1: "a", 2: "b"}])  # fmt: skip
@pytest.mark.parametrize("moment", ["before", "after", "during", None])
def test_no_answer_makes_it_raise(moment, answers):
    result = Inventory()(moment, answers)
    assert result.score is None
    assert result.message
    assert result._repr_html_()


def test_one_unanswered_question_is_asked_for():
    assert "9 of 10" in Inventory()("before", dict(enumerate(KEY[:9], 1))).message
    assert "question 1, 3" in Inventory()("before", "xb" + "yd" + "?" * 6).message


# ------------------------------------------------------------------------------------------------- the page


def texts(path):
    notebook = nbformat.read(path, as_version=4)
    return [" ".join(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown"]


@pytest.mark.parametrize("folder", ["", "solutions"])
def test_the_page_asks_the_questions_word_for_word(folder):
    page = texts(NOTEBOOKS / folder / "concept_inventory.ipynb")
    for question in QUESTIONS:
        choices = " ".join(f"- **{letter}** · {question.choice(letter).text}" for letter in LETTERS)
        assert f"**{question.number}.** {question.text} {choices}" in page


def test_the_learner_s_page_gives_nothing_away():
    page = (NOTEBOOKS / "concept_inventory.ipynb").read_text(encoding="utf-8")
    stored = nbformat.reads(page, as_version=4)
    told = page + " ".join(str(output) for cell in stored.cells for output in cell.get("outputs", []))
    for question in QUESTIONS:
        assert all(choice.message not in told for choice in question.choices)
        assert all(choice.misconception not in told for choice in question.choices if not choice.is_right)
    assert "inventory_key" not in told
    assert told.count("0 of 10 questions answered") >= 2


def test_the_teacher_s_page_has_the_key_and_what_each_wrong_answer_tells():
    page = nbformat.read(NOTEBOOKS / "solutions" / "concept_inventory.ipynb", as_version=4)
    shown = "".join(str(output) for cell in page.cells for output in cell.get("outputs", []))
    for question in QUESTIONS:
        assert all(choice.misconception in shown for choice in question.choices)
    text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert "normalised gain" in text
    assert [row[0] for row in inventory_key().rows()] == [str(n) for n in range(1, 11)]
    assert [LETTERS[row[2:6].index("✓ right")] for row in inventory_key().rows()] == list(KEY)


def test_teacher_s_cells_are_marked_in_the_source():
    cells = jupytext.read(NOTEBOOKS / "source" / "concept_inventory.py", fmt="py:percent").cells
    marked = [cell for cell in cells if "teacher" in cell.metadata]
    assert marked
    assert all("inventory_key" not in cell.source for cell in cells if cell not in marked)


@pytest.mark.parametrize("odd", ["4", 4.5, -1, 11, True, [4]])
def test_a_score_before_that_is_none_is_answered_in_words(odd):
    result = Inventory()("after", KEY, before=odd)
    assert result.score is None
    assert "from 0 to 10" in result.message
