"""Shortening text from outside, such as class and file names, for drawing."""

from __future__ import annotations

from collections.abc import Callable

#: More characters than ever fit: longer texts are cut before they are measured, which is slow.
LONGEST = 400
LEAST = 4  # characters that always remain
BREAKS = " -_/,;"  # a line may end after these


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text that is longer than `length` characters."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def ending(text: str, length: int) -> str:
    """Cut the beginning off a path that is longer than `length` characters: its last folders and its name tell more."""
    return text if len(text) <= length else f"…{text[len(text) - (length - 1) :]}"


def wrapped(text: str, width: float | int, measure: Callable[[str], float], most: int) -> list[str]:
    """Break a text into at most `most` lines of `width`, between words or after the signs of file names.

    A longer word is broken where the line ends; what is left over after the last line becomes an ellipsis.
    """
    text, lines = text[:LONGEST].strip(), list[str]()
    while text:
        last = len(lines) + 1 == most
        if measure(text) <= width:
            return [*lines, text]
        end = next((n for n in range(1, len(text)) if measure(text[: n + 1] + "…" * last) > width), len(text))
        breaks = [n for n in range(end // 2, end + 1) if n and (text[n - 1] in BREAKS or text[n : n + 1] == " ")]
        end = breaks[-1] if breaks else end
        lines.append(text[:end].rstrip() + "…" * last)
        if last:
            return lines
        text = text[end:].strip()
    return lines


def fitted(text: str, width: float | int, measure: Callable[[str], float]) -> str:
    """Return a text or, if it is wider than `width`, as much of its beginning and end as fits."""
    text = shorten(text, LONGEST)
    if measure(text) <= width:
        return text
    low, high = LEAST, len(text)  # `low` characters fit, or are the minimum; `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(shorten(text, middle)) <= width else (low, middle)
    return shorten(text, low)
