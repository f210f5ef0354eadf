"""The comparison of two trained networks in Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convworks.commands import repeated
from convworks.console import downloading
from convworks.data.labels import finder
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError, brief
from convworks.files import atomic_folder, path_of
from convworks.outputs import Protected, as_path, check_new_folder

if TYPE_CHECKING:
    from convworks.data.inputs.input import Input
    from convworks.inference.predictor import Predictor
    from convworks.report.comparison import Pair
    from convworks.report.score_comparison import ScoredPair

TABLE = ".csv"
#: The size of pictures where no bundle has a preprocessing for them.
SIDE = 128


@brief
def compare(
    first: str | Path,
    second: str | Path,
    *,
    data: str | Path | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Compare the accuracy of two bundles on a split of a source, image by image.

    Either may also be the predictions.csv of a report; if both are, `data` is only used for pictures.
    Returns {"n", "first", "second", "difference", "difference_interval", "p", "only_first", "only_second",
    "both_right", "both_wrong", ...}: the two as {"name", "accuracy", "interval", "correct"}, the difference second
    minus first with its 95 % interval, p of McNemar's exact test. `out` is a new folder for compare.html and
    compare.csv, the images that exactly one classifies correctly.
    """
    began = time.perf_counter()
    values, write = compared(first, second, data=data, split=split, out=out, device=device)
    if write is not None:
        values["report"] = str(write())
    values["seconds"] = round(time.perf_counter() - began, 3)
    return values


def compared(
    first: str | Path,
    second: str | Path,
    *,
    data: str | Path | None,
    split: str | None,
    out: str | Path | None,
    device: str,
) -> tuple[dict[str, Any], Callable[[], Path] | None]:
    """Compare as `compare` does; return the function that writes the page (None without `out`), uncalled."""
    out = as_path("--out", out)
    source = None if data is None else open_source(data, report=downloading())
    paths = [path_of(first), path_of(second)]
    if source is None and not all(map(_is_table, paths)):
        raise InputError("--data", "is needed to compare bundles", "name a source, or give two predictions.csv")
    if source is None and split is not None:
        raise InputError("--split", f"{split!r} is part of a source, but there is no --data", "leave it out")
    if out is not None:
        from convworks.bundle.description import folder_of

        read = Protected(folders=tuple([folder_of(path) for path in paths]))
        check_new_folder("--out", out, read if source is None else read + protect(source))
    from convworks.report.comparison import check_classes, from_outcome, pair, read_answers

    predictors = [None if _is_table(path) else _load(path, device) for path in paths]
    if source is not None and split is not None:
        source = _with_split(source, split, predictors)
    tables = [read_answers(path) if _is_table(path) else None for path in paths]
    classes = [
        table.classes if table else frozenset(predictor.classes) if predictor else None
        for table, predictor in zip(tables, predictors, strict=True)
    ]
    check_classes((str(first), classes[0]), (str(second), classes[1]))
    command = repeated(["compare", *paths], {"--data": data, "--split": split})
    title = f"{paths[0]} and {paths[1]}{f' on {source.name}' if source is not None else ''}"
    if any(predictor is not None and predictor.task.graded is not None for predictor in predictors):
        assert source is not None
        scored_pair = _by_scores(paths, predictors, source, split)
        plain = {**scored_pair.plain(), "data": str(data)}
        write = partial(_write_scores, scored_pair, title, command)
        return plain, None if out is None else partial(write, out)
    answers = []
    for path, table, predictor in zip(paths, tables, predictors, strict=True):
        if table is None:
            assert predictor is not None
            assert source is not None
            table = from_outcome(str(path), predictor.outcome(source, split=split))
        answers.append(table)
    comparison = pair(*answers)
    values = {**comparison.plain(), "data": None if data is None else str(data)}
    if out is None:
        return values, None
    shown = next((predictor.input for predictor in predictors if predictor is not None), None)
    image = None if source is None else _pictures(source, split, comparison.first.names, shown)
    return values, partial(_write, out, comparison, title, image, command)


def _write(out: Path, comparison: Pair, title: str, image: Callable[[str], np.ndarray] | None, command: str) -> Path:
    """Write the page of a comparison into a new folder; return its path."""
    from convworks.report.comparison_page import write_pair

    with atomic_folder(out) as folder:
        page = write_pair(folder, comparison, title=title, image=image, command=command)
    return out / page.name


def _load(path: Path, device: str) -> Predictor:
    from convworks.inference.load import load  # it imports torch, which tables do not need

    predictor = load(path, device=device)
    if not predictor.task.judged and predictor.task.graded is None:
        reason = f"{predictor.task.does}, so its answers are not right or wrong"
        raise InputError(path, reason, "compare networks that name classes")
    return predictor


def _by_scores(
    paths: Sequence[Path], predictors: Sequence[Predictor | None], source: Source, split: str | None
) -> ScoredPair:
    """Compare two networks by a score of each image; InputError unless both are of one task."""
    from convworks.report.score_comparison import pair_scores, scored

    networks = [predictor for predictor in predictors if predictor is not None]
    if len(networks) < 2 or networks[0].task.name != networks[1].task.name:
        raise InputError(paths[1], f"is of another task than {paths[0]}", "compare two bundles of one task")
    metric = networks[0].task.graded
    assert metric is not None
    first, second = (
        scored(str(path), network.outcome(source, split=split)) for path, network in zip(paths, networks, strict=True)
    )
    return pair_scores(first, second, metric)


def _write_scores(pair: ScoredPair, title: str, command: str, out: Path) -> Path:
    """Write the page of a comparison by scores into a new folder; return its path."""
    from convworks.report.score_comparison import write_scored_pair

    with atomic_folder(out) as folder:
        page = write_scored_pair(folder, pair, title=title, command=command)
    return out / page.name


def _with_split(source: Source, split: str, predictors: Sequence[Predictor | None]) -> Source:
    """Return a source that has the split, if only because a run held it out; InputError for an unknown one.

    Also where both are tables, and nothing is predicted.
    """
    from convworks.inference.held_out import with_held_out
    from convworks.inference.predictor import choose_split

    source = with_held_out(source, split, [predictor.bundle for predictor in predictors if predictor is not None])
    choose_split(source, split)
    return source


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == TABLE and not path.is_dir()


def _pictures(
    source: Source, split: str | None, names: Sequence[str], shown: Input | None
) -> Callable[[str], np.ndarray]:
    """Return a function from the name of an image to its pixels, preprocessed as by a bundle, else at a fixed size."""
    from convworks.data.decode.preprocess import Preprocessing
    from convworks.data.inputs.kinds import input_of
    from convworks.data.inputs.pictures import pictures
    from convworks.inference.predictor import choose_split

    chosen = [choose_split(source, split)[1]] if split is not None else list(source.splits.values())
    samples = [(part, index) for part in chosen for index in range(len(part))]
    index_of = finder(name for part in chosen for name in part.names)
    missing = [name for name in names if index_of(name) is None]
    if missing:
        reason = f"has no {missing[0]!r}, nor {len(missing) - 1:,} more of the {len(names):,} compared images"
        raise InputError(source.where, reason, "give the source of the predictions")
    plain = Preprocessing(size=(SIDE, SIDE), channels=3, fit="crop", mean=(0.0,) * 3, std=(1.0,) * 3)
    shown = shown or input_of(plain)

    def image(name: str) -> np.ndarray:
        sample = index_of(name)
        assert sample is not None
        part, index = samples[sample]
        return next(pictures(shown, part, [index]))

    return image
