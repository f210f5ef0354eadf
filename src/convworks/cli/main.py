"""From the arguments of the command line to an exit status, with all errors handled.

Little is imported before `run`, so that an interrupt during the other imports is handled like any other.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from convworks import console
from convworks.errors import ConvworksError, InputError, RunError, on_the_command_line
from convworks.files import remedy
from convworks.outputs import as_path

#: How often a thread of GNU OpenMP looks whether the others are done before it sleeps, instead of 300,000 times. On an
#: idle machine that costs nothing; with one busy process beside two threads, training takes a sixth less time.
SPINS = "10000"


def main() -> None:
    """Run the command line and exit with its status."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    console.open_missing()
    status = run(sys.argv[1:])
    console.close()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status: 0 done, 1 the work failed, 2 the input was wrong, 130 interrupted."""
    arguments = _as_options(arguments)
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        with on_the_command_line():
            return _carry_out(arguments, as_json)
    except KeyboardInterrupt:
        return _fail(RunError("interrupted", "stopped before it finished", "start again"), as_json, 130)
    except Exception as error:
        if isinstance(error, OSError):
            if error.filename is None and (not arguments or {"--help", "-h"} & set(arguments)):
                error.filename = console.OUTPUT  # typer prints the help
            if isinstance(error, BrokenPipeError) and error.filename == console.OUTPUT:
                return 0  # the reader has closed the pipe
        expected = _expected(error)
        if debug or expected is None:
            raise
        return _fail(expected, as_json, expected.exit_status)


def _as_options(arguments: Sequence[str]) -> Sequence[str]:
    """Write `help` and `version`, which other programs have as commands, as the options that they are here.

    `convworks help train` is `convworks train --help`.
    """
    if arguments[:1] == ["help"]:
        return [*arguments[1:2], "--help"]
    return ["--version"] if list(arguments) == ["version"] else arguments


def _carry_out(arguments: Sequence[str], as_json: bool) -> int:
    """Run one command and print its answer; errors and interrupts propagate."""
    _check_output_paths(arguments)
    import typer

    from convworks.cli.answer import Answer
    from convworks.cli.verbs import app

    command = typer.main.get_command(app)
    try:
        with command.make_context("convworks", list(arguments) or ["--help"]) as context:
            answer = command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    if not isinstance(answer, Answer) or answer.silent:
        return 0
    error = _expected(answer.error) if answer.error is not None else None
    values = answer.values | (_as_json(error) if error is not None else {})
    console.answer(json.dumps(values, allow_nan=False) if as_json else answer.text)
    return answer.status if error is None else _fail(error, False, error.exit_status)


def _check_output_paths(arguments: Sequence[str]) -> None:
    """Refuse an empty output path, which would be the working folder."""
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        option, equals, value = word.partition("=")
        if option in OUTPUT_OPTIONS and (value if equals else following) == "":
            as_path(option, "")


def _expected(error: Exception) -> ConvworksError | None:
    """Return an error as a `ConvworksError`; None for a bug in convworks."""
    if isinstance(error, ConvworksError):
        return error
    if _is_usage(error):
        context = getattr(error, "ctx", None)
        page = f"see `{context.command_path if context else 'convworks'} --help`"
        option = getattr(error, "option_name", "") if type(error).__name__ == "NoSuchOption" else ""
        if context is not None and option and (field := _field(option, context.command)):
            return InputError("convworks", f"No such option: {option}", f"write --set {field}=VALUE, or {page}")
        text = getattr(error, "format_message", error.__str__)().rstrip(".")
        if value := re.fullmatch(r"Invalid value for '?([^']+)'?: Input should be (.+?)(, unable to parse .*)?", text):
            return InputError(value[1], f"must be {value[2]}", page)
        return InputError("convworks", text, page)
    if isinstance(error, OSError) and error.strerror:
        return RunError(error.filename or "files", error.strerror, remedy(error))
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        without = "convworks predict runs exported files without it"
        return InputError("convworks", "needs torch, which is not installed", f"pip install torch; {without}")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or NO_MEMORY in str(error):
        return RunError("memory", "out of memory", "use a smaller batch, image size or network")
    return None


def _field(option: str, command: Any) -> str:
    """Return the field of the configuration that an unknown option names, for a command with --set; or nothing."""
    if not any("--set" in parameter.opts for parameter in command.params):
        return ""
    from convworks.api.request import DEFAULT_RECIPE
    from convworks.config import fields, full_name
    from convworks.recipes import recipe

    config, name = recipe(DEFAULT_RECIPE), option.lstrip("-").replace("-", "_")
    with suppress(InputError):  # an end that more than one field has
        return name if full_name(config, name) in fields(config) else ""
    return ""


def _is_usage(error: Exception) -> bool:
    """Return whether it is a usage error; some versions of typer have their own copy of click's errors."""
    return any(base.__name__ == "ClickException" for base in type(error).__mro__)


def _fail(error: ConvworksError, as_json: bool, status: int) -> int:
    if as_json:
        with suppress(OSError):  # the line below reports the error on standard error
            console.answer(json.dumps(_as_json(error)))
    console.say(str(error) if str(error).startswith("convworks:") else f"convworks: {error}")
    return status


def _as_json(error: ConvworksError) -> dict[str, dict[str, str]]:
    return {"error": {"where": error.where, "reason": error.reason, "remedy": error.remedy}}


OUTPUT_OPTIONS = ("--out", "--sheet", "--pack")
NO_MEMORY = "can't allocate memory"  # what PyTorch says on the CPU, in a RuntimeError
