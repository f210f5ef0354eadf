from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convworks
from convworks.data.batches import Part, batches
from convworks.data.config import AugmentConfig
from convworks.data.decode.ahead import ahead
from convworks.data.decode.images import Decoded, Images, open_images, take
from convworks.data.decode.load import Loaded, load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.samples import Samples
from convworks.data.source import Source
from convworks.data.sources.folder import open_folder
from convworks.errors import InputError

SHAPE = Preprocessing(size=(12, 14), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
VARIED = AugmentConfig(shift=2, flip=True, crop=0.4, cutout=3)
MIXED = AugmentConfig(flip=True, mixup=0.4, cutmix=1.0)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of noise, of several sizes."""
    root, rng = tmp_path_factory.mktemp("images") / "set", np.random.default_rng(0)
    for label in "abc":
        (root / label).mkdir(parents=True)
        for number in range(11):
            pixels = rng.integers(0, 256, (20 + number, 31 - number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.jpg")
    return root


@pytest.fixture(scope="module")
def source(photographs: Path) -> Source:
    return open_folder(photographs)


def samples(source: Source, *, always: bool) -> Samples:
    split = source.splits["all"]
    opened = open_images(split, SHAPE, always=always)
    images: Images = opened.images if isinstance(opened, Loaded) else opened
    return Samples(images=images, targets=torch.from_numpy(split.labels))


def digest(dataset: Samples, config: AugmentConfig, *, workers: int, of: int = 1, start: int = 0) -> str:
    """Hash the batches of an epoch, joined from the parts of several ranks."""
    ranks = [
        batches(dataset, config, batch_size=8, seed=3, epoch=2, start=start, part=Part(rank, of), workers=workers)
        for rank in range(of)
    ]
    sha256 = hashlib.sha256()
    for parts in zip(*ranks, strict=True):
        sha256.update(torch.cat([part.images for part in parts]).contiguous().numpy().tobytes())
        sha256.update(torch.cat([part.targets for part in parts]).numpy().tobytes())
    return sha256.hexdigest()


@pytest.mark.parametrize("config", [AugmentConfig(), VARIED, MIXED])
def test_batches_are_the_same_wherever_images_are_and_whoever_fetches_them(
    config: AugmentConfig, source: Source
) -> None:
    expected = digest(samples(source, always=False), config, workers=0)
    for always in (False, True):
        dataset = samples(source, always=always)
        digests = {digest(dataset, config, workers=workers) for workers in (0, 1, 2, 4)}
        digests |= {digest(dataset, config, workers=workers, of=of) for of in (2, 4) for workers in (0, 2)}
        assert digests == {expected}


def test_a_resumed_epoch_goes_on_with_the_same_batches(source: Source) -> None:
    digests = {
        digest(samples(source, always=always), VARIED, workers=workers, start=2)
        for always in (False, True)
        for workers in (0, 3)
    }
    assert len(digests) == 1
    assert digests != {digest(samples(source, always=False), VARIED, workers=0)}


def test_decoded_images_are_those_of_the_whole_set(source: Source) -> None:
    split = source.splits["all"]
    whole, always = load_images(split, SHAPE), Decoded(split, SHAPE)
    assert always.shape == whole.shape
    indices = np.array([7, 0, 32, 7])
    assert torch.equal(take(always, indices), whole[indices])
    assert torch.equal(take(always, slice(5, 9)), take(whole, slice(5, 9)))
    assert take(always, indices).is_contiguous(memory_format=torch.channels_last)
    assert always.mean_std() == Loaded(images=whole).mean_std()


def test_a_damaged_file_is_named_when_it_is_wanted(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    good = (photographs / "a" / "0.jpg").read_bytes()
    (tmp_path / "a" / "good.jpg").write_bytes(good)
    (tmp_path / "a" / "bad.jpg").write_bytes(good[:60])
    images = Decoded(open_folder(tmp_path).splits["all"], SHAPE)
    with pytest.raises(InputError, match=r"bad\.jpg"):
        take(images, slice(None))


def test_work_ahead_keeps_order_and_waits_for_who_takes_it() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.001 * (item % 3))
        return item * item

    results = ahead(work, range(100), 3)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= 5  # the one that was taken, one for each thread, and one more
    assert list(results) == [item * item for item in range(1, 100)]


def test_work_ahead_ends_when_nobody_wants_the_rest_or_it_fails() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise InputError("five", "is refused", "choose another")
        return item

    before = threading.active_count()
    results = ahead(work, iter(range(10**9)), 2)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(InputError, match="five"):
        next(results)
    abandoned = ahead(work, range(4), 2)
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_training_is_the_same_wherever_images_are(photographs: Path, tmp_path: Path) -> None:
    weights = []
    for number, overrides in enumerate((["data.decode=once"], ["data.decode=always", "data.workers=2"])):
        trained = convworks.train(
            data=photographs,
            model="convnet_color",
            epochs=2,
            out=tmp_path / str(number),
            device="cpu",
            deterministic=True,
            overrides=["data.size=(16, 16)", *overrides],
        )
        weights.append((Path(trained["bundle"]) / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_set_that_has_room_nowhere_is_decoded_when_it_is_wanted(
    source: Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("convworks.data.cache.memory.free_memory", lambda: 0)
    (tmp_path / "convworks").write_text("a file where the folder should be")
    images = open_images(source.splits["all"], SHAPE, always=False)
    assert isinstance(images, Decoded)
    assert "images are decoded whenever they are wanted" in capsys.readouterr().err
