"""`inventory("before", answers)` and `inventory("after", answers)`: ten concepts, and what the course has changed."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixturelab.exercises import progress_file
from mixturelab.exercises.inventory_questions import LETTERS, QUESTIONS, Question
from mixturelab.exercises.progress import progress
from mixturelab.exercises.result import box, marked

__all__ = ["Inventory", "InventoryResult", "Key", "gain", "inventory", "inventory_key"]

UNKNOWN = "?"  # "I do not know": an answer that is not right, and no guess
_NONE = "."
_MARK = "inventory before "  # as which the first answers stand among the exercises done
_GREY, _BLUE = "#6b6b6b", "#0072b2"


@dataclass(frozen=True)
class InventoryResult:
    """What ten answers tell.

    Attributes
    ----------
    moment : str
        "before" or "after".
    score : int or None
        How many are right; None if there is nothing to score yet.
    message : str
        What it means, in a sentence or two.
    remarks : tuple of str
        After the course: for each question what there is to say. Empty before, so that nothing is given away.
    """

    moment: str
    score: int | None
    message: str
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([f"{self._head()}. {self.message}", *(f"  {remark}" for remark in self.remarks)])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{_emphasised(remark)}</li>" for remark in self.remarks)
        listed = (
            f'<ul style="list-style: none; padding-left: 0; margin: 0.3em 0">{items}</ul>' if items else ""
        )
        return box(_GREY if self.score is None else _BLUE, self._head(), marked(self.message) + listed)

    def _head(self) -> str:
        if self.score is None:
            return "○ Concept inventory, not scored yet"
        return f"Concept inventory, {self.moment} the course: {self.score} of {len(QUESTIONS)}"


@dataclass(frozen=True)
class Key:
    """The right answers, and what each wrong one tells: for the teacher."""

    questions: tuple[Question, ...] = QUESTIONS

    def __repr__(self) -> str:
        return "\n".join("  ".join(row) for row in self.rows())

    def _repr_html_(self) -> str:
        head = ["", "concept", *LETTERS, "taught in"]
        lines = ["".join(f"<th>{cell}</th>" for cell in head)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows()]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"

    def rows(self) -> list[list[str]]:
        """Number, concept, what each choice tells, notebook."""
        return [
            [str(q.number), q.concept, *(c.misconception or "✓ right" for c in q.choices), q.notebook]
            for q in self.questions
        ]


class Inventory:
    """Scores the ten questions; remembers the answers given before the course, on this computer alone.

    Before the course nothing is said of single questions, so that they can be asked again. Answers are kept
    where exercises done are (see `progress`), and until the kernel ends if nothing is written.
    """

    def __init__(self) -> None:
        self._memory = ""

    def __call__(self, moment: str, answers: Any, *, before: int | None = None) -> InventoryResult:
        """What the answers tell. Nothing is raised, whatever they are.

        Parameters
        ----------
        moment : {"before", "after"}
            The course: ahead, or done.
        answers : dict, list or str
            A letter for each question: ``{1: "a", 2: "c", ...}``, or ten in order. "?" means: I do not know.
        before : int, optional
            The score before the course, if it was not kept on this computer.

        Returns
        -------
        InventoryResult
            Shown by the notebook.
        """
        if moment not in ("before", "after"):
            return InventoryResult(str(moment), None, 'say when: `"before"` or `"after"` the course.')
        letters, trouble = _read(answers)
        if trouble:
            return InventoryResult(moment, None, trouble)
        if moment == "before":
            return self._before(letters)
        if before is not None and not _is_score(before):
            return InventoryResult(
                moment, None, f"`before` is a score: a whole number from 0 to {len(QUESTIONS)}."
            )
        kept = self._kept()
        earlier = _score(kept) if before is None and kept else before
        return InventoryResult("after", _score(letters), _change(_score(letters), earlier), _remarks(letters))

    def _before(self, letters: str) -> InventoryResult:
        kept = self._kept()
        if not kept:
            self._memory = letters
            if progress.path is not None:
                progress.record(_MARK + letters)
        return InventoryResult("before", _score(letters), _outlook(letters, kept))

    def _kept(self) -> str:
        """The first answers, as ten letters; empty if there are none."""
        path = progress.path
        if path is None:
            return self._memory
        names = sorted(name for name in progress_file.read(path).done if name.startswith(_MARK))
        found = [name.removeprefix(_MARK) for name in names]
        return next((letters for letters in found if len(letters) == len(QUESTIONS)), "")


def inventory_key() -> Key:
    """The right answers, and what each wrong one tells: for the teacher."""
    return Key()


def gain(before: float, after: float) -> float:
    """The normalised gain: which share of what was open has been won (Hake 1998).

    Parameters
    ----------
    before, after : float
        Scores from 0 to 10: of one learner, or means of a class.

    Returns
    -------
    float
        (after − before) / (10 − before); NaN if nothing was open.
    """
    still_open = len(QUESTIONS) - before
    return (after - before) / still_open if still_open > 0 else float("nan")


# ------------------------------------------------------------------------------------------------- answers
def _read(answers: Any) -> tuple[str, str]:
    """Ten letters, or what is to be said instead."""
    try:
        given = [_letter(answer) for answer in _in_order(answers)]
    except (TypeError, ValueError, AttributeError):
        return "", 'write your answers as `{1: "a", 2: "c", ...}`.'
    odd = [str(number) for number, letter in enumerate(given, 1) if letter is None]
    if odd:
        return (
            "",
            f"question {', '.join(odd)}: answer with one of 'a', 'b', 'c', 'd', or '?' if you do not know.",
        )
    answered = sum(letter != _NONE for letter in given)
    if answered < len(QUESTIONS):
        rest = "replace the dots by letters" if not answered else "put a '?' where you do not know"
        return "", f"{answered} of {len(QUESTIONS)} questions answered: {rest}, and run this cell again."
    return "".join(letter or "" for letter in given), ""


def _in_order(answers: Any) -> list[Any]:
    if answers is None or answers is ...:
        return [None] * len(QUESTIONS)
    if isinstance(answers, Mapping):
        by_number = {int(number): answer for number, answer in answers.items()}
        return [by_number.get(question.number) for question in QUESTIONS]
    listed = [answer for answer in answers if answer not in (" ", ",")]
    if len(listed) != len(QUESTIONS):
        raise ValueError
    return listed


def _letter(answer: Any) -> str | None:
    """A letter, "?" or "." for none yet; None for anything else."""
    if answer is None or answer is ...:
        return _NONE
    letter = answer.strip().lower().rstrip(".)") if isinstance(answer, str) else ""
    return letter if letter in (*LETTERS, UNKNOWN) else None


def _score(letters: str) -> int:
    return sum(letter == question.key for letter, question in zip(letters, QUESTIONS, strict=True))


def _is_score(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= len(QUESTIONS)


# --------------------------------------------------------------------------------------------------- words
def _outlook(letters: str, kept: str) -> str:
    wrong = {
        question.notebook
        for letter, question in zip(letters, QUESTIONS, strict=True)
        if letter != question.key
    }
    notebooks = ", ".join(sorted(wrong))
    help_ = (
        f"notebooks that will help most: {notebooks}."
        if wrong
        else "you may enjoy the proofs more than the warm-ups."
    )
    again = (
        f" Your first answers, {_score(kept)} of {len(QUESTIONS)}, are the ones that are kept."
        if kept and kept != letters
        else ""
    )
    return f"{help_} Which answers were right is told after the course, when you are asked again.{again}"


def _change(after: int, before: int | None) -> str:
    if before is None:
        return (
            "your score before the course is not kept here; if you know it, add `before=4` (or what it was)."
        )
    known = f"before the course it was {before}."
    if after < before:
        return f"{known} Fewer than before is no disgrace: some answers had been lucky. Read on below."
    if before == len(QUESTIONS):
        return f"{known} You knew all of it, and still do."
    if after == before:
        return f"{known} The remarks below say where to go from here."
    return (
        f"{known} Of {len(QUESTIONS) - before} open, you have won {after - before}: "
        f"a gain of {gain(before, after):.2f}."
    )


def _remarks(letters: str) -> tuple[str, ...]:
    return tuple(_remark(question, letter) for question, letter in zip(QUESTIONS, letters, strict=True))


def _remark(question: Question, letter: str) -> str:
    right = question.choice(question.key)
    if letter == question.key:
        return f"✓ {question.number} {letter}: {right.message}"
    if letter == UNKNOWN:
        return f"○ {question.number} open: it is {question.key}, {right.message} See notebook {question.notebook}."
    choice = question.choice(letter)
    return f"✗ {question.number} {letter}, *{choice.misconception}*: {choice.message} See notebook {question.notebook}."


def _emphasised(text: str) -> str:
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", marked(text))


inventory = Inventory()
