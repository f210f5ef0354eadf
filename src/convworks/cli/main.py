"""From the command line's words to an exit status, and what happens when something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer

import convworks.cli.compare
import convworks.cli.experiments
import convworks.cli.taps  # noqa: F401  (their commands register themselves)
from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.paths import expand_paths
from convworks.errors import ConvworksError, InputError, RunError
from convworks.files import remedy

expand_paths(app)


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status: 0 done, 1 the work failed, 2 the input was wrong, 130 interrupted."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        answer = typer.main.get_command(app).main(
            list(arguments) or ["--help"], prog_name="convworks", standalone_mode=False
        )
        if isinstance(answer, Answer) and not answer.silent:
            print(json.dumps(answer.values, allow_nan=False) if as_json else answer.text)  # noqa: T201
            sys.stdout.flush()
            return answer.status
        return answer if isinstance(answer, int) else 0
    except BrokenPipeError:
        sys.stdout = None  # nobody reads any more: nothing to flush at exit
        return 0
    except KeyboardInterrupt:
        return _fail(RunError("interrupted", "stopped before anything was saved", "start again"), as_json, 130)
    except Exception as error:
        known = _expected(error)
        if debug or known is None:
            raise
        return _fail(known, as_json, known.exit_status)


def _expected(error: Exception) -> ConvworksError | None:
    """Return an error as one of ours, None where it is a defect of convworks."""
    if isinstance(error, ConvworksError):
        return error
    if isinstance(error, USAGE_ERROR):
        context = getattr(error, "ctx", None)
        return InputError(
            "convworks",
            getattr(error, "format_message", error.__str__)().rstrip("."),
            f"see `{context.command_path if context else 'convworks'} --help`",
        )
    if isinstance(error, OSError) and error.strerror:
        return RunError(error.filename or "files", error.strerror, remedy(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or NO_MEMORY in str(error):
        return RunError("memory", "there is not enough of it", "use a smaller batch, image size or network")
    return None


def _fail(error: ConvworksError, as_json: bool, status: int) -> int:
    if as_json:
        print(json.dumps({"error": {"where": error.where, "reason": error.reason, "remedy": error.remedy}}))  # noqa: T201
    print(f"convworks: {error}" if not str(error).startswith("convworks:") else str(error), file=sys.stderr)  # noqa: T201
    return status


NO_MEMORY = "can't allocate memory"  # what PyTorch says on the CPU, in a RuntimeError

# typer brings its own copy of click in some versions; this is the usage error of whichever it uses.
USAGE_ERROR = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
