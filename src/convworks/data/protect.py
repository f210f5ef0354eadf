"""What a source is read from, in which and over which nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convworks.data.location import container
from convworks.data.source import Source
from convworks.outputs import Protected


def protect(source: Source) -> Protected:
    """Return the folders of a source, links to others included, and its files.

    Where a table or an index names the files, the folder that it lies in is one where people work, and so is the
    working directory: of these, the files alone are protected.
    """
    if source.path is None:
        return Protected(files=(_Files(source),))
    folders = {source.path.parent / holder for holder in _holders(source)}
    if source.path.is_dir():
        folders = {source.path, *(source.path / holder for holder in _holders(source))}
    else:
        desks = [source.path.parent.resolve(), Path.cwd()]
        folders = {each for each in folders if not any(desk.is_relative_to(each.resolve()) for desk in desks)}
    return Protected(folders=tuple(sorted(folders)), files=(_Files(source),))


def _holders(source: Source) -> set[str]:
    """Return the folders that the names of files begin with."""
    splits = [split for split in source.splits.values() if split.files and isinstance(split.files[0], Path)]
    return {name.rpartition("/")[0] for split in splits for name in split.names}


class _Files:
    """The files of a source, gone through one by one where somebody asks for them."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Path]:
        if self.source.path is not None and self.source.path.is_file():
            yield self.source.path
        last: Path | str | None = None
        for split in self.source.splits.values():
            for file in split.files or ():
                holder = container(file)
                if holder != last and isinstance(holder, Path):
                    yield holder
                last = holder
