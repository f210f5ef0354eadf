"""From image files to the normalised batches of an epoch of training: the first epoch, and every later one."""

from __future__ import annotations

import tarfile
from pathlib import Path

from benchmarks.measure import Benchmark, BenchmarkError, Variant, data, last_line, script

COUNT = 2000
CLASSES = 2
PEER = "torchvision ImageFolder, RandomResizedCrop, flip; DataLoader with 2 workers"


def loader_first(workspace: Path) -> Benchmark:
    """Decode, fill the cache, and iterate over the first epoch."""
    return _loader(workspace, "loader-first", "first")


def loader_later(workspace: Path) -> Benchmark:
    """Iterate over a later epoch."""
    return _loader(workspace, "loader-later", "later")


def _loader(workspace: Path, name: str, epoch: str) -> Benchmark:
    root, cache = workspace / "images", workspace / "cache"
    _enlarge(workspace, root)
    return Benchmark(
        name=name,
        job=f"{COUNT} photos, random crops resized to 224x224, flipped, as float32: the {epoch} epoch, no start-up.",
        variants=(
            Variant(
                name="convworks load_split, batches",
                command=lambda _: script("convworks_side/load_epoch.py", root, "--epoch", epoch, "--cache", cache),
                read=last_line,
            ),
            Variant(
                name="timm create_dataset, create_loader with 2 workers",
                command=lambda _: script("peers/timm_epoch.py", root, "--epoch", epoch),
                read=last_line,
            ),
            Variant(
                name=PEER,
                command=lambda _: script("peers/torchvision_epoch.py", root, "--epoch", epoch),
                read=last_line,
            ),
        ),
        yardstick=PEER,
        repeats=5,
        amount=COUNT,
        unit="images/s",
        same=("images",),
    )


def _enlarge(workspace: Path, root: Path) -> None:
    """Fill class folders with links to the photographs and to hymenoptera, repeated until there are COUNT."""
    archive = data() / "hymenoptera.tar"
    if not archive.is_file():
        raise BenchmarkError(f"{archive}: is missing")
    with tarfile.open(archive) as tar:
        tar.extractall(workspace / "hymenoptera", filter="data")
    files = sorted(path for path in (workspace / "hymenoptera").rglob("*.jpg") if path.is_file())
    files += sorted((data() / "photos").iterdir())
    for number in range(COUNT):
        file = files[number % len(files)]
        link = root / f"class{number % CLASSES}" / f"{number:05d}{file.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
