"""What a check and a hint return: frozen values that show themselves, the same each time."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["CheckResult", "Hint", "Outcome"]


class Outcome(Enum):
    """What became of an answer."""

    NOT_ATTEMPTED = "not attempted yet"
    CORRECT = "correct"
    WRONG = "not yet"


# Colour and sign both tell the outcome: either is enough. The colours hold 4.5:1 on white and 3:1 on black, as a
# bar needs; a head is mixed with the page's own text, dark or light, and so holds 4.5:1 on both.
_SIGNS = {Outcome.NOT_ATTEMPTED: "○", Outcome.CORRECT: "✓", Outcome.WRONG: "✗"}
_COLOURS = {Outcome.NOT_ATTEMPTED: "#6b6b6b", Outcome.CORRECT: "#0072b2", Outcome.WRONG: "#c04a00"}


@dataclass(frozen=True)
class CheckResult:
    """The verdict on one answer.

    Attributes
    ----------
    exercise : str
        The exercise, as "00.1".
    outcome : Outcome
        Not attempted, correct or wrong.
    message : str
        What to think about next, in a sentence or two; code stands between backticks.
    """

    exercise: str
    outcome: Outcome
    message: str

    @property
    def passed(self) -> bool:
        """Whether the answer is correct."""
        return self.outcome is Outcome.CORRECT

    def __repr__(self) -> str:
        return f"{_SIGNS[self.outcome]} {self.exercise} {self.outcome.value}: {self.message}"

    def _repr_html_(self) -> str:
        head = f"{_SIGNS[self.outcome]} {self.exercise} {self.outcome.value}"
        return box(_COLOURS[self.outcome], head, marked(self.message))


@dataclass(frozen=True)
class Hint:
    """One step of help with an exercise.

    Attributes
    ----------
    exercise : str
        The exercise, as "00.1".
    step, steps : int
        Which hint this is, from 1, and how many there are.
    text : str
        The help.
    """

    exercise: str
    step: int
    steps: int
    text: str

    def __repr__(self) -> str:
        return f"{self._head()}: {self.text}{self._more()}"

    def _repr_html_(self) -> str:
        return box("#6b6b6b", self._head(), marked(self.text + self._more()))

    def _head(self) -> str:
        return f"Hint {self.step} of {self.steps} for {self.exercise}"

    def _more(self) -> str:
        return f' The next one: `hint("{self.exercise}", {self.step + 1})`' if self.step < self.steps else ""


def box(colour: str, head: str, inner: str) -> str:
    """A head, which its words and its colour tell, over what is HTML already; spoken when it appears."""
    # No background and no text colour: the notebook's own, light or dark, stay.
    style = f"border-left: 4px solid {colour}; padding: 0.3em 0.9em; margin: 0.2em 0; line-height: 1.5"
    mixed = f"color-mix(in srgb, {colour} 65%, currentColor)"  # a browser that cannot mix keeps the first one
    strong = f'<strong style="color: {colour}; color: {mixed}">{html.escape(head)}</strong>'
    return f'<div role="status" style="{style}">{strong}<br>{inner}</div>'


def marked(text: str) -> str:
    """A text as HTML: escaped, with a capital first, `code` between backticks and *stress* between asterisks."""
    pieces = re.split(r"`([^`]+)`", html.escape(_sentence_case(text)))  # every second one is code
    pieces[::2] = [
        re.sub(r"(?<![\w*])\*(\w[^*\n]*)\*(?![\w*])", r"<em>\1</em>", words) for words in pieces[::2]
    ]
    pieces[1::2] = [f"<code>{code}</code>" for code in pieces[1::2]]
    return "".join(pieces).replace("\n", "<br>")


def _sentence_case(text: str) -> str:
    """A capital at the beginning; formulas that begin with a Greek letter stay as they are."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text
