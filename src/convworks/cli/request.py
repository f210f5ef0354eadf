"""The options of commands that train, declared once: a command names those that it has, and gets a `RunRequest`."""

from __future__ import annotations

import functools
import inspect
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.options import (
    Data,
    Deterministic,
    Epochs,
    Model,
    Overrides,
    Recipe,
    Seed,
    SkipDamaged,
    TrainingDevice,
)

Command = Callable[..., Answer]

#: How each field of a `RunRequest` is declared as an option; a command may declare one in another way.
OPTIONS: Mapping[str, Any] = {
    "recipe": Recipe,
    "data": Data,
    "model": Model,
    "epochs": Epochs,
    "out": Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder, new or empty.  [default: runs/RECIPE-COMMAND or runs/DATA-COMMAND, such as digits-tune]",
        ),
    ],
    "resume": Annotated[Path | None, typer.Option(metavar="DIR", help="Resume the experiment in this folder.")],
    "workers": Annotated[
        str, typer.Option(metavar="N", help="Number of parallel processes; ray uses a running Ray cluster.")
    ],
    "device": TrainingDevice,
    "seed": Seed,
    "deterministic": Deterministic,
    "skip_damaged": SkipDamaged,
    "overrides": Overrides,
}
DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(RunRequest)} | {"overrides": None}


def takes_request(order: str, **declared: Any) -> Callable[[Command], Command]:
    """Give a command the options of a `RunRequest`; its function receives them as `request`.

    `order` names the command's parameters as the help lists them: those that the function has itself, which are passed
    to it as they are, and fields of the request. `declared` are fields that the command declares in its own way.
    """

    def decorate(function: Command) -> Command:
        own = dict(inspect.signature(function, eval_str=True).parameters)
        own.pop("request")
        shared = [name for name in order.split() if name not in own]
        parameters = {name: own[name] if name in own else _option(name, declared) for name in order.split()} | own

        @functools.wraps(function)
        def command(**values: Any) -> Answer:
            options = {name: values.pop(name) for name in shared}
            overrides = tuple(options.pop("overrides", None) or ())
            return function(RunRequest(**options, overrides=overrides, command=command_line()), **values)

        annotations = {name: parameter.annotation for name, parameter in parameters.items()}
        by_name = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters.values()]
        command.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
        command.__annotations__ = annotations | {"return": Answer}
        return command

    return decorate


def command_line() -> str:
    """Return the command that was typed, as a shell reads it."""
    return shlex.join(["convworks", *sys.argv[1:]])


def _option(name: str, declared: Mapping[str, Any]) -> inspect.Parameter:
    """Return the parameter of a field of the request, with the field's default."""
    annotation = declared.get(name, OPTIONS[name])
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=annotation)
