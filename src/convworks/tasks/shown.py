"""What a report shows of an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from convworks.pages.blocks import Section


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report that is being written: its folder, into which pictures go, and its content.

    `metrics` are those of the outcome; `image` gives the pixels of a sample, where they are there; `chosen` names what
    was chosen on validation, `note` is one more sentence.
    """

    folder: Path
    metrics: Mapping[str, Any]
    image: Callable[[int], UInt8[np.ndarray, "h w c"]] | None = None
    chosen: str = ""
    note: str = ""


class Shown(NamedTuple):
    """What comes first on a page, its own sections, and the pictures that were written beside it."""

    headline: Markup
    sections: Sequence[Section]
    pictures: Sequence[str]


class ErrorWords(NamedTuple):
    """An error in words: what the sample shows and what it was taken for, the numbers, the classes it is about."""

    true: str
    predicted: str
    line: str
    classes: list[int]
