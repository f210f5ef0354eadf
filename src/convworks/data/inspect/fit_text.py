"""Texts of others, such as names of classes and files, made short enough to be drawn."""

from __future__ import annotations

from collections.abc import Callable

#: More characters than fit anywhere: what is longer is cut before it is measured, which takes its time.
LONGEST = 400
LEAST = 4  # characters that are left in any case


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text that is longer than `length` characters."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def fitted(text: str, width: float | int, measure: Callable[[str], float]) -> str:
    """Return a text, or where it is wider than `width`, as much of its beginning and its end as is not."""
    text = shorten(text, LONGEST)
    if measure(text) <= width:
        return text
    low, high = LEAST, len(text)  # `low` characters fit, or are the least; `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(shorten(text, middle)) <= width else (low, middle)
    return shorten(text, low)
