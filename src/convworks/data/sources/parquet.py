"""Tables with a column of images: Parquet files and data sets saved by Hugging Face `datasets` (save_to_disk)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from convworks.data.column import Arrays, Files
from convworks.data.labels import all_names, number
from convworks.data.shards.names import by_split, ordered
from convworks.data.source import Source, Split
from convworks.data.sources.image_names import is_hidden
from convworks.data.sources.row_labels import ARROW, PARQUET, Labels, read_labels
from convworks.data.sources.split_names import ALL, ORDER, split_of, splits_by_name
from convworks.data.sources.walk import children
from convworks.errors import InputError
from convworks.files import is_there, read_json

SUFFIX = f".{PARQUET}"
UNLABELLED = "without a label"
STATE, PARTS = "state.json", "dataset_dict.json"  # of a saved data set, and of a saved dictionary of splits


def recognise(folder: Path) -> bool:
    """Return whether a folder holds Parquet files (directly, in data/ or in split folders) or saved Arrow files."""
    try:
        return is_there(folder / PARTS) or is_there(folder / STATE) or bool(_listed(folder))
    except OSError:
        return False


def open_folder(folder: Path) -> Source:
    """Open all tables of a folder; splits follow from file or folder names (train-00000-of-00002.parquet)."""
    if is_there(folder / PARTS):
        listed = _json(folder / PARTS).get("splits")
        names = listed if isinstance(listed, list) else []
        unknown = next((name for name in names if split_of(str(name)) is None), None)
        if not names or unknown is not None:
            reason = f"names the split {unknown!r}" if names else "names no splits"
            raise InputError(folder / PARTS, reason, "name them train, validation and test")
        folders = splits_by_name(folder, names)
        return _open(folder, ARROW, {split: _saved(folder / name) for split, name in folders.items()})
    if is_there(folder / STATE):
        return _open(folder, ARROW, {ALL: _saved(folder)})
    tables = by_split(folder, _listed(folder))
    return _open(folder, PARQUET, {split: [folder / name for name in names] for split, names in tables.items()})


def open_file(path: Path) -> Source:
    """Open one Parquet file; a split in its name is ignored."""
    return _open(path, PARQUET, {ALL: [path]})


def _listed(folder: Path) -> list[str]:
    """List the Parquet files of a folder or, if it has none, of its data/ and split folders."""
    folders, files = children(folder)
    inside = [name for name in folders if name.lower() == "data" or split_of(name) is not None]
    return _tables(files) or [f"{name}/{file}" for name in inside for file in _tables(children(folder / name)[1])]


def _tables(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.lower().endswith(SUFFIX) and not is_hidden(name)]


def _saved(folder: Path) -> list[Path]:
    """Return the Arrow files of a saved data set, in order."""
    entries = _json(folder / STATE).get("_data_files")
    listed = (
        [entry.get("filename") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    names = [name for name in listed if isinstance(name, str)]
    if not names or len(names) < len(listed):
        raise InputError(folder / STATE, "names no files", "save the set again")
    return [folder / name for name in names]


def _json(path: Path) -> dict[str, Any]:
    values = read_json(path)
    return values if isinstance(values, dict) else {}


def _open(root: Path, kind: str, splits: dict[str, list[Path]]) -> Source:
    """Open tables: labels are read now, images on demand. Splits without any label are left out."""
    tables, unused = _divided({split: [read_labels(path) for path in paths] for split, paths in splits.items()})
    named = {table.classes: table.path for parts in tables.values() for table in parts if table.classes is not None}
    if len(named) > 1:
        raise InputError(
            list(named.values())[1], f"has different classes from {next(iter(named.values()))}", "give one set"
        )
    labelled = {
        split: parts
        for split, parts in tables.items()
        if any(label is not None for table in parts for label in table.labels)
    }
    if not labelled:
        raise InputError(root, "has a label in none of its rows", "add a column label")
    labels = [label for parts in labelled.values() for table in parts for label in table.labels if label is not None]
    names = all_names(labels)
    if not names:
        raise InputError(root, "names no class in its labels", "fill them in")
    classes = next(iter(named), None) or ordered(names)
    return Source(
        name=root.resolve().stem,
        kind=kind,
        path=root,
        classes=classes,
        splits={split: _split(root, labelled[split], classes) for split in ORDER if split in labelled},
        left_out={
            str(row): UNLABELLED for split in tables if split not in labelled for t in tables[split] for row in t.rows
        },
        unused_columns=unused,
    )


def _divided(tables: dict[str, list[Labels]]) -> tuple[dict[str, list[Labels]], tuple[str, ...]]:
    """Divide tables by their columns where no name does; return them, and the names of the columns of no use."""
    every = [table for parts in tables.values() for table in parts]
    unused = [name for table in every for name in table.unused]
    if list(tables) != [ALL]:
        unused += [name for table in every for name in table.dividing[0]]
        return tables, tuple(dict.fromkeys(unused))
    unused += [table.divided.fold for table in every if table.divided.fold is not None]
    divided = [table for table in every if table.divided.columns]
    if divided and len(divided) < len(every):
        lacking = next(table for table in every if not table.divided.columns)
        reason = f"has no column {divided[0].divided.columns[0]!r}, but {divided[0].path} has"
        raise InputError(lacking.path, reason, "give all tables the same columns")
    parts: dict[str, list[Labels]] = {}
    for table in every:
        for split, part in table.by_split().items():
            parts.setdefault(split, []).append(part)
    return parts, tuple(dict.fromkeys(unused))


def _split(root: Path, tables: list[Labels], classes: tuple[str, ...]) -> Split:
    """Concatenate the rows of several tables."""
    positions = {name: position for position, name in enumerate(classes)}
    labels: list[int | Sequence[int]] = []
    names: list[str] = []
    for table in tables:
        relative_path = table.path.name if table.path == root else table.path.relative_to(root).as_posix()
        for row, label in zip(table.rows, table.labels, strict=True):
            each = () if label is None else (label,) if isinstance(label, str) else label
            unknown = next((name for name in each if name not in positions), None)
            if label is None or unknown is not None:
                reason = (
                    "has no label" if label is None else f"has the label {unknown!r}, which is not a class of the table"
                )
                raise InputError(row, reason, "correct it, or remove the row")
            numbers = [positions[name] for name in each]
            labels.append(numbers[0] if isinstance(label, str) else numbers)
            names.append(f"{relative_path}/{row.member}")
    files = tuple([row for table in tables for row in table.rows])
    return Split(names=tuple(names), inputs=Files(files), targets=Arrays(number(labels, len(classes))))
