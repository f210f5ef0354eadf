"""`convworks VERB ...`: every option of every command, and what happens when something is wrong."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.errors import ConvworksError, InputError, RunError

app = typer.Typer(
    name="convworks",
    help="Train, evaluate, explain and ship convolutional networks.",
    epilog="`convworks train` alone trains on the embedded digits. `convworks VERB --help` tells more.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Bundles = Annotated[
    list[Path],
    typer.Argument(metavar="BUNDLE...", help="Folders of bundles or runs; several are an ensemble."),
]


@app.command()
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]", help="A named recipe, for example mnist/fast; `convworks recipes` lists them."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The network; `convworks models` lists them.")] = None,
    data: Annotated[str | None, typer.Option(help="A name (digits, mnist, fashion-mnist, cifar10) or a path.")] = None,
    epochs: Annotated[int | None, typer.Option(help="How often each image is seen.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder, new or empty.  [default: runs/RECIPE]")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of every random choice.")] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Repeat bit for bit, at some cost in speed on a GPU.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the configuration; may be repeated."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train a network: on the embedded digits, by a recipe, or on your own images."""
    from convworks.cli import train as command

    return command.run(
        recipe=recipe,
        model=model,
        data=data,
        epochs=epochs,
        out=out,
        resume=resume,
        device=device,
        seed=seed,
        deterministic=deterministic,
        overrides=overrides or (),
    )


@app.command()
def evaluate(
    bundles: Bundles,
    data: Annotated[str, typer.Option(help="A labelled source: a name or a path.")],
    split: Annotated[
        str | None, typer.Option(help="train, validation or test.  [default: test, else validation]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a report and predictions.csv into this new folder.")] = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Measure a bundle, or an ensemble of several, on labelled images."""
    from convworks.cli import evaluate as command

    return command.run(bundles, data=data, split=split, out=out, device=device)


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle or a run.")],
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Images, folders (searched through) or glob patterns."),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Write the answers to this .csv or .jsonl file.")] = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Classify images."""
    from convworks.cli import predict as command

    return command.run(bundle, paths, top=top, out=out, device=device)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A network: its layer table.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the networks, or show one layer by layer."""
    from convworks.cli import models as command

    return command.run(name)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe: its complete configuration.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the recipes, or show the complete configuration of one."""
    from convworks.cli import recipes as command

    return command.run(name)


@app.command()
def data(
    source: Annotated[str, typer.Argument(help="A name or a path.")],
    sheet: Annotated[
        Path | None,
        typer.Option(help="Where to write the contact sheet (a PNG file).  [default: SOURCE-sheet.png]"),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Look at a source: counts, classes, sizes, damaged files, a contact sheet."""
    from convworks.cli import data as command

    return command.run(source, sheet=sheet)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> Answer:
    """Show what this machine has, and what is wrong with it."""
    from convworks.cli import doctor as command

    return command.run()


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
        if isinstance(answer, Answer):
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
        remedy = (
            "free some space, or choose another place" if error.errno in FULL else "check the path and its permissions"
        )
        return RunError(error.filename or "files", error.strerror, remedy)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or NO_MEMORY in str(error):
        return RunError("memory", "there is not enough of it", "use a smaller batch, image size or network")
    return None


def _fail(error: ConvworksError, as_json: bool, status: int) -> int:
    if as_json:
        print(json.dumps({"error": {"where": error.where, "reason": error.reason, "remedy": error.remedy}}))  # noqa: T201
    print(f"convworks: {error}" if not str(error).startswith("convworks:") else str(error), file=sys.stderr)  # noqa: T201
    return status


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_MEMORY = "can't allocate memory"  # what PyTorch says on the CPU, in a RuntimeError

# typer brings its own copy of click in some versions; this is the usage error of whichever it uses.
USAGE_ERROR = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
