"""What a command asks for: one value from the command line, or from a function call, to the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convworks.data.source import Source
    from convworks.training.config import RunConfig

DEFAULT_RECIPE = "digits/default"
#: The fraction of damaged files that `skip_damaged=True` leaves out at most.
DAMAGED_FRACTION = 0.05


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The options that commands which train have in common; None leaves the configuration as it is.

    `epochs` is a text where it comes from the command line, or extends a run ("+50"). `skip_damaged` is the fraction
    of damaged files that may be left out, or True: 0.05. `overrides` are `field=value` assignments; `command` is
    recorded with the run. This module imports nothing heavy: `convworks --help` reads it.
    """

    recipe: str | None = None
    data: str | Path | None = None
    model: str | None = None
    epochs: int | str | None = None
    out: str | Path | None = None
    resume: str | Path | None = None
    workers: int | str = 1
    device: str | None = None
    seed: int | None = None
    deterministic: bool = False
    skip_damaged: bool | float = False
    overrides: tuple[str, ...] = ()
    command: str | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> RunRequest:
        """Return the request in the arguments of a public function: its `locals()`, those named like a field.

        `overrides` may be a single assignment, or a mapping from fields to values.
        """
        from convworks.config import assignment

        options = {field.name: arguments[field.name] for field in fields(cls) if field.name in arguments}
        overrides = arguments["overrides"]
        if isinstance(overrides, Mapping):
            overrides = [assignment(name, value) for name, value in overrides.items()]
        return cls(**options | {"overrides": (overrides,) if isinstance(overrides, str) else tuple(overrides)})

    def changes(self) -> list[str]:
        """Return the options as assignments, in the order in which they are applied."""
        from convworks.config import assignment

        values = {
            "model.name": self.model,
            "training.epochs": self.epochs,
            "device": self.device,
            "seed": self.seed,
            "deterministic": self.deterministic or None,
            "data.skip_damaged": DAMAGED_FRACTION if self.skip_damaged is True else self.skip_damaged,
        }
        if self.skip_damaged is False:
            del values["data.skip_damaged"]
        return [*(assignment(name, value) for name, value in values.items() if value is not None), *self.overrides]

    def resumed_changes(self) -> list[str]:
        """Return what the options change in a run that is resumed, without `epochs`, which may be relative."""
        from convworks.config import assignment
        from convworks.data.sources.open import located

        changes = [assignment("recipe", self.recipe)] if self.recipe is not None else []
        if self.data is not None:
            changes.append(assignment("data.source", located(str(self.data))))
        return [*changes, *replace(self, epochs=None).changes()]

    def check_resumed(self, changeable: str, others: Iterable[object] = ()) -> None:
        """Refuse options that change an experiment which is resumed; `others` are the experiment's own, if set.

        The error message names the options that are `changeable`.
        """
        from convworks.errors import InputError

        if self.recipe or self.out or self.changes() or any(others):
            reason = "continues an experiment as it was configured"
            raise InputError("--resume", reason, f"leave out all options except --data, {changeable}")

    def configure(self) -> tuple[RunConfig, Source]:
        """Return the complete configuration and the opened source.

        They come from a recipe, by default that of a named set, or from the images.
        """
        from convworks.config import assignment, override
        from convworks.console import downloading
        from convworks.data.sources.open import open_source
        from convworks.files import expand
        from convworks.recipes import OF_DATA, RECIPES, of_data, recipe

        data = None if self.data is None else expand(str(self.data))
        named = self.recipe or (f"{data}/default" if f"{data}/default" in RECIPES else None)
        if (named is None or named in OF_DATA) and data is not None:
            source = open_source(data, report=downloading())
            config = of_data(source, data, named)
        else:
            config = recipe(named or DEFAULT_RECIPE)
            if data is not None:
                config = override(config, [assignment("data.source", data)])
            source = open_source(self.apply(config).data.source, report=downloading())
        changed = self.apply(config)
        from convworks.tasks.registry import task_of  # it imports torch, which wrong input does not wait for

        return self.apply(task_of(changed, source).adapted(config)), source

    def apply(self, config: RunConfig) -> RunConfig:
        """Apply the changes to a configuration; an InputError for one that contradicts `data`."""
        from convworks.config import override
        from convworks.errors import InputError
        from convworks.files import expand

        if self.model is not None and self.model != config.model.name:  # a table is that of the recipe's network
            config = config.model_copy(update={"model": config.model.model_copy(update={"table": {}})})
        changed = override(config, self.changes())
        if self.data is not None and changed.data.source != config.data.source:
            reason = f"differs from --data, {expand(str(self.data))!r}"
            raise InputError("--set data.source", reason, "give only one of them")
        return changed

    def train_command(self) -> str:
        """Return the command that trains as requested."""
        words = [*([self.recipe] if self.recipe else []), *(["--data", str(self.data)] if self.data else [])]
        return shlex.join(["convworks", "train", *words, *self.sets()])

    def sets(self) -> list[str]:
        """Return the changes as words of a command."""
        from convworks.tasks.again import options

        return options(self.changes())
