"""Resuming a run: what may change, and errors about other changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.config import override, to_json
from convworks.errors import InputError
from convworks.training import folder
from convworks.training.config import RunConfig
from convworks.training.schedules.config import Constant, Exponential, Plateau

#: Fields that may change when a run is resumed: how long it trains, how often it saves, when it decodes, and where the
#: data are stored (their fingerprint is checked). Any other change would make it another run.
CHANGEABLE = (
    *("data.source", "training.epochs", "training.patience", "tracking", "data.decode", "data.workers"),
    *("training.checkpoint_seconds", "training.keep_last", "training.keep_best"),
)


def finishing(path: Path, epochs: int | str | None, changes: Iterable[str]) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration of a run that is ended after its complete epochs, and its record.

    Raises InputError for a run that is finished, and for any change but the place of the data.
    """
    config, record = folder.read_record(path)
    if record["status"] == "finished":
        raise InputError(f"--resume {path}", "the run is finished", f"use its bundle: {path / 'bundle'}")
    changed = override(config, changes)
    if epochs is not None or changed.training.epochs != config.training.epochs:
        raise InputError("--finish", "ends the run, which is trained further by --epochs", "leave one of them out")
    _check_changes(path, config, changed)
    return changed, record


def continued(path: Path, epochs: int | str | None, changes: Iterable[str]) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration of a resumed run, and its record.

    `epochs` is the total number, or "+50" for so many more. Raises InputError for changes that would make it another
    run, naming each, for a finished run without additional epochs, and if there is no run.
    """
    config, record = folder.read_record(path)
    finished = record.get("status") == "finished"
    done = int(record.get("results", {}).get("epochs", config.training.epochs)) if finished else config.training.epochs
    assignments = list(changes)
    if epochs is not None:
        assignments.append(f"training.epochs={more(epochs, done)}")
    changed = override(config, assignments)
    _check_changes(path, config, changed)
    if changed.training.epochs < done:
        state = "has" if finished else "is planned for"
        remedy = "extend it: --epochs +10" if finished else "extend it: --epochs +10, or end it now: --finish"
        raise InputError("--epochs", f"the run {state} {done} epochs, and can only be extended", remedy)
    patience = config.training.patience
    if finished and patience is not None and done < config.training.epochs and not record.get("finished_early"):
        if changed.training.patience is not None and changed.training.patience <= patience:
            reason = f"training.patience={patience} stopped the run after {done} epochs, and would stop it again"
            raise InputError(f"--resume {path}", reason, f"raise it: --set training.patience={patience + 10}")
    elif finished and changed.training.epochs <= done:
        raise InputError(
            f"--resume {path}",
            "the run is finished",
            f"use its bundle: {path / 'bundle'}, or give it more epochs: --epochs +10",
        )
    return changed, record


def shortened(path: Path, config: RunConfig, record: Mapping[str, Any]) -> list[str]:
    """Return a warning for a run that ends earlier than planned, and with it the schedule of its learning rate."""
    training = config.training
    planned = int(record["configuration"]["training"]["epochs"])
    if training.epochs >= planned or isinstance(training.schedule, Constant | Exponential | Plateau):
        return []
    onward = folder.resume_command(path)
    return [
        f"warning: the schedule of the learning rate now ends after {training.epochs} epochs instead of {planned}, "
        f"so the rate falls at once; to keep it: {onward}"
    ]


def _check_changes(path: Path, config: RunConfig, changed: RunConfig) -> None:
    """Raise InputError for changes that would make a run another one."""
    differing = [line for name, line in differences(to_json(config), to_json(changed)) if name not in CHANGEABLE]
    if differing:
        raise InputError(
            f"--resume {path}",
            f"these settings cannot change on resume: {'; '.join(differing)}",
            "leave them out, or start a new run",
        )


def more(epochs: int | str, before: int) -> int:
    """Return the total number of epochs for "+50", "50" or 50, given a run of `before` epochs."""
    text = str(epochs)
    return (before if text.startswith("+") else 0) + whole_epochs(text.removeprefix("+"))


def whole_epochs(text: str) -> int:
    """Parse a number of epochs; InputError unless it is a positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise InputError("--epochs", f"must be a whole number of at least 1, not {text!r}", "write --epochs 10")
    return int(text)


def data_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Describe the values in which two fingerprints differ; bytes of files count if both have them for the same files.

    Runs of earlier versions do not have them, nor the values of masks, and sets that are decoded on demand have them
    for some files only.
    """
    before, after = dict(before), dict(after)
    for name in before.keys() & after.keys():
        pair = [dict(each[name]) if isinstance(each[name], Mapping) else {} for each in (before, after)]
        first, second = (each.get("bytes") for each in pair)
        if pair[0] and pair[1] and (first is None or second is None or _which(first) != _which(second)):
            pair = [{key: each[key] for key in each if key != "bytes"} for each in pair]
        if pair[0] and "values" not in pair[0]:
            pair[1].pop("values", None)
        if pair[0] and pair[1]:
            before[name], after[name] = pair
    return [line for _, line in differences(before, after)]


def check_same(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise InputError for data whose fingerprint differs from that of the data the run began with."""
    refuse_differences(where, data_differences(before, after))


def refuse_differences(where: str, lines: Sequence[str]) -> None:
    """Raise an InputError that names the first differences, if there are any."""
    if lines:
        shown = "; ".join(lines[:3]) + (f"; {len(lines) - 3} more" if len(lines) > 3 else "")
        raise InputError(where, f"differs from when the run started: {shown}", "restore it, or start a new run")


def _which(content: str) -> str:
    """Return which files a digest covers: all, or `1000 of 20000`."""
    return content.rpartition(":")[0]


def differences(before: Any, after: Any, name: str = "") -> list[tuple[str, str]]:
    """Return the names of the values in which two trees of plain values differ, each with a line of description."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        lines = []
        for key in (*before, *(key for key in after if key not in before)):
            lines += differences(before.get(key), after.get(key), f"{name}.{key}" if name else str(key))
        return lines
    return [] if before == after else [(name, f"{name} is {_shown(after)}, in the run {_shown(before)}")]


def _shown(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
