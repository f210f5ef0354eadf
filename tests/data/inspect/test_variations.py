"""The sheet shows the pixels of `batches`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convworks.data.batches import batches
from convworks.data.column import COLOURS, Arrays
from convworks.data.config import AugmentConfig, DataConfig, JitterConfig
from convworks.data.decode.load import load_images
from convworks.data.inspect.variations import choose, plan, vary, write_variation_sheet
from convworks.data.samples import Samples
from convworks.data.source import Source, Split
from convworks.errors import InputError


def source(n: int = 90, classes: int = 3, channels: int = 3, side: int = 20) -> Source:
    arrays = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    split = Split(
        names=tuple(str(at) for at in range(n)), inputs=Arrays(arrays, COLOURS), targets=Arrays(np.arange(n) % classes)
    )
    names = tuple(f"class {label}" for label in range(classes))
    return Source(name="random", kind="idx", path=None, classes=names, splits={"train": split})


CONFIGS = {
    "shift": AugmentConfig(shift=2, flip=True),
    "alternating": AugmentConfig(flip="alternating"),
    "mixed": AugmentConfig(flip=True, crop=0.3, mixup=0.4, cutmix=1.0),
    "colour": AugmentConfig(crop=0.5, jitter=JitterConfig(brightness=0.4, hue=0.1), lighting=0.1),
    "nothing": AugmentConfig(),
}


@pytest.mark.parametrize("size", [(20, 20), (12, 14)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_versions_are_those_of_the_batches(config: AugmentConfig, size: tuple[int, int]) -> None:
    data = DataConfig(source="random", size=size, stored=(20, 20))
    split, settings = plan(source(), data, config, seed=7, batch_size=16, largest=224)
    assert len(split) < 90, "some are for validation"
    samples = Samples(images=load_images(split, settings.kept), targets=torch.arange(len(split)))
    for epoch in (0, 1, 5):
        seen = {}
        for batch in batches(samples, config, size=size, batch_size=16, seed=7, epoch=epoch):
            others = [None] * len(batch.targets) if batch.others is None else batch.others.tolist()
            for image, index, other in zip(batch.images, batch.targets.tolist(), others, strict=True):
                seen[index] = (image, other, batch.weight)
        for index in (0, 1, 17, len(split) - 1):
            version = vary(split, settings, index, epoch)
            image, other, weight = seen[index]
            assert torch.equal(version.image, image)
            assert version.image.shape == (3, *size)
            assert (version.other, version.weight) == (other, weight)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_sheet_is_written_the_same_each_time(tmp_path: Path, channels: int) -> None:
    config = AugmentConfig(shift=3, cutmix=1.0)
    for name in ("1.png", "2.png"):
        whole = source(channels=channels)
        data = DataConfig(source="random")
        split, settings = plan(whole, data, config, seed=0, batch_size=16, largest=224)
        chosen = write_variation_sheet(whole, split, settings, "random", tmp_path / name)
        assert len(chosen) == len(set(chosen)) == 6
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    with Image.open(tmp_path / "1.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")


def test_classes_come_equally_often() -> None:
    many, few = source(classes=20), source(classes=2)
    assert len({int(many.splits["train"].labels[at]) for at in choose(many.splits["train"])}) == 8
    assert [int(few.splits["train"].labels[at]) for at in choose(few.splits["train"])] == [0] * 4 + [1] * 4


def test_what_cannot_be_augmented_is_refused() -> None:
    config = AugmentConfig(lighting=0.1)
    with pytest.raises(InputError, match="channels=1"):
        plan(source(channels=1), DataConfig(source="random"), config, seed=0, batch_size=8, largest=224)
