"""From image files to pixels: decode and resize a folder of photographs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Benchmark, BenchmarkError, Variant, data, last_line, script

COUNT = 600
CLASSES = 2


def folder(workspace: Path) -> Benchmark:
    """Read photographs at the size usual for ImageNet."""
    return _folder(workspace, "folder", 224)


def folder_small(workspace: Path) -> Benchmark:
    """Read photographs at the size that `convworks train --data FOLDER` chooses for them."""
    return _folder(workspace, "folder-small", 96)


def enlarge(photos: Path, root: Path, count: int = COUNT) -> None:
    """Fill class folders with links to the photographs, repeated until there are `count`."""
    if root.is_dir():
        return
    files = sorted(photos.iterdir())
    if not files:
        raise BenchmarkError(f"{photos}: holds no photographs")
    for number in range(count):
        file = files[number % len(files)]
        link = root / f"class{number % CLASSES}" / f"{number:05d}{file.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())


def _folder(workspace: Path, name: str, side: int) -> Benchmark:
    root = workspace / "photos"
    enlarge(data() / "photos", root)
    peer = "torchvision ImageFolder, Resize, CenterCrop; DataLoader with 2 workers"
    return Benchmark(
        name=name,
        job=f"{COUNT} photographs to uint8 tensors of {side}x{side}, without start-up.",
        variants=(
            Variant(
                name="convworks load_images",
                command=lambda _: script("convworks_side/load_folder.py", root, "--size", side),
                read=last_line,
            ),
            Variant(
                name=peer,
                command=lambda _: script("peers/torchvision_folder.py", root, "--size", side),
                read=last_line,
            ),
        ),
        yardstick=peer,
        repeats=7,
        amount=COUNT,
        unit="images/s",
        same=("images",),
    )
