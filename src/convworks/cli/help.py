"""The help pages: the list of commands in groups, every line whole; the options of one in words, without types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

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


class Verb(TyperCommand):
    """A command whose help names arguments and values by their metavars alone; ranges are checked, not shown."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the options and arguments of the usage line: [RECIPE], BUNDLE..."""
        return ["[OPTIONS]", *(_usage(each) for each in self.get_params(ctx) if _is_argument(each))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options."""
        for title, arguments in (("Arguments", True), ("Options", False)):
            rows = [
                _row(each) for each in self.get_params(ctx) if _is_argument(each) is arguments and not _hidden(each)
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def plain_help(app: typer.Typer) -> None:
    """Let all commands write their help pages so."""
    for command in app.registered_commands:
        command.cls = Verb


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _hidden(parameter: Any) -> bool:
    return bool(parameter.hidden)


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _usage(argument: Any) -> str:
    value = _value(argument)
    return f"{value if argument.required else f'[{value}]'}{'...' if argument.nargs != 1 else ''}"


def _row(parameter: Any) -> tuple[str, str]:
    """Return an argument or an option, and its text with its default."""
    name = _value(parameter)
    if not _is_argument(parameter):
        takes_value = not parameter.is_flag and not parameter.count
        both = [", ".join(sorted(names, key=len)) for names in (parameter.opts, parameter.secondary_opts) if names]
        name = " / ".join(both) + (f" {name}" if takes_value else "")
    default = parameter.default
    if isinstance(default, bool) and not _is_argument(parameter):
        default = (parameter.opts if default else parameter.secondary_opts)[0] if parameter.secondary_opts else None
    notes = f"  [default: {default}]" if default is not None and not callable(default) else ""
    return name, f"{parameter.help}{'  [required]' if parameter.required else notes}"


def _visible(group: TyperGroup, context: Any) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, command
