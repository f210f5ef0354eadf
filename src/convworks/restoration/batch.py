"""Restoring the pictures of files, each within its budget; what is finished is not done again."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks import files
from convworks.console import say
from convworks.data.decode.decode import decode
from convworks.errors import ConvworksError, InputError, visible
from convworks.pages.blocks import Section
from convworks.restoration import page
from convworks.restoration.folder import Folder, finished, identity, mark, unmark
from convworks.restoration.material import Material, read_material
from convworks.restoration.paths import Paths
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.restore import restore


class InterruptedRestorationError(ConvworksError):
    """The restoration was interrupted; it can be resumed."""

    exit_status = 130


@dataclass(frozen=True, kw_only=True)
class Job:
    """A picture, its mask, the clean picture, and the files it becomes."""

    file: Path
    mask: Path | None
    clean: Path | None
    paths: Paths


def restore_files(
    jobs: Sequence[Job], request: Request, *, resume: bool, report: Path, command: str, again: str
) -> list[dict[str, Any] | ConvworksError]:
    """Restore pictures one after the other and write the page; a picture that fails gives its error.

    `command` is that of the page, `again` the remedy for an interruption.
    """
    rows: list[dict[str, Any] | ConvworksError] = []
    sections: list[Section] = []
    if not resume:
        for job in jobs:
            mark(job.paths)
    for number, job in enumerate(jobs, start=1):
        place = f" ({number} of {len(jobs)})" if len(jobs) > 1 else ""
        try:
            row, section = _restore_file(job, request, place, resume=resume)
        except KeyboardInterrupt:
            begun = job.paths.pictures[0]
            reason = f"the best so far is {begun}" if begun.exists() else f"while restoring {job.file}"
            raise InterruptedRestorationError("interrupted", reason, again) from None
        except ConvworksError as error:
            if not resume:  # a later one would take what is there for something else
                unmark(job.paths)
            rows.append(error if len(jobs) == 1 else of_image(job.file, error))
            continue
        rows.append(row)
        if len(sections) < page.MOST:
            sections.append(section)
    if sections:
        restored = [row for row in rows if isinstance(row, dict)]
        names = [Path(file).name for row in restored for file in row["files"]][: page.MOST]
        failed = [row for row in rows if isinstance(row, ConvworksError)]
        does = request.problem
        page.write(report, sections, problem=does, records=restored, command=command, files=names, failed=failed)
    return rows


def of_image(file: Path, error: ConvworksError) -> ConvworksError:
    """Return an error that names the image, among several."""
    if error.where == str(file):
        return error
    return type(error)(file, f"{error.where}: {error.reason}", error.remedy)


def _restore_file(job: Job, request: Request, place: str, *, resume: bool) -> tuple[dict[str, Any], Section]:
    name, budget = str(job.file), Budget(seconds=60.0 * request.minutes)
    material = read_material(name, job.file, request, mask=job.mask, compare=job.clean)
    marked = identity(request, material)
    record = finished(job.paths, marked) if resume else None
    if record is None:
        for note in material.notes:
            say(visible(f"{name}: {note}"))
        folder = Folder(job.paths, name + place, marked, resume=resume)
        try:
            restored = restore(material, request, folder, budget)
        finally:
            folder.progress.end()
        folder.end(restored)
        record = restored.record
    shutil.rmtree(job.paths.state, ignore_errors=True)  # what a process left that was killed at its very end
    reduced = material.reduced((record["size"][0], record["size"][1]), request.factor)
    notes = [*material.notes, *record.get("notes", [])]  # records of earlier versions have none
    row = {"path": name, "files": [str(path) for path in job.paths.pictures], **record, "notes": notes}
    return row, _section(job, reduced, request, row)


def _section(job: Job, material: Material, request: Request, record: dict[str, Any]) -> Section:
    before = material.enlarged(request.factor)
    return page.section(
        job.paths.record.stem,
        before=before,
        images=[decode(path, channels=before.shape[2]) for path in job.paths.pictures],
        clean=material.clean,
        record=record,
        curve=_read_curve(job.paths.curve),
    )


def _read_curve(path: Path) -> list[dict[str, float | None]]:
    """Return the rows of a curve that was written before; InputError if its file is damaged."""
    try:
        rows = csv.DictReader(files.read_text(path).splitlines())
        return [{key: float(cell) if cell else None for key, cell in row.items()} for row in rows]
    except (ValueError, TypeError) as error:
        raise InputError(path, f"cannot be read as a curve ({error})", "give --overwrite to restore it anew") from None
