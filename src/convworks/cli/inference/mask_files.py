"""The files of a prediction of masks: masks, overlays, probabilities, and tables that grow image by image.

The tables are one job (inference/bulk/unfinished.py): what is recorded of it says what `--resume` need not do again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from convworks.cli.outputs import check_outputs, unique_names
from convworks.csv_files import csv_line
from convworks.data.decode.decode import read
from convworks.data.inspect.legend import with_legend
from convworks.data.inspect.overlay import as_png, named_colours, overlay
from convworks.errors import InputError
from convworks.files import atomic, flush, open_regular
from convworks.inference.bulk.finished import keep
from convworks.inference.bulk.formats import Format
from convworks.inference.bulk.unfinished import (
    AGAIN,
    Unfinished,
    check_begun,
    check_same,
    folder_of,
    is_finished,
    recorded,
    remove,
    unfinished,
)
from convworks.inference.objects import COLUMNS
from convworks.outputs import Protected

if TYPE_CHECKING:
    from convworks.bundle.bundle import Described

#: The tables beside the masks, and their columns.
AREAS, OBJECTS = "areas.csv", "objects.csv"
HEADERS = {AREAS: ("path", "class", "pixels", "fraction"), OBJECTS: ("path", *COLUMNS)}

Row = dict[str, Any]


class MaskFiles:
    """The files that a prediction of masks writes below a folder; InputError if one of them may not be written."""

    def __init__(
        self,
        out: Path,
        files: Sequence[Path],
        read: Protected,
        *,
        probabilities: bool,
        objects: bool,
        overwrite: bool,
        resume: bool,
    ) -> None:
        names = unique_names(files)
        self.out, self.count, self.overwrite, self.resume = out, len(files), overwrite, resume
        self.masks = [out / f"{name}.png" for name in names]
        self.overlays = [out / f"{name}-overlay.jpg" for name in names]
        self.maps = [out / f"{name}.npy" for name in names] if probabilities else []
        self.tables = [out / name for name in ((AREAS, OBJECTS) if objects else (AREAS,))]
        record = check_begun(self.tables[0], resume=resume, overwrite=overwrite)
        paths = [*self.masks, *self.overlays, *self.maps, *self.tables]
        check_outputs(out, paths, read, overwrite=overwrite or record is not None)

    @property
    def objects(self) -> bool:
        """Whether connected regions are written."""
        return len(self.tables) > 1

    def before(self) -> Mapping[str, Any] | None:
        """Return the record of the job to resume; None if it begins now."""
        return recorded(self.tables[0]) if self.resume else None

    def write(self, index: int, path: Path, mask: np.ndarray, scores: np.ndarray | None, bundle: Described) -> None:
        """Write the files of one image; below its overlay are the names of the classes that it shows."""
        colours, preprocessing = bundle.colours, bundle.preprocessing
        with atomic(self.masks[index]) as file:
            as_png(mask, colours).save(file, "PNG", optimize=True)
        image = read(path, channels=preprocessing.channels, decoding=preprocessing.decoding).pixels
        shown = {bundle.classes[number] for number in np.unique(mask).tolist()}
        named = [(name, colour) for name, colour in named_colours(bundle.classes, colours) if name in shown]
        with atomic(self.overlays[index]) as file:
            with_legend(Image.fromarray(overlay(image, mask, colours)), named).save(file, "JPEG", quality=90)
        if scores is not None:
            with atomic(self.maps[index]) as file:
                _write_array(file, scores)


@dataclass(kw_only=True)
class Job:
    """Masks that are being written: the rows so far, those of this process, and the tables that they are added to."""

    state: Unfinished
    classes: Sequence[str]
    tables: Mapping[str, IO[bytes]]
    rows: list[Row] = field(default_factory=list)

    @property
    def earlier(self) -> int:
        """The number of images that were done before this process."""
        return self.state.earlier

    def add(self, row: Row, pixels: Sequence[int]) -> None:
        """Add the answer for the next image, and the number of pixels of each class; or its error."""
        self.rows.append(row)
        entry = {"path": row["path"], "pixels": list(pixels), "error": row.get("error")}
        entry["objects"] = [list(each.values()) for each in row.get("objects", ())]
        for name, file in self.tables.items():
            file.write(_encoded(name, entry, self.classes))
            file.flush()
        self.state.add(json.dumps(entry, allow_nan=False) + "\n", [row])


@contextmanager
def begun(files: MaskFiles, classes: Sequence[str], job: Mapping[str, Any]) -> Iterator[Job]:
    """Yield the job of these files, which was begun before or begins now; at the end its tables are finished.

    If the context ends too soon, what is done remains, and `--resume` goes on after it.
    """
    table = files.tables[0]

    def finish(lines: Path, _: Path) -> None:
        for path in reversed(files.tables):
            _write_table(path, lines, classes)

    new, ours = not files.out.exists(), False
    files.out.mkdir(parents=True, exist_ok=True)
    form = Format(head="", line=json.dumps, finish=finish)
    job = {**job, "count": files.count}
    try:
        with (
            unfinished(table, job, form, resume=files.resume, overwrite=files.overwrite) as state,
            contextlib.ExitStack() as stack,
        ):
            _check_masks(files, state.rows, state.failed)
            state.record()  # from now on there may be files to go on after
            finish(Path(state.file.name), table)
            ours = True
            tables = {path.name: stack.enter_context(path.open("ab")) for path in files.tables}
            yield Job(state=state, classes=classes, tables=tables)
    except BaseException:
        with contextlib.suppress(OSError):
            if ours and not folder_of(table).exists():  # nothing is kept
                for path in files.tables:
                    path.unlink(missing_ok=True)
            if new:
                files.out.rmdir()
        raise


def is_done(files: MaskFiles, job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the record of a job that is to be resumed but is finished, else None; InputError if it is another."""
    table, record = files.tables[0], files.before()
    if record is None or not is_finished(table, record):
        return None
    check_same(table, record, {**job, "count": files.count})
    _check_masks(files, record["rows"], record["failed"])
    keep(table, record)
    remove(table)
    return record


def _check_masks(files: MaskFiles, rows: int, failed: int) -> None:
    """Raise InputError if masks have been removed of images that count as done."""
    gone = [path for path in files.masks[:rows] if not path.exists()]
    if len(gone) > failed:
        raise InputError(gone[0], "is gone, although its image was done before", f"put it back, or {AGAIN}")


def _write_table(path: Path, lines: Path, classes: Sequence[str]) -> None:
    """Write the table of the images that have a line."""
    with atomic(path) as file, open_regular(lines, buffering=-1) as content:
        file.write(csv_line(HEADERS[path.name]).encode())
        for line in content:
            file.write(_encoded(path.name, json.loads(line), classes))


def _encoded(table: str, entry: Mapping[str, Any], classes: Sequence[str]) -> bytes:
    """Return the rows that an image adds to a table."""
    cells: Sequence[Sequence[Any]] = entry["objects"]
    if table == AREAS:
        total = sum(entry["pixels"])
        pairs = zip(classes, entry["pixels"], strict=True) if entry["error"] is None else ()
        cells = [(name, pixels, pixels / total) for name, pixels in pairs]
    return "".join(csv_line((entry["path"], *row)) for row in cells).encode("utf-8", "surrogateescape")


def _write_array(file: IO[bytes], values: np.ndarray) -> None:
    """Write a .npy file; np.save goes past the file object, and its errors do not say what the system said."""
    array = np.ascontiguousarray(values)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    file.write(array.data)
    flush(file)
