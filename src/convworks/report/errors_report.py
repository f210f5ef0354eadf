"""The errors of an evaluation as files: errors.html and label_errors.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from markupsafe import Markup

from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN
from convworks.errors import InputError
from convworks.inference.predictor import Predictor
from convworks.inference.seen import seen
from convworks.inference.surroundings import Surroundings, surroundings
from convworks.metrics.label_errors import LabelErrors
from convworks.pages import errors
from convworks.pages.blocks import Link, write_page
from convworks.pages.errors import Card, Group
from convworks.report.errors_cards import make_cards
from convworks.report.label_errors import write_label_errors
from convworks.tasks.outcome import Judged

#: At most so many errors are shown, of them at most so many that are perhaps mislabelled.
SHOWN, SUSPECTS = 60, 36
#: The neighbours of so many candidates for label errors are looked up.
LOOKED_UP = 1_000
SUSPECTED = (
    "The network is sure of another class: at least as sure as it is, on average, of the images that are labelled so "
    "(confident learning, Northcutt et al. 2021). Those where that class is furthest above the label come first. "
    "The neighbours are near in the eyes of the same network: they show what it took the image for."
)
LEARNT = " The network was trained on these images and has learnt errors of their labels too: few are found here."


@dataclass(frozen=True, kw_only=True)
class ErrorFiles:
    """What was written, and how many candidates for label errors there are.

    Both are None where an image may show any number of classes.
    """

    page: Path
    label_errors: Path | None
    candidates: int | None

    def within(self, folder: Path) -> ErrorFiles:
        """Return the same files in another folder, which they were moved into."""
        listed = folder / self.label_errors.name if self.label_errors else None
        return replace(self, page=folder / self.page.name, label_errors=listed)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        return (self.page.name, *((self.label_errors.name,) if self.label_errors else ()))

    def as_json(self) -> dict[str, str | int]:
        """Return what there is under its names."""
        found = {"page": str(self.page)}
        if self.label_errors is None or self.candidates is None:
            return {**found}
        return {**found, "label_errors": str(self.label_errors), "candidates": self.candidates}

    def told(self) -> str:
        """Say it in a line."""
        if self.candidates is None:
            return str(self.page)
        return f"{self.page} ({self.candidates:,} perhaps mislabelled: {self.label_errors})"


def write_errors(
    folder: Path, predictors: Sequence[Predictor], source: Source, predictions: Judged, *, title: str
) -> ErrorFiles:
    """Write errors.html and, where an image shows one class, label_errors.csv; return what was written.

    `predictions` are what the predictors together said of their split of the source. Where neighbours cannot be had,
    the page says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = predictions.sure_of_another
    suspected = found.samples if found else np.empty(0, np.int64)
    listed, suspects, known = suspected[:LOOKED_UP], suspected[:SUSPECTS].tolist(), set(suspected.tolist())
    others = [i for i in predictions.worst(len(predictions.names)) if i not in known]
    shown = np.array([*suspects, *others[: SHOWN - len(suspects)]], dtype=np.int64)
    around, why = _surroundings(predictors, source, predictions.split, np.concatenate([listed, shown]))
    path = None
    if found is not None:
        path = folder / "label_errors.csv"
        answers = [predictions.predicted_name(sample) for sample in listed.tolist()]
        write_label_errors(path, found, predictions, around.agreeing(answers).tolist() if around else ())
    files = ErrorFiles(page=folder / "errors.html", label_errors=path, candidates=len(suspected) if found else None)
    split, preprocessing = source.splits[predictions.split], predictors[0].bundle.preprocessing
    cards = make_cards(predictions, split, shown, around, len(listed), preprocessing)
    learnt = seen([predictor.bundle.record for predictor in predictors], source, predictions.split) == TRAIN
    groups = _groups(predictions, found, cards, len(suspects), len(others), learnt=learnt)
    first = _headline(predictions, found, len(shown), around, why, len(predictors))
    write_page(
        files.page,
        title=title,
        headline=first + errors.class_filter(groups, predictions.classes),
        sections=errors.sections(groups),
        styles=("report.css", "errors.css"),
        before=[Link(href="report.html", text="← Report")],
        beside=("report.html", *files.names[1:]),
    )
    return files


def _surroundings(
    predictors: Sequence[Predictor], source: Source, split: str, samples: np.ndarray
) -> tuple[Surroundings | None, str]:
    """Return the neighbours of samples, or why there are none: an evaluation does not fail for a picture beside it."""
    if not len(samples):
        return None, ""
    try:
        return surroundings(predictors, source, split, samples), ""
    except InputError as error:
        return None, f"No neighbours are shown: {error.where} {error.reason}."


def _groups(
    predictions: Judged,
    found: LabelErrors | None,
    cards: Sequence[Card],
    suspects: int,
    others: int,
    *,
    learnt: bool,
) -> list[Group]:
    """Return the sections: what is perhaps mislabelled, then the rest."""
    rest = Group(
        anchor="mistakes",
        title="Mistakes" if found is None else "Other mistakes",
        note=_which(len(cards) - suspects, others) + (" The highest loss first." if others > 1 else "")
        if others
        else "",
        cards=cards[suspects:],
        nothing="None." if found is not None and len(found.samples) else "Every sample is right.",
    )
    if found is None:
        return [rest]
    words = SUSPECTED + (LEARNT if learnt else "")
    first = Group(
        anchor="labels",
        title="Perhaps mislabelled",
        note=f"{_which(suspects, len(found.samples))} {words}" if suspects else "",
        cards=cards[:suspects],
        nothing="No image on which the network is sure of another class than its label.",
    )
    return [first, rest]


def _which(shown: int, of: int) -> str:
    return ("One." if of == 1 else f"All {of:,}.") if shown == of else f"{shown} of {of:,}."


def _headline(
    predictions: Judged, found: LabelErrors | None, shown: int, around: Surroundings | None, why: str, networks: int
) -> Markup:
    """Say how many errors there are and where the neighbours come from."""
    n, wrong = len(predictions.names), int((~predictions.correct).sum())
    facts = [("Mistakes", f"{wrong:,} of {n:,}"), ("Shown here", f"{shown:,}")]
    said = [why] if why else []
    if found is not None:
        facts.insert(1, ("Perhaps mislabelled", f"{len(found.samples):,}"))
    else:
        said.append("Which images are perhaps mislabelled is only asked where each shows one class.")
    if around is None:
        return errors.headline(facts, said)
    references, split = len(around.part), around.split
    rest = " but itself" if split == predictions.split else ""
    which = f"all {references:,} {split} images"
    if references < around.whole:
        which = f"{references:,} of {around.whole:,} {split} images, drawn at random"
    facts.append(("Neighbours from", f"{references:,} {split} images"))
    how = "by cosine similarity before the layer that makes the logits"
    many = f", the mean over {networks} networks" if networks > 1 else ""
    count = around.neighbours.indices.shape[1]
    said.append(f"Beside each error its {count} nearest of {which}{rest}: {how}{many}, the nearest first.")
    return errors.headline(facts, said, key=True)
