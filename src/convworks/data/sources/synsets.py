"""The lists of ImageNet's challenge: which synset is called what, and which validation image shows which synset."""

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
    found: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        synset, _, words = line.strip().partition(" ")
        if not SYNSET.fullmatch(synset) or not words.strip():
            raise InputError(f"{path} line {number}", "is not of the form `n01440764 tench, Tinca tinca`", AGAIN)
        if synset in found:
            raise InputError(f"{path} line {number}", f"names {synset} a second time", "keep one of the two lines")
        found[synset] = words.strip()
    return found


def read_meta(path: Path) -> dict[int, tuple[str, str]]:
    """Read meta.mat of the devkit: ILSVRC2012_ID -> (synset, words), of the synsets without others below them."""
    from scipy.io import loadmat  # half a second, which other sources need not wait

    check_regular(path)
    try:
        table = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"])
        rows = [(int(row["ILSVRC2012_ID"]), str(row["WNID"]), str(row["words"])) for row in table
                if not int(row["num_children"])]  # fmt: skip
    except Exception as error:  # a damaged file raises nearly anything
        reason = f"is no meta.mat of ILSVRC2012 ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        raise InputError(path, reason, AGAIN) from None
    found = {number: (synset, words) for number, synset, words in rows}
    synsets = [synset for synset, _ in found.values()]
    if not found or len(set(synsets)) < len(rows) or not all(map(SYNSET.fullmatch, synsets)):
        raise InputError(path, f"has {len(rows)} classes, whose numbers and synsets are not one to one", AGAIN)
    return found


def read_ground_truth(path: Path, meta: Mapping[int, tuple[str, str]]) -> dict[int, str]:
    """Read ILSVRC2012_validation_ground_truth.txt: image number (from 1) -> synset; line n is of image n."""
    found = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip().isdecimal() or int(line) not in meta:
            raise InputError(f"{path} line {number}", f"is {line.strip()!r}, no class of meta.mat", AGAIN)
        found[number] = meta[int(line)][0]
    return found


def read_solution(path: Path) -> dict[int, str]:
    """Read LOC_val_solution.csv: image number -> synset, the first word of PredictionString (boxes follow)."""
    found: dict[int, str] = {}
    rows = csv.DictReader(_lines(path))
    try:
        for row in rows:
            image, synset = row.get("ImageId") or "", (row.get("PredictionString") or "").partition(" ")[0]
            match = VALIDATION_IMAGE.fullmatch(image)
            if not match or not SYNSET.fullmatch(synset):
                reason = "is not of the form ILSVRC2012_val_00000001,n01751748 ..."
                raise InputError(f"{path} line {rows.line_num}", reason, AGAIN)
            if int(match[1]) in found:
                raise InputError(f"{path} line {rows.line_num}", f"names {image} a second time", "keep one of them")
            found[int(match[1])] = synset
    except csv.Error as error:
        raise InputError(path, f"is not a CSV file ({error})", AGAIN) from None
    return found


def class_names(synsets: Iterable[str], words: Mapping[str, str]) -> tuple[str, ...]:
    """Return a name for each synset: its first word, with the synset where the list has that word twice.

    ImageNet has two kinds of crane and two of maillot: they are called so whichever of them a folder holds.
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
