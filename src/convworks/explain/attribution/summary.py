"""What remains of explained images when their maps are in files: names, scores, and the verdicts on each method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from convworks.errors import counted
from convworks.explain.attribution.explained import Answered, Explained
from convworks.explain.attribution.verdict import MEASURES, Verdict, Weights, finite

#: A probability that hardly anything can lower.
RARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A method on all images: the verdict on each, the test of its weights, and a note on the network."""

    title: str
    signed: bool
    promised: str
    verdicts: tuple[Verdict, ...]
    weights: Weights
    note: str

    @property
    def chance(self) -> str:
        """How it compares with random orders where it does not beat them by each way on half of the images or more."""
        inserts, deletes = (
            2 * sum(getattr(verdict, way) for verdict in self.verdicts) >= len(self.verdicts)
            for way in ("inserts", "deletes")
        )
        return against_chance(inserts, deletes)

    @property
    def promise(self) -> str:
        """How well it keeps its promise, at worst; a dash where all maps are empty."""
        errors = [each.error for each in self.verdicts if each.error is not None and not each.empty]
        if not self.promised or not errors:
            return "-" if self.promised else "none"
        if not all(error <= 1 for error in errors):
            return "not kept"
        # Rounded up, as it is a bound; the rounding before keeps 0.1 % what it is.
        return f"{self.promised} within {max(1, math.ceil(round(max(errors) * 1e4, 6))) / 1e4:.2%}"


def against_chance(inserts: bool, deletes: bool) -> str:
    """Say by which of the two ways an order beats random ones, if not by each."""
    if inserts == deletes:
        return "" if inserts else "no better than random orders"
    one, other = ("insertion", "deletion") if inserts else ("deletion", "insertion")
    return f"better than random orders by {one}, not by {other}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Images by name, what is explained of each, its score, what the network says of it, and the methods by name.

    `unit` says whether it is a unit of a layer. Other methods are `impossible`, and the weights of some are `untested`,
    for the reasons that are given; `notes` say how files were fitted to the network's input.
    """

    names: tuple[str, ...]
    targets: tuple[str, ...]
    scores: tuple[float, ...]
    answers: tuple[Answered, ...]
    notes: tuple[str, ...]
    unit: bool
    by_method: Mapping[str, Judged]
    impossible: Mapping[str, str]
    untested: Mapping[str, str]

    def joined(self, other: Summary) -> Summary:
        """Return the summary of these images and of others after them, whose weights were not tested again."""
        return replace(
            self,
            names=self.names + other.names,
            targets=self.targets + other.targets,
            scores=self.scores + other.scores,
            answers=self.answers + other.answers,
            notes=self.notes + other.notes,
            by_method={
                name: replace(each, verdicts=each.verdicts + other.by_method[name].verdicts)
                for name, each in self.by_method.items()
            },
        )

    def remarks(self) -> Iterator[str]:
        """Yield what is to be said of methods: what the network makes of them, what is not tested or not possible."""
        yield from (f"{name}: {each.note}" for name, each in self.by_method.items() if each.note)
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.untested.items():
            by_reason.setdefault(reason, []).append(name)
        yield from (f"{', '.join(names)}: weights not tested, {reason}" for reason, names in by_reason.items())
        yield from (f"{name}: {reason}" for name, reason in self.impossible.items())
        rare = sum(answer.probability is not None and answer.probability < RARE for answer in self.answers)
        if rare:
            images = f" of {rare:,} of {counted(len(self.names), 'image')}" if len(self.names) > 1 else ""
            yield f"insertion and deletion say little{images}: the class has a probability below {RARE:.0%}"

    def values(self) -> dict[str, Any]:
        """Return it as plain values."""
        images = [
            {
                "path": name,
                "target": self.targets[index],
                "score": finite(self.scores[index]),
                **(self.answers[index].values() if self.answers else {}),
                "methods": {method: each.verdicts[index].values() for method, each in self.by_method.items()},
            }
            for index, name in enumerate(self.names)
        ]
        return {
            "images": images,
            "weights": {name: _weights(each.weights) for name, each in self.by_method.items()},
            "notes": {name: each.note for name, each in self.by_method.items() if each.note},
            "untested": dict(self.untested),
            "impossible": dict(self.impossible),
        }


def _weights(weights: Weights) -> dict[str, Any]:
    if not weights.images:
        return {"verdict": weights.verdict}
    measures = {name: getattr(weights, name)._asdict() for name in MEASURES}
    return {**measures, "distance": finite(weights.distance), "verdict": weights.verdict}


def summary_of(explained: Explained) -> Summary:
    """Return what remains of explained images without their maps."""
    subject, attributions = explained.subject, explained.attributions
    return Summary(
        names=subject.names,
        targets=explained.targets,
        scores=tuple(explained.scores.tolist()),
        answers=explained.answers,
        notes=subject.notes,
        unit=explained.target.tap is not None,
        by_method={
            name: Judged(
                title=each.method.title,
                signed=each.method.signed,
                promised=each.method.promised,
                verdicts=each.verdicts,
                weights=each.weights,
                note=each.note,
            )
            for name, each in attributions.by_method.items()
        },
        impossible=attributions.impossible,
        untested=attributions.untested,
    )
