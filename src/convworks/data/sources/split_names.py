"""Common names of splits: one table for folders, values in tables and names of shards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from convworks.errors import InputError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
#: The only split of an undivided source.
ALL = "all"
ORDER = (TRAIN, VALIDATION, TEST, ALL)
WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "development", "eval", "evaluation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
WHOLE = re.compile(rf"({_WORD})(?:[ _-]?(?:set|split|data|images))?")
PART = re.compile(rf"(?:^|[-_. ])({_WORD})(?=[-_. \d]|$)")


def split_of(name: str) -> str | None:
    """Return the split named by the whole string, in any case (`Training`, `val`, `test_set`), or None."""
    match = WHOLE.fullmatch(_folded(name))
    return WORDS[match[1]] if match is not None else None


def split_within(name: str) -> str | None:
    """Return the split named by a word of the string: `seg_train`, `val2017`, `test-00000-of-00002.parquet`."""
    match = PART.search(_folded(name))
    return WORDS[match[1]] if match is not None else None


def splits_by_name(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the folder of each split, in canonical order; raises InputError if two folders name the same split."""
    chosen: dict[str, str] = {}
    for name in names:
        split = split_of(name)
        if split is None:
            continue
        if split in chosen:
            reason = f"has both {chosen[split]}/ and {name}/, which are {split} both"
            raise InputError(root, reason, "keep one of them, or rename it after another split: train, val, test")
        chosen[split] = name
    return {split: chosen[split] for split in ORDER if split in chosen}


def refuse_beside(root: Path, splits: Iterable[str], names: Iterable[str]) -> None:
    """Raise an InputError that names the folders of images beside those of splits, if any."""
    beside = ", ".join(f"{name}/" for name in names)
    if beside:
        reason = f"has images in {beside} beside the splits {', '.join(f'{name}/' for name in splits)}"
        raise InputError(
            root, reason, "name them train, val or test, or move them away; a class needs another name than a split"
        )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
