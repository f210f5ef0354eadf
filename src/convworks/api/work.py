"""What is predicted by which networks: the options of a prediction, checked, and what they open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.bundle.description import folder_of, is_exported, read_description
from convworks.deploy.runtimes import AUTO, CONVERTED, TORCH, check_runtime
from convworks.errors import InputError
from convworks.hardware import check_precision
from convworks.inference.combination import PROBABILITY, VOTE, check_alike, check_combination, kind_of
from convworks.inference.protocol import CENTER, check_whole, named
from convworks.outputs import Protected
from convworks.tasks.by_name import answering

if TYPE_CHECKING:
    from convworks.deploy.runtimes import Choice
    from convworks.inference.bulk.answered import Answer
    from convworks.inference.bulk.scorer import Scorer
    from convworks.tasks.answering import Answering

#: What computed a network: runtime, precision and kind of device.
Computed = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is predicted, and how: all but the files. Machines of a cluster get it as it is."""

    bundles: tuple[Path, ...]
    top: int | None = None
    threshold: float | None = None
    probabilities: bool = False
    protocol: str = CENTER
    combine: str = PROBABILITY
    max_pixels: int | None = None
    runtime: str | None = None
    device: str = AUTO
    precision: str = AUTO

    def options(self, descriptions: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the options that rows depend on, besides those that say what computes."""
        names = ("threshold", "probabilities", "protocol", "combine", "max_pixels")
        top = answering_of(self, descriptions).top(self.top, descriptions[0]["classes"])
        return {"top": top, **{name: getattr(self, name) for name in names}}

    def protected(self) -> Protected:
        """Return the files of the bundles, which must not be overwritten."""
        return protected(self.bundles)


def protected(bundles: Sequence[Path]) -> Protected:
    """Return the files of bundles, runs and exported files."""
    exported = [path for path in bundles if is_exported(path)]
    return Protected(folders=tuple([folder_of(path) for path in bundles if not is_exported(path)]), files=(exported,))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Work that can begin: what scores files, what a score says, the classes, and what computes each network."""

    scorer: Scorer
    answer: Answer
    classes: tuple[str, ...]
    choices: tuple[Choice, ...]
    computed: tuple[Computed, ...]


def check_work(work: Work) -> list[dict[str, Any]]:
    """Return what the bundles say of themselves; InputError for options that do not fit them, or each other."""
    check_precision(work.precision)
    descriptions = [description_of(path) for path in work.bundles]
    _check_together(work, descriptions)
    task = answering_of(work, descriptions).at(work.threshold)
    if work.threshold is not None and work.combine == VOTE:
        reason = "moves the threshold of one network, but each of these votes at its own"
        raise InputError("--threshold", reason, f"leave it out, or --combine {PROBABILITY}")
    if work.probabilities and not descriptions[0]["classes"]:
        raise InputError("--probabilities", f"is for classes, but this network {task.does}", "leave it out")
    if work.protocol != CENTER and task.per_pixel:
        check_whole(work.protocol)
    elif work.protocol != CENTER and task.files:
        raise InputError("--protocol", f"averages answers, but this network {task.does}", "leave it out")
    check_computed(work.protocol, work.runtime)
    return descriptions


def check_computed(protocol: str, runtime: str | None) -> None:
    """Raise InputError for an unknown runtime, and for one that does not compute the views of a protocol."""
    check_runtime(runtime)
    if named(protocol).dense and runtime in CONVERTED:
        reason = f"{protocol} needs the network in PyTorch, not in {runtime}"
        raise InputError("--protocol", reason, "leave out --runtime")


def _check_together(work: Work, descriptions: Sequence[dict[str, Any]]) -> None:
    """Raise InputError for bundles that are no ensemble, and a way to combine one that is unknown."""
    check_combination(work.combine)
    if len(work.bundles) > 1:
        check_alike(work.bundles, [kind_of(each) for each in descriptions])
    elif work.combine != PROBABILITY:
        raise InputError("--combine", "combines several bundles, but there is one", "leave it out")


def answering_of(work: Work, descriptions: Sequence[dict[str, Any]]) -> Answering:
    """Return how the task of the networks answers."""
    return answering(descriptions[0]["task"]["name"], str(work.bundles[0]))


def check_rows(task: Answering, path: Path) -> None:
    """Raise InputError for a network whose answers are files of their own, not rows of a table."""
    if task.files:
        reason = f"{task.does}: its answers are {task.files}, not rows of a table"
        raise InputError(path, reason, "use `convworks predict BUNDLE PATH... --out DIR`")


def description_of(path: Path) -> dict[str, Any]:
    """Return what a bundle, the run that holds it, or an exported file says of its network."""
    if not is_exported(path):
        return read_description(path)[0]
    from convworks.inference.exported.read import read_exported

    return read_exported(path).description


def open_work(work: Work, count: int, computed: Sequence[Computed] = ()) -> Opened:
    """Load the networks for so many files; `computed` is what computes each, where it was chosen before."""
    if len(work.bundles) == 1 and is_exported(work.bundles[0]) and work.protocol == CENTER:
        return _open_exported(work)
    from convworks.deploy.choice import with_runtime
    from convworks.hardware import precision_name
    from convworks.inference.bulk.scorers import of_ensemble
    from convworks.inference.load import load

    members, choices = [], []
    for number, path in enumerate(work.bundles):
        runtime, precision, _ = computed[number] if computed else (work.runtime, work.precision, "")
        if named(work.protocol).dense:
            runtime = TORCH
        loaded = load(path, device=work.device, precision=precision, max_pixels=work.max_pixels)
        member, choice = with_runtime(loaded, runtime, count)
        members.append(member)
        choices.append(choice)
    first = members[0]
    scorers = [member.scorer(work.protocol) for member in members]
    return Opened(
        scorer=of_ensemble(scorers, first.task.activation, work.combine),
        answer=first.answer(top=len(first.classes) if work.probabilities else work.top, threshold=work.threshold),
        classes=first.classes,
        choices=tuple(choices),
        computed=tuple(
            (member.runtime.name, precision_name(member.runtime.precision), member.runtime.device.type)
            for member in members
        ),
    )


def _open_exported(work: Work) -> Opened:
    """Open an exported file, which does without PyTorch."""
    from convworks.deploy.runtimes import exported_for
    from convworks.inference.exported.predictor import open_exported
    from convworks.inference.exported.read import read_exported

    exported = read_exported(work.bundles[0])
    predictor = open_exported(exported, device=work.device, precision=work.precision, max_pixels=work.max_pixels)
    choice = exported_for(predictor.name, predictor.precision, work.runtime)
    top = len(predictor.classes) if work.probabilities else work.top
    return Opened(
        scorer=predictor.scorer(),
        answer=predictor.answer(top=top, threshold=work.threshold),
        classes=predictor.classes,
        choices=(choice,),
        computed=((predictor.name, predictor.precision, "cpu"),),
    )


def runtimes(choices: Sequence[Choice]) -> dict[str, Any]:
    """Return what computes the network, in plain values; for an ensemble, each of its networks too."""
    each = [{"name": choice.runtime, "why": choice.why, "rates": choice.rates} for choice in choices]
    return {"runtime": each[0], **({"runtimes": each} if len(each) > 1 else {})}
