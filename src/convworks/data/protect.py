"""The files and folders of a source, which are protected from writing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from convworks.data.column import files_of
from convworks.data.location import container
from convworks.data.source import Source
from convworks.outputs import Protected


def protect(source: Source) -> Protected:
    """Return the folders of a source, including linked ones, and its files.

    The folder of a table or an index, and the working directory, may be working folders: there, only the files are
    protected.
    """
    if source.path is None:
        return Protected(files=(_Files(source),))
    folders = {source.path.parent / path for path in _folders(source)}
    if source.path.is_dir():
        folders = {source.path, *(source.path / path for path in _folders(source))}
    else:
        working = [source.path.parent.resolve(), Path.cwd()]
        folders = {folder for folder in folders if not any(path.is_relative_to(folder.resolve()) for path in working)}
    return Protected(folders=tuple(sorted(folders)), files=(_Files(source),))


def _folders(source: Source) -> set[str]:
    """Return the folders in the names of the samples."""
    splits = [split for split in source.splits.values() if isinstance(next(iter(files_of(split.inputs)), None), Path)]
    return {name.rpartition("/")[0] for split in splits for name in split.names}


class _Files:
    """The files of a source, listed lazily."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Path]:
        if self.source.path is not None and self.source.path.is_file():
            yield self.source.path
        last: Path | str | None = None
        for split in self.source.splits.values():
            for file in chain(files_of(split.inputs), files_of(split.targets)):
                path = container(file)
                if path != last and isinstance(path, Path):
                    yield path
                last = path
