"""The errors of an evaluation as files: errors.html and label_errors.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from markupsafe import Markup

from convworks.data.source import Source
from convworks.errors import InputError, counted
from convworks.inference.predictor import Predictor
from convworks.inference.seen import learnt
from convworks.inference.surroundings import Surroundings, surroundings
from convworks.metrics.label_errors import LabelErrors
from convworks.pages import errors
from convworks.pages.blocks import Link, write_page
from convworks.pages.errors import Card, Group
from convworks.report.errors_cards import make_cards
from convworks.report.label_errors import write_label_errors
from convworks.tasks.outcome import Judged

#: Maximum number of errors shown, and of possible label errors among them.
SHOWN, SUSPECTS = 60, 36
#: Number of candidate label errors whose neighbours are searched.
LOOKED_UP = 1_000
SUSPECTED = (
    "The network is confident of another class: at least as confident as on the average image with that label "
    "(confident learning, Northcutt et al. 2021). Largest margin over the label first. "
    "Neighbours are computed by the same network: they show what it confused the image with."
)
DOUBTED = (
    "The network is not good enough to call labels wrong: it is confident of {confident:,} images, and agrees with the "
    "labels of {agreement:.0%} of them. From {required:.0%} on, the others are listed here."
)
LEARNT = " The network was trained on these images and has learnt their label errors too, so few are found."


@dataclass(frozen=True, kw_only=True)
class ErrorFiles:
    """Paths of the written files, and the number of candidate label errors.

    `label_errors` and `candidates` are None for multi-label predictions. `doubt` says why a network may not name any.
    """

    page: Path
    label_errors: Path | None
    candidates: int | None
    doubt: str = ""

    def within(self, folder: Path) -> ErrorFiles:
        """Return the same files with their paths in another folder."""
        listed = folder / self.label_errors.name if self.label_errors else None
        return replace(self, page=folder / self.page.name, label_errors=listed)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the files."""
        return (self.page.name, *((self.label_errors.name,) if self.label_errors else ()))

    def as_json(self) -> dict[str, str | int]:
        """Return the fields that are not None, paths as text."""
        values = {"page": str(self.page)}
        if self.label_errors is None or self.candidates is None:
            return {**values}
        doubt = {"doubt": self.doubt} if self.doubt else {}
        return {**values, "label_errors": str(self.label_errors), "candidates": self.candidates, **doubt}

    def summary(self) -> str:
        """Return a one-line summary."""
        if self.candidates is None:
            return str(self.page)
        if self.doubt:
            return f"{self.page} (no image is called mislabelled: {self.doubt})"
        return f"{self.page} ({self.candidates:,} perhaps mislabelled: {self.label_errors})"


def write_errors(
    folder: Path, predictors: Sequence[Predictor], source: Source, predictions: Judged, *, title: str
) -> ErrorFiles:
    """Write errors.html and, for one class per image, label_errors.csv; return the paths.

    `predictions` are those of the predictors (as an ensemble) for their split of the source. If neighbours are
    unavailable, the page says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    label_errors = predictions.sure_of_another
    suspected = label_errors.samples if label_errors else np.empty(0, np.int64)
    listed, suspects, suspected_samples = suspected[:LOOKED_UP], suspected[:SUSPECTS].tolist(), set(suspected.tolist())
    others = [i for i in predictions.worst(len(predictions.names)) if i not in suspected_samples]
    shown = np.array([*suspects, *others[: SHOWN - len(suspects)]], dtype=np.int64)
    around, reason = _surroundings(predictors, source, predictions.split, np.concatenate([listed, shown]))
    path = None
    if label_errors is not None:
        path = folder / "label_errors.csv"
        answers = [predictions.predicted_name(sample) for sample in listed.tolist()]
        write_label_errors(path, label_errors, predictions, around.agreeing(answers).tolist() if around else ())
    files = ErrorFiles(
        page=folder / "errors.html",
        label_errors=path,
        candidates=len(suspected) if label_errors else None,
        doubt=_doubt(label_errors),
    )
    split = source.splits[predictions.split]
    cards = make_cards(predictions, split, shown, around, len(listed), predictors[0].input)
    trained_on = learnt([predictor.bundle.record for predictor in predictors], source, predictions.split)
    groups = _groups(predictions, label_errors, cards, len(suspects), len(others), learnt=trained_on)
    first = _headline(predictions, label_errors, len(shown), around, reason, len(predictors))
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
    """Return the neighbours of samples, or None and the reason: missing neighbours must not fail an evaluation."""
    if not len(samples):
        return None, ""
    try:
        return surroundings(predictors, source, split, samples), ""
    except InputError as error:
        return None, f"No neighbours are shown: {error.where} {error.reason}."


def _doubt(label_errors: LabelErrors | None) -> str:
    """Return in a few words why a network is not good enough to call labels wrong; empty if it is."""
    if label_errors is None or label_errors.trusted:
        return ""
    least = f"{label_errors.required:.0%} are needed"
    return f"of its confident predictions {label_errors.agreement:.0%} agree with the labels, {least}"


def _groups(
    predictions: Judged,
    label_errors: LabelErrors | None,
    cards: Sequence[Card],
    suspects: int,
    others: int,
    *,
    learnt: bool,
) -> list[Group]:
    """Return the sections: possible label errors, then the rest."""
    rest = Group(
        anchor="mistakes",
        title="Mistakes" if label_errors is None else "Other mistakes",
        note=_which(len(cards) - suspects, others) + (" The highest loss first." if others > 1 else "")
        if others
        else "",
        cards=cards[suspects:],
        nothing="None." if label_errors is not None and len(label_errors.samples) else "Every sample is right.",
    )
    if label_errors is None:
        return [rest]
    words = SUSPECTED + (LEARNT if learnt else "")
    first = Group(
        anchor="labels",
        title="Perhaps mislabelled",
        note=f"{_which(suspects, len(label_errors.samples))} {words}" if suspects else "",
        cards=cards[:suspects],
        nothing="On no image is the network confident of a class other than the label."
        if label_errors.trusted
        else DOUBTED.format(**asdict(label_errors)),
    )
    return [first, rest]


def _which(shown: int, of: int) -> str:
    return ("One." if of == 1 else f"All {of:,}.") if shown == of else f"{shown} of {of:,}."


def _headline(
    predictions: Judged,
    label_errors: LabelErrors | None,
    shown: int,
    around: Surroundings | None,
    reason: str,
    networks: int,
) -> Markup:
    """State the number of errors and the source of the neighbours."""
    n, wrong = len(predictions.names), int((~predictions.correct).sum())
    facts = [("Mistakes", f"{wrong:,} of {n:,}"), ("Shown here", f"{shown:,}")]
    sentences = [reason] if reason else []
    if label_errors is not None and label_errors.trusted:
        facts.insert(1, ("Perhaps mislabelled", f"{len(label_errors.samples):,}"))
    elif label_errors is None:
        sentences.append("Possible label errors are only reported for single-label images.")
    if around is None:
        return errors.headline(facts, sentences)
    references, split = len(around.part), around.split
    rest = " but itself" if split == predictions.split else ""
    which = f"all {counted(references, f'{split} image')}"
    if references < around.whole:
        which = f"{references:,} of {counted(around.whole, f'{split} image')}, drawn at random"
    facts.append(("Neighbours from", counted(references, f"{split} image")))
    how = "by cosine similarity of the features before the last layer"
    many = f", the mean over {networks} networks" if networks > 1 else ""
    count = around.neighbours.indices.shape[1]
    sentences.append(f"Beside each error its {count} nearest of {which}{rest}: {how}{many}, the nearest first.")
    return errors.headline(facts, sentences, key=True)
