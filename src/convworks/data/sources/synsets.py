"""The lists of the ImageNet challenge: the words of each synset, and the synset of each validation image."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from convworks.errors import InputError
from convworks.files import check_regular, read_text

SYNSET = re.compile(r"n\d{8}")
VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})", re.IGNORECASE)
AGAIN = "fetch it again"


def read_words(path: Path) -> dict[str, str]:
    """Read the words of each synset from lines like `n01440764 tench, Tinca tinca`."""
    words_of: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        synset, _, words = line.strip().partition(" ")
        if not SYNSET.fullmatch(synset) or not words.strip():
            raise InputError(f"{path} line {number}", "is not of the form `n01440764 tench, Tinca tinca`", AGAIN)
        if synset in words_of:
            raise InputError(f"{path} line {number}", f"names {synset} a second time", "keep one of the two lines")
        words_of[synset] = words.strip()
    return words_of


def read_meta(path: Path) -> dict[int, tuple[str, str]]:
    """Read meta.mat of the devkit: ILSVRC2012_ID -> (synset, words), leaf synsets only."""
    from scipy.io import loadmat  # takes half a second to import

    check_regular(path)
    try:
        table = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"])
        rows = [(int(row["ILSVRC2012_ID"]), str(row["WNID"]), str(row["words"])) for row in table
                if not int(row["num_children"])]  # fmt: skip
    except Exception as error:  # a damaged file raises almost anything
        reason = f"is not a meta.mat of ILSVRC2012 ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        raise InputError(path, reason, AGAIN) from None
    classes = {number: (synset, words) for number, synset, words in rows}
    synsets = [synset for synset, _ in classes.values()]
    if not classes or len(set(synsets)) < len(rows) or not all(map(SYNSET.fullmatch, synsets)):
        raise InputError(path, f"has {len(rows)} classes, whose numbers and synsets are not one to one", AGAIN)
    return classes


def read_ground_truth(path: Path, meta: Mapping[int, tuple[str, str]]) -> dict[int, str]:
    """Read ILSVRC2012_validation_ground_truth.txt: image number (from 1) -> synset; line n belongs to image n."""
    synsets = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip().isdecimal() or int(line) not in meta:
            raise InputError(f"{path} line {number}", f"is {line.strip()!r}, no class of meta.mat", AGAIN)
        synsets[number] = meta[int(line)][0]
    return synsets


def read_solution(path: Path) -> dict[int, str]:
    """Read LOC_val_solution.csv: image number -> synset, the first word of PredictionString (boxes follow)."""
    synsets: dict[int, str] = {}
    rows = csv.DictReader(_lines(path))
    try:
        for row in rows:
            image, synset = row.get("ImageId") or "", (row.get("PredictionString") or "").partition(" ")[0]
            match = VALIDATION_IMAGE.fullmatch(image)
            if not match or not SYNSET.fullmatch(synset):
                reason = "is not of the form ILSVRC2012_val_00000001,n01751748 ..."
                raise InputError(f"{path} line {rows.line_num}", reason, AGAIN)
            if int(match[1]) in synsets:
                raise InputError(f"{path} line {rows.line_num}", f"names {image} a second time", "keep one of them")
            synsets[int(match[1])] = synset
    except csv.Error as error:
        raise InputError(path, f"is not a CSV file ({error})", AGAIN) from None
    return synsets


def class_names(synsets: Iterable[str], words: Mapping[str, str]) -> tuple[str, ...]:
    """Return a name for each synset: its first word, followed by the synset if the list has that word twice.

    ImageNet has two kinds of crane and two of maillot: their names do not depend on which of them a folder holds.
    """
    first = {synset: text.partition(",")[0].strip() for synset, text in words.items()}
    counts = Counter(first.values())
    return tuple(first[synset] if counts[first[synset]] == 1 else f"{first[synset]} ({synset})" for synset in synsets)


def _lines(path: Path) -> list[str]:
    lines = read_text(path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(path, "is empty", AGAIN)
    return lines
