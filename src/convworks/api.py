"""The verbs of convworks in Python."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.config import override
from convworks.console import downloading
from convworks.data.source import Source, open_source
from convworks.errors import InputError
from convworks.recipes import recipe as find_recipe

if TYPE_CHECKING:
    from convworks.training.config import RunConfig


def train(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train a network and return {"run", "bundle", "report", "validation": {"top1", ...}, "test": {...}, "seconds"}.

    Without anything it trains on the embedded digits; `data` is a name or a path; `overrides` are `field=value`
    assignments; `resume` goes on with a run folder. Raises InputError for wrong input, RunError for a failed run.
    """
    from convworks.training import folder

    began = time.perf_counter()
    changes = _changes(model, epochs, device, seed, deterministic, overrides)
    if resume is not None:
        if recipe or data or out or changes:
            raise InputError("--resume", "goes on with the run as it was configured", "leave the other options out")
        return _resume(Path(resume))
    config, source = configure(recipe, data, changes)
    place = Path(out) if out is not None else None
    folder.check_outside(folder.claim(place, config.recipe), source)
    from convworks.training.run import train as run

    command = command or _command(config, recipe, data, changes)
    return run(config, command=command, out=place, source=source, began=began)


def configure(recipe: str | None, data: str | Path | None, changes: Iterable[str]) -> tuple[RunConfig, Source]:
    """Return the complete configuration and the opened source, from a recipe or from what the data look like."""
    if recipe is None and data is None:
        recipe = "digits/default"
    if recipe is not None:
        config = find_recipe(recipe)
        if data is not None:
            config = override(config, [f"data.source={str(data)!r}"])
        config = _changed(config, changes, data)
        return config, open_source(config.data.source, report=downloading())
    from convworks.recipes.folder import default

    assert data is not None
    source = open_source(data, report=downloading())
    return _changed(default(source, str(data)), changes, data), source


def _changed(config: RunConfig, changes: Iterable[str], data: str | Path | None) -> RunConfig:
    """Apply the assignments; one that names another source than `data` would be passed over, so it is refused."""
    changed = override(config, changes)
    if data is not None and changed.data.source != config.data.source:
        raise InputError("--set data.source", f"is not what --data says, {str(data)!r}", "leave one of them out")
    return changed


def _changes(
    model: str | None,
    epochs: int | None,
    device: str | None,
    seed: int | None,
    deterministic: bool,
    overrides: Iterable[str],
) -> list[str]:
    """Write the options as assignments, in the order in which they count."""
    given = {"model.name": model, "training.epochs": epochs, "device": device, "seed": seed}
    changes = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    return [*changes, *(["deterministic=True"] if deterministic else []), *overrides]


def _command(config: RunConfig, recipe: str | None, data: str | Path | None, changes: Iterable[str]) -> str:
    words = ["convworks", "train", *([recipe] if recipe else []), *(["--data", str(data)] if data else [])]
    return shlex.join([*words, *(word for change in changes for word in ("--set", change))])


def _resume(path: Path) -> dict[str, Any]:
    from convworks.training import folder

    config, record = folder.read_record(path)
    if record.get("status") == "finished":
        raise InputError(f"--resume {path}", "the run is finished", f"use its bundle: {path / 'bundle'}")
    from convworks.training.run import train as run

    return run(config, command=str(record.get("command", "")), resume=path)
