"""The list of verbs in `convworks --help`: in groups, every line whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

#: The groups of verbs, in the order in which the help lists them; each command names its own.
TRAIN, LOOK, USE, COMPARE, CONVERT = GROUPS = ("Train", "Look", "Use", "Compare", "Convert")


class Verbs(TyperGroup):
    """The commands in groups, each with the first line of its docstring, which is wrapped rather than cut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group."""
        commands = dict(_visible(self, ctx))
        width = max(map(len, commands))
        for group in GROUPS:
            rows = [
                (name.ljust(width), (command.help or "").partition("\n")[0].rstrip("."))
                for name, command in commands.items()
                if command.rich_help_panel == group
            ]
            with formatter.section(group):
                formatter.write_dl(rows)


def _visible(group: TyperGroup, context: Any) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, command
