"""The work of `convworks restore`: which files, where to, and the answer."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from convworks.cli.answer import Answer, table
from convworks.cli.outputs import check_outputs, unique_names
from convworks.commands import repeated
from convworks.console import say
from convworks.data.listing.find import find, plain_files
from convworks.errors import ConvworksError, InputError, counted, visible
from convworks.hardware import refuse_torchrun
from convworks.outputs import Protected, check_name, numbers
from convworks.restoration.ending import ending, ends
from convworks.restoration.paths import PAGE, Paths, below_folder, beside, paths_of
from convworks.restoration.request import MOST, Request, check
from convworks.restoration.rules import ITERATIONS, SHARE, TIME

DEFAULT = Path("restored")
SHOWN = 20  # images in the answer for people


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files and folders that the options name."""

    mask: Path | None
    compare: Path | None
    out: Path | None
    overwrite: bool
    resume: bool


def run(paths: Sequence[str], request: Request, named: Files) -> Answer:
    """Restore every image that the paths name; status 1 if some fail."""
    started = time.perf_counter()
    refuse_torchrun("convworks restore")
    check(request)
    if named.overwrite and named.resume:
        raise InputError("--overwrite", "contradicts --resume", "leave one of them out")
    listing = find(paths)
    files = plain_files(listing, "a restoration")
    names = unique_names(files)
    below = [below_folder(file, paths) for file in files]
    masks, cleans = (beside(f"--{word}", getattr(named, word), files, below) for word in ("mask", "compare"))
    if len(files) > 1 and named.compare is not None and not named.compare.is_dir():
        reason = f"is one file, for {len(files)} images"
        raise InputError(f"--compare {named.compare}", reason, "name a folder with files of the same names")
    read = listing.protected() + Protected(files=([path for path in (*masks, *cleans) if path is not None],))
    folder = named.out or _default(names, request, named)
    outputs = _outputs(folder, names, request)
    begun = [each.state for each in outputs if each.state.exists()]
    if begun and not (named.overwrite or named.resume):
        raise InputError(f"--out {folder}", f"has begun restorations ({begun[0].name})", "add --resume, or --overwrite")
    if named.resume:
        _refuse_others(folder, outputs)
    check_outputs(folder, _paths(folder, outputs), read, overwrite=named.overwrite or named.resume)
    check_name("--out", max((each.state for each in outputs), key=lambda path: len(os.fsencode(path.name))))
    from convworks.restoration.batch import Job, restore_files

    jobs = [
        Job(file=file, mask=mask, clean=clean, paths=each)
        for file, mask, clean, each in zip(files, masks, cleans, outputs, strict=True)
    ]
    command = _command(paths, request, named, None)
    again = _again(folder, named)
    rows = restore_files(jobs, request, resume=named.resume, report=folder / PAGE, command=command, again=again)
    errors = [row for row in rows if isinstance(row, ConvworksError)]
    if len(errors) == len(rows):
        for error in errors[:-1]:
            say(str(error))
        raise errors[-1]
    values = {
        "problem": request.problem,
        "folder": str(folder),
        "images": [row for row in rows if isinstance(row, dict)],
        "errors": [{"path": error.where, "error": error.reason} for error in errors],
        "report": str(folder / PAGE),
        "seconds": round(time.perf_counter() - started, 3),
    }
    return Answer(values=values, text=_text(values, paths, request, named), status=1 if errors else 0)


def _outputs(folder: Path, names: Sequence[str], request: Request) -> list[Paths]:
    return [paths_of(folder, name, request.samples) for name in names]


def _paths(folder: Path, outputs: Sequence[Paths]) -> list[Path]:
    return [folder / PAGE, *(path for output in outputs for path in output.files)]


def _refuse_others(folder: Path, outputs: Sequence[Paths]) -> None:
    """Raise InputError for the first file that is there, but is not of a restoration that is resumed."""
    begun = [each for each in outputs if each.state.exists() or each.record.exists()]
    others = [path for each in outputs if each not in begun for path in each.files]
    for path in [*others, *([] if begun else [folder / PAGE])]:
        if os.path.lexists(path):
            reason = "already exists, without a record or a checkpoint of its restoration"
            raise InputError(f"--out {path}", reason, "move it, or give another --out")


def _default(names: Sequence[str], request: Request, named: Files) -> Path:
    """Return the first of restored/, restored-2/, ... in which nothing is replaced.

    To resume it is the first with something unfinished; restored/ to replace results, or if nothing is unfinished.
    """
    if named.overwrite:
        return DEFAULT
    for folder in numbers(DEFAULT):
        outputs = _outputs(folder, names, request)
        begun = any(each.state.exists() for each in outputs)
        used = begun or any(map(os.path.lexists, _paths(folder, outputs)))
        if begun and named.resume:
            return folder
        if not used:
            return DEFAULT if named.resume else folder
    raise AssertionError


def _again(folder: Path, named: Files) -> str:
    """Return how an interrupted command is resumed."""
    options = "--resume" if named.out or named.resume else f"--resume --out {folder}"
    return f"run the same command again with {options}{' instead of --overwrite' if named.overwrite else ''}"


def _command(paths: Sequence[str], request: Request, named: Files, folder: Path | None) -> str:
    """Return the command that restores images, with all options that are not the default."""
    default = asdict(Request(problem=request.problem))
    options: dict[str, object] = {
        f"--{name}": f"{value:g}" if isinstance(value, float) else value
        for name, value in asdict(request).items()
        if value != default[name]
    }
    files = {"--mask": named.mask, "--compare": named.compare, "--out": folder}
    return repeated(["restore", request.problem, *paths], options | files)


def _next(images: Sequence[dict[str, Any]], request: Request) -> Request:
    """Return what may give better images: more time, where that was short; else more runs, or other samples."""
    stopped = set(ends(fit for row in images for fit in row["fits"]))
    longer = replace(request, minutes=2 * request.minutes)
    if stopped & {TIME, SHARE}:
        return longer
    if request.samples > 1:
        return replace(request, seed=request.seed + 1)
    if request.iterations is not None and ITERATIONS in stopped:
        return replace(request, iterations=2 * request.iterations)
    return replace(longer, runs=min(2 * request.averaged, MOST))


def _text(values: dict[str, Any], paths: Sequence[str], request: Request, named: Files) -> str:
    images, errors = values["images"], values["errors"]
    measured = images[0]["psnr"] is not None
    header = [
        "image",
        "size",
        "iterations",
        "ended by",
        *(["before", "after"] if measured else []),
        "seconds",
        "result",
    ]
    rows = [
        [
            row["path"],
            "x".join(map(str, row["restored_size"][::-1])),
            f"{sum(fit['iterations'] for fit in row['fits']):,}",
            "/".join(ends(row["fits"])),
            *([f"{row['psnr_before']:.2f} dB", f"{fmean(row['psnr']):.2f} dB"] if measured else []),
            f"{row['seconds']:.1f}",
            row["files"][0] + (f" ... ({len(row['files'])})" if len(row["files"]) > 1 else ""),
        ]
        for row in images[:SHOWN]
    ]
    lines = [table(header, rows)]
    if len(images) > SHOWN:
        lines.append(f"and {len(images) - SHOWN:,} more (--json lists them)")
    if errors:
        lines.append(f"{len(errors)} of {counted(len(images) + len(errors), 'image')} could not be restored:")
        lines += [visible(f"  {error['path']}: {error['error']}") for error in errors]
    lines.append(ending(request, ends(fit for row in images for fit in row["fits"])))
    lines.append(visible(f"report: {values['report']}"))
    lines.append(visible(f"next:   {_command(paths[:3], _next(images, request), named, None)}"))
    return "\n".join(lines)
