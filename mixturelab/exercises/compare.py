"""Turn a learner's answer into numbers, and say whether two answers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NotNumbersError", "as_numbers", "same", "shape_words", "show"]

Numbers = NDArray[np.float64]


class NotNumbersError(Exception):
    """The answer is not a number or an array of numbers; the message says what it is."""


def as_numbers(answer: Any) -> Numbers:
    """A float64 array of a number, list, array, frame or tensor (with or without gradient, on any device)."""
    plain = answer.detach().cpu() if hasattr(answer, "detach") else answer
    try:
        numbers = np.asarray(plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotNumbersError(f"{_article(answer)} whose parts differ in shape") from error
    if numbers.dtype.kind not in "fiub":
        raise NotNumbersError(_article(answer))
    return numbers.astype(np.float64)


def same(answer: Any, wanted: Any, rtol: float, atol: float) -> bool:
    """Whether two answers have one shape and the same numbers; NaN equals NaN."""
    left, right = as_numbers(answer), as_numbers(wanted)
    return left.shape == right.shape and bool(np.allclose(left, right, rtol=rtol, atol=atol, equal_nan=True))


def shape_words(numbers: Numbers) -> str:
    """A shape as a learner says it: "a single number", "3 numbers", "an array of shape (2, 3)"."""
    if numbers.ndim == 0:
        return "a single number"
    if numbers.ndim == 1:
        return f"{len(numbers)} number{'s' * (len(numbers) != 1)}"
    return f"an array of shape {numbers.shape}"


def show(numbers: Any, digits: int = 4) -> str:
    """A few numbers, rounded, on one line."""
    array = np.asarray(numbers)
    if array.dtype.kind not in "fiub":
        return str(numbers)[:60]
    text = np.array2string(
        array, precision=digits, threshold=8, edgeitems=3, separator=", ", suppress_small=True
    )
    return " ".join(text.split())


def _article(answer: Any) -> str:
    if isinstance(answer, str):
        return f"the text {answer[:40]!r}"
    name = type(answer).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
