"""Which files a worker loads, by their identities: whether they have been replaced is seen without reading them."""

from __future__ import annotations

from pathlib import Path

from convworks.bundle.description import NAME, WAITING, WEIGHTS, folder_of, identity
from convworks.serve.settings import Named

#: The identities of files, by name: inode, size and time of change of each.
State = tuple[tuple[str, tuple[int, ...]], ...]


def state_of(named: Named) -> State:
    """Return the state of all files of some bundles, exported or not; one that is missing is left out."""
    state = []
    for file in (file for path in named.paths for file in _files(path)):
        try:
            state.append((str(file), identity(file)))
        except OSError:
            continue
    return tuple(state)


def _files(path: Path) -> list[Path]:
    """Return the files that a worker reads: of a bundle, description and weights; of OpenVINO, the weights too."""
    if not path.is_dir():
        return [path, path.with_suffix(".bin")] if path.suffix.lower() == ".xml" else [path]
    folder = folder_of(path)
    waiting = sorted(file for file in folder.glob("weights.*") if WAITING.fullmatch(file.name))
    return [folder / NAME, folder / WEIGHTS, *waiting]
