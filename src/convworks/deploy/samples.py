"""The samples that an export is checked on: of a source, of the bundle's record, or noise, which is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.data.decode.images import take
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.errors import InputError, counted
from convworks.inference.predictor import choose_split

MOST, NOISE = 256, 32
#: A source that needs neither a file nor a download.
EMBEDDED = "digits"


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Stored samples, what they are in words, and whether they are real."""

    batch: Tensor
    words: str
    real: bool


def samples_for(bundle: Bundle, source: str | Path | Source | None) -> Samples:
    """Return samples of a source, else of the source of the bundle's record where that is at hand, else noise."""
    opened = _of_record(bundle.record) if source is None else opened_source(source)
    if opened is None:
        noise = bundle.input.noise(NOISE, torch.Generator().manual_seed(0))
        return Samples(
            batch=noise, words=f"{NOISE} samples of noise, for want of real ones (--check SOURCE)", real=False
        )
    name, split = choose_split(opened, None)
    batch = spread(bundle, split, MOST)
    return Samples(batch=batch, words=f"{counted(len(batch), 'sample')} of {name} of {opened.name}", real=True)


def spread(bundle: Bundle, split: Split, count: int) -> Tensor:
    """Return at most so many stored samples, from the whole of a split."""
    indices = np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).astype(int))
    return take(bundle.input.open(split.select(indices), always=True).images, slice(0, len(indices))).cpu()


def opened_source(source: str | Path | Source) -> Source:
    """Return a source, opened."""
    return source if isinstance(source, Source) else open_source(source)


def _of_record(record: dict[str, Any]) -> Source | None:
    """Return the source of a record, unless it would have to be searched for or downloaded."""
    name = record.get("source")
    if not isinstance(name, str) or (name != EMBEDDED and not Path(name).is_dir()):
        return None
    try:
        return open_source(name)
    except InputError:
        return None
