"""Tables with a column of images: Parquet files, and what Hugging Face's `datasets` saves (save_to_disk)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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
STATE, PARTS = "state.json", "dataset_dict.json"  # of a set that `datasets` saved, and of several splits together


def recognise(folder: Path) -> bool:
    """Say whether a folder holds Parquet files (itself, or in data/ or the folders of splits) or saved Arrow files."""
    try:
        return is_there(folder / PARTS) or is_there(folder / STATE) or bool(_listed(folder))
    except OSError:
        return False


def open_folder(folder: Path) -> Source:
    """Open all tables of a folder; their names or folders say the splits (train-00000-of-00002.parquet)."""
    if is_there(folder / PARTS):
        told = _json(folder / PARTS).get("splits")
        parts = told if isinstance(told, list) else []
        strange = next((name for name in parts if split_of(str(name)) is None), None)
        if not parts or strange is not None:
            reason = f"names the split {strange!r}" if parts else "names no splits"
            raise InputError(folder / PARTS, reason, "call them train, validation and test")
        chosen = splits_by_name(folder, parts)
        return _open(folder, ARROW, {split: _saved(folder / name) for split, name in chosen.items()})
    if is_there(folder / STATE):
        return _open(folder, ARROW, {ALL: _saved(folder)})
    listed = by_split(folder, _listed(folder))
    return _open(folder, PARQUET, {split: [folder / name for name in names] for split, names in listed.items()})


def open_file(path: Path) -> Source:
    """Open one Parquet file, whatever its name says."""
    return _open(path, PARQUET, {ALL: [path]})


def _listed(folder: Path) -> list[str]:
    """List the Parquet files of a folder and, where it has none, of data/ and the folders of splits in it."""
    folders, files = children(folder)
    inside = [name for name in folders if name.lower() == "data" or split_of(name) is not None]
    return _tables(files) or [f"{name}/{file}" for name in inside for file in _tables(children(folder / name)[1])]


def _tables(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.lower().endswith(SUFFIX) and not is_hidden(name)]


def _saved(folder: Path) -> list[Path]:
    """Return the Arrow files of a saved set, in its order."""
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
    """Open tables: labels are read now, images when they are needed. Splits without any label are left out."""
    tables = {split: [read_labels(path) for path in paths] for split, paths in splits.items()}
    named = {table.classes: table.path for parts in tables.values() for table in parts if table.classes is not None}
    if len(named) > 1:
        raise InputError(
            list(named.values())[1], f"has other classes than {next(iter(named.values()))}", "give one set"
        )
    labelled = {
        split: parts
        for split, parts in tables.items()
        if any(label is not None for table in parts for label in table.labels)
    }
    if not labelled:
        raise InputError(root, "has a label in none of its rows", "add a column label")
    listed = [label for parts in labelled.values() for table in parts for label in table.labels if label is not None]
    texts = all_names(listed)
    if not texts:
        raise InputError(root, "names no class in its labels", "fill them in")
    classes = next(iter(named), None) or ordered(texts)
    return Source(
        name=root.resolve().stem,
        kind=kind,
        path=root,
        classes=classes,
        splits={split: _split(root, labelled[split], classes) for split in ORDER if split in labelled},
        left_out={
            str(row): UNLABELLED for split in tables if split not in labelled for t in tables[split] for row in t.rows
        },
    )


def _split(root: Path, tables: list[Labels], classes: tuple[str, ...]) -> Split:
    """Put the rows of several tables together."""
    positions = {name: position for position, name in enumerate(classes)}
    labels: list[int | Sequence[int]] = []
    names: list[str] = []
    for table in tables:
        inside = table.path.name if table.path == root else table.path.relative_to(root).as_posix()
        for row, label in zip(table.rows, table.labels, strict=True):
            each = () if label is None else (label,) if isinstance(label, str) else label
            unknown = next((name for name in each if name not in positions), None)
            if label is None or unknown is not None:
                reason = (
                    "has no label" if label is None else f"has the label {unknown!r}, which is no class of the table"
                )
                raise InputError(row, reason, "correct it, or remove the row")
            numbers = [positions[name] for name in each]
            labels.append(numbers[0] if isinstance(label, str) else numbers)
            names.append(f"{inside}/{row.member}")
    files = tuple([row for table in tables for row in table.rows])
    return Split(labels=number(labels, len(classes)), names=tuple(names), files=files)
