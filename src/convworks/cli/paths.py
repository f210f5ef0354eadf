"""Paths on the command line: `~` and variables in any option or argument that is one, for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from convworks.files import expand, path_of

#: Parameters that may hold a path or something else: the name of a source, of weights or of a kernel, or a pattern.
NAMED = ("bundle", "calibrate", "check", "data", "kernel", "paths", "source", "weights")


def expand_paths(app: typer.Typer) -> None:
    """Expand `~` and variables in the paths of all commands, as `files.expand` does."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _expanding(command.callback)


def _expanding(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(**values: Any) -> Any:
        return command(**{name: _expanded(value, name in NAMED) for name, value in values.items()})

    return run


def _expanded(value: Any, named: bool) -> Any:
    if isinstance(value, list | tuple):
        return [_expanded(each, named) for each in value]
    if isinstance(value, Path):
        return path_of(value)
    return expand(value) if named and isinstance(value, str) else value
