"""Large cached images are read on demand, and equal those in memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convworks.data.batches import batches
from convworks.data.cache import cached
from convworks.data.cache import store as cache
from convworks.data.cache.on_disk import OnDisk
from convworks.data.config import AugmentConfig
from convworks.data.decode.images import fetchers, take
from convworks.data.decode.load import load_images, load_split
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.samples import Samples
from convworks.data.source import Split
from convworks.data.sources.folder import open_folder
from convworks.errors import RunError

WANT = Preprocessing(size=(80, 90), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.2,) * 3)
VARIED = AugmentConfig(crop=0.3, flip=True, mixup=0.4)


@pytest.fixture(autouse=True)
def entries_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.LIMIT, "1GB")
    monkeypatch.setattr(cached, "MOST_FILES", 0)
    return tmp_path / "cache" / "convworks" / "decoded"


@pytest.fixture
def split(tmp_path: Path) -> Split:
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(9):
            pixels = rng.integers(0, 256, (100, 110, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{number}.png")
    return open_folder(tmp_path / "set").splits["all"]


def on_disk(split: Split) -> OnDisk:
    disk_images = load_split(split, WANT).images
    assert isinstance(disk_images, OnDisk)
    return disk_images


def test_they_are_those_of_memory(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_images, mapped = on_disk(split), load_images(split, WANT)
    monkeypatch.setenv(cache.LIMIT, "0")
    expected = load_images(split, WANT)
    assert disk_images.shape == mapped.shape == expected.shape == (18, 3, 80, 90)
    assert len(disk_images) == 18
    assert torch.equal(mapped, expected)
    assert torch.equal(disk_images.mapped(), expected)
    indices = np.array([7, 0, 17, 7])
    assert torch.equal(take(disk_images, indices), expected[indices])
    assert torch.equal(take(disk_images, slice(5, 9)), expected[5:9])
    assert take(disk_images, indices).is_contiguous(memory_format=torch.channels_last)
    assert take(disk_images, np.array([], np.int64)).shape == (0, 3, 80, 90)
    assert (fetchers(disk_images), fetchers(expected)) == (1, 0)


@pytest.mark.parametrize("workers", [None, 0, 1, 3])
def test_batches_are_those_of_memory(split: Split, workers: int | None) -> None:
    labels = torch.from_numpy(split.labels)
    options = {"size": (40, 40), "batch_size": 5, "seed": 0, "epoch": 1}
    sources = ((on_disk(split), workers), (load_images(split, WANT), 0))
    epochs = [
        list(batches(Samples(images=images, targets=labels), VARIED, **options, workers=count))  # type: ignore[arg-type]
        for images, count in sources
    ]
    for batch, other in zip(*epochs, strict=True):
        assert torch.equal(batch.images, other.images)
        assert torch.equal(batch.targets, other.targets)


def test_an_entry_that_is_removed_is_read_on(split: Split, entries_folder: Path) -> None:
    disk_images, expected = on_disk(split), load_images(split, WANT).clone()
    assert cache.clear()
    assert not list(entries_folder.glob(f"*{cache.SUFFIX}"))
    assert torch.equal(take(disk_images, slice(0, 18)), expected)
    assert torch.equal(disk_images.mapped(), expected)


def test_an_entry_that_is_gone_before_is_decoded_anew(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_images(split, WANT).clone()
    (entry,) = cache.entries()
    monkeypatch.setattr("convworks.data.decode.load.find_or_decode", lambda *_: entry)
    entry.path.unlink()
    assert torch.equal(load_images(split, WANT), expected)


def test_a_damaged_image_is_told_when_it_is_read_first_and_decoded_anew_the_next_time(split: Split) -> None:
    expected = load_images(split, WANT).clone()
    (entry,) = cache.entries()
    with entry.path.open("r+b") as file:
        file.seek(entry.start + 5 * expected[0].numel() + 1000)
        (value,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([value ^ 1]))
    disk_images = on_disk(split)
    for indices in (slice(0, 5), slice(6, 18)):
        assert torch.equal(take(disk_images, indices), expected[indices])
    with pytest.raises(RunError, match=r"is damaged \(image 5 .* was removed; start again, or resume the run"):
        take(disk_images, slice(0, 18))
    assert cache.entries() == []
    with pytest.raises(RunError, match="image 5"):
        disk_images.mapped()
    assert torch.equal(take(on_disk(split), slice(0, 18)), expected)


def test_an_entry_that_is_cut_off_is_told(split: Split) -> None:
    disk_images = on_disk(split)
    os.truncate(disk_images.entry.path, disk_images.entry.start + 100)
    with pytest.raises(RunError, match="was truncated"):
        take(disk_images, slice(0, 2))


def test_many_threads_read_at_once(split: Split) -> None:
    disk_images, expected = on_disk(split), load_images(split, WANT)
    wrong: list[int] = []

    def read(seed: int) -> None:
        indices = np.random.default_rng(seed).integers(0, 18, 200)
        if not torch.equal(take(disk_images, indices), expected[indices]):
            wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_file_is_closed_with_the_images(split: Split) -> None:
    disk_images = on_disk(split)
    handle = disk_images.handle
    os.fstat(handle)
    del disk_images
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_small_images_are_mapped(split: Split) -> None:
    small = WANT.model_copy(update={"size": (32, 32)})
    assert isinstance(load_split(split, small).images, torch.Tensor)
