"""Going on with a run: what may change, and what is said where something else did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.config import override, to_json
from convworks.errors import InputError
from convworks.training import folder
from convworks.training.config import RunConfig

#: What may change when a run goes on: how long it trains, how often it saves, when it decodes, where the data are (that
#: they are the same, their fingerprint says). All else would make it another run.
CHANGEABLE = (
    *("data.source", "training.epochs", "training.patience", "tracking", "data.decode", "data.workers"),
    *("training.checkpoint_seconds", "training.keep_last", "training.keep_best"),
)


def continued(path: Path, epochs: int | str | None, changes: Iterable[str]) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration that a run goes on with, and its record.

    `epochs` is their number in all, or "+50": so many more. Raises InputError for changes that would make it another
    run, naming each, for a finished run that is not given more epochs, and where there is no run.
    """
    config, record = folder.read_record(path)
    finished = record.get("status") == "finished"
    done = int(record.get("results", {}).get("epochs", config.training.epochs)) if finished else config.training.epochs
    wanted = list(changes)
    if epochs is not None:
        wanted.append(f"training.epochs={more(epochs, done)}")
    changed = override(config, wanted)
    differing = [line for name, line in differences(to_json(config), to_json(changed)) if name not in CHANGEABLE]
    if differing:
        raise InputError(
            f"--resume {path}",
            f"would become another run: {'; '.join(differing)}",
            "leave that out, or start a new run",
        )
    if changed.training.epochs < done:
        raise InputError("--epochs", f"the run has {done}, it can only be given more", "write +10")
    patience = config.training.patience
    if finished and patience is not None and done < config.training.epochs:
        if changed.training.patience is not None and changed.training.patience <= patience:
            reason = f"training.patience={patience} ended the run after {done} epochs, and would at once again"
            raise InputError(f"--resume {path}", reason, f"give it more: --set training.patience={patience + 10}")
    elif finished and changed.training.epochs <= done:
        raise InputError(
            f"--resume {path}",
            "the run is finished",
            f"use its bundle: {path / 'bundle'}, or give it more epochs: --epochs +10",
        )
    return changed, record


def more(epochs: int | str, before: int) -> int:
    """Return the number of epochs that "+50", "50" or 50 mean for a run of `before` epochs."""
    text = str(epochs)
    return (before if text.startswith("+") else 0) + whole_epochs(text.removeprefix("+"))


def whole_epochs(text: str) -> int:
    """Return the number of epochs that a text says; InputError for another text."""
    if not text.isdecimal() or int(text) < 1:
        raise InputError("--epochs", f"must be a whole number of at least 1, not {text!r}", "write --epochs 10")
    return int(text)


def data_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say in which values two fingerprints of data differ; the bytes of files count where both know those of the same.

    Runs of earlier versions do not know them, and a set that is decoded when it is wanted knows those of some files.
    """
    before, after = dict(before), dict(after)
    for name in before.keys() & after.keys():
        pair = [dict(each[name]) if isinstance(each[name], Mapping) else {} for each in (before, after)]
        first, second = (each.get("bytes") for each in pair)
        if pair[0] and pair[1] and (first is None or second is None or _which(first) != _which(second)):
            before[name], after[name] = ({key: each[key] for key in each if key != "bytes"} for each in pair)
    return [line for _, line in differences(before, after)]


def check_same(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse data with another fingerprint than those that a run began with."""
    refuse_differences(where, data_differences(before, after))


def refuse_differences(where: str, lines: Sequence[str]) -> None:
    """Raise the InputError that names the first differences from what a run began with, if there are any."""
    if lines:
        shown = "; ".join(lines[:3]) + (f"; {len(lines) - 3} more" if len(lines) > 3 else "")
        raise InputError(where, f"is not what the run began with: {shown}", "restore it, or start a new run")


def _which(content: str) -> str:
    """Return which files a digest is of: all, or `1000 of 20000`."""
    return content.rpartition(":")[0]


def differences(before: Any, after: Any, name: str = "") -> list[tuple[str, str]]:
    """Name the values in which two trees of plain values differ, each with one line that says how."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found = []
        for key in (*before, *(key for key in after if key not in before)):
            found += differences(before.get(key), after.get(key), f"{name}.{key}" if name else str(key))
        return found
    return [] if before == after else [(name, f"{name} is {_shown(after)}, in the run {_shown(before)}")]


def _shown(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
