"""The features of a source as a table with one row per image, in a NumPy archive or a Parquet file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from convworks.console import counting
from convworks.data.labels import Labels
from convworks.data.source import Source
from convworks.data.sources.row import arrow
from convworks.files import write_bytes
from convworks.inference.bulk.formats import storable
from convworks.inference.features import features, named_pool
from convworks.inference.predictor import Predictor, choose_split


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Images by name, each with its split, its label and a vector for each tap.

    A label is an index into `classes` (-1: none), or for multi-label sources a row of 0 and 1.
    """

    names: tuple[str, ...]
    splits: tuple[str, ...]
    labels: Labels
    classes: tuple[str, ...]
    taps: dict[str, Float32[np.ndarray, "n _"]]


def feature_table(
    predictor: Predictor, source: Source, taps: Sequence[str], *, split: str | None = None, pool: str = "average"
) -> FeatureTable:
    """Return the features of one split of a source, or of all, at some taps (default: the one before the last layer).

    Raises InputError for an unknown tap, split or pooling.
    """
    pooling = named_pool(pool)
    chosen_taps = predictor.tapped(taps)
    splits = {split: choose_split(source, split)[1]} if split is not None else dict(source.splits)
    vectors: dict[str, list[np.ndarray]] = {tap: [] for tap in chosen_taps}
    for name, part in splits.items():
        with counting(f"decoding {name}") as report:
            images = predictor.input.open(part, report=report).images
        for tap, values in features(
            predictor.trained, images, predictor.input, predictor.precision, chosen_taps, pooling
        ).items():
            vectors[tap].append(values)
    return FeatureTable(
        names=tuple(name for part in splits.values() for name in part.names),
        splits=tuple(name for name, part in splits.items() for _ in range(len(part))),
        labels=np.concatenate([part.labels for part in splits.values()]),
        classes=source.classes,
        taps={tap: np.concatenate(parts) for tap, parts in vectors.items()},
    )


def write_table(path: Path, table: FeatureTable) -> None:
    """Write a table as .npz or .parquet, depending on the suffix.

    The archive holds name, split, label and class of each image, `classes`, and an array [n, f] for each tap. The
    Parquet file holds the same as columns, those of taps as lists of f float32; names that are not valid UTF-8, which
    Parquet requires, are escaped. For multi-label sources there is no `class`, and `label` is a row of 0 and 1.
    """
    label_sets = table.labels.ndim == 2
    columns: dict[str, Any] = {"name": np.array(table.names), "split": np.array(table.splits), "label": table.labels}
    if not label_sets and table.classes:
        columns["class"] = np.array([table.classes[label] if label >= 0 else "" for label in table.labels.tolist()])
    if path.suffix.lower() == ".npz":
        file = io.BytesIO()
        arrays: dict[str, Any] = {"classes": np.array(table.classes, dtype=str), **columns, **table.taps}
        np.savez(file, **arrays)
        write_bytes(path, file.getvalue())
        return
    pyarrow = arrow(path)
    columns["name"] = np.array([storable(name) for name in table.names])
    cells = {
        name: _lists(pyarrow, values) if values.ndim == 2 else pyarrow.array(values) for name, values in columns.items()
    }
    cells |= {tap: _lists(pyarrow, values) for tap, values in table.taps.items()}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(cells), buffer)
    write_bytes(path, buffer.getvalue())


def _lists(pyarrow: Any, values: np.ndarray) -> Any:
    flat = pyarrow.array(np.ascontiguousarray(values).reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
