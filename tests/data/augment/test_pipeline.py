"""All augmentations together: purity, order in memory, odd images, wrong configurations, random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from convworks.config import build
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment, check_augment
from convworks.data.config import AffineConfig, AugmentConfig, ElasticConfig, JitterConfig, RandAugmentConfig
from convworks.errors import InputError


def pictures(b: int = 6, c: int = 3, h: int = 9, w: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, c, h, w), generator=generator, dtype=torch.uint8)


EVERYTHING = AugmentConfig(
    shift=1,
    border="reflect",
    flip=True,
    crop=0.3,
    affine=AffineConfig(translate=0.1, rotate=20, scale=0.2, squeeze=0.1, shear=0.3),
    elastic=ElasticConfig(alpha=8, sigma=1.5),
    randaugment=RandAugmentConfig(operations=3, magnitude=7),
    jitter=JitterConfig(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    lighting=0.1,
    cutout=3,
)
GREY = EVERYTHING.model_copy(update={"jitter": JitterConfig(brightness=0.4, contrast=0.4), "lighting": 0.0})
CONFIGS = {
    "nothing": AugmentConfig(),
    "shift": AugmentConfig(shift=2),
    "shift and flip": AugmentConfig(shift=2, border="reflect", flip=True),
    "crop": AugmentConfig(crop=0.4, flip=True),
    "affine": AugmentConfig(affine=EVERYTHING.affine),
    "elastic": AugmentConfig(elastic=EVERYTHING.elastic),
    "bicubic": AugmentConfig(affine=EVERYTHING.affine, elastic=EVERYTHING.elastic, interpolation="bicubic"),
    "randaugment": AugmentConfig(randaugment=RandAugmentConfig()),
    "jitter": AugmentConfig(jitter=EVERYTHING.jitter),
    "lighting": AugmentConfig(lighting=0.1),
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("size", [None, (5, 6)])
@pytest.mark.parametrize("name", CONFIGS)
def test_an_images_augmentation_does_not_depend_on_its_batch(name: str, size: tuple[int, int] | None) -> None:
    config, images = CONFIGS[name], pictures(8)
    original, noise = images.clone(), torch.rand(8, 48, generator=torch.Generator().manual_seed(1))
    whole = augment(images, noise, config, size)
    parts = [augment(images[part], noise[part], config, size) for part in (slice(0, 3), slice(3, 8))]
    assert whole.dtype == torch.uint8
    assert whole.shape == (8, 3, *(size or (9, 7)))
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole, augment(images, noise, config, size))
    assert torch.equal(images, original), "the images themselves stay as they are"
    if name not in ("nothing", "lighting", "jitter"):
        assert not torch.equal(whole[:, :, :5, :6], images[:, :, :5, :6])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    before = torch.get_num_threads()
    images, noise = pictures(16, h=70, w=60), torch.rand(16, 48, generator=torch.Generator().manual_seed(1))
    expected = augment(images, noise, EVERYTHING, (40, 50))
    torch.set_num_threads(threads)
    try:
        assert torch.equal(augment(images, noise, EVERYTHING, (40, 50)), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_the_order_in_memory_changes_nothing_and_leaves_as_channels_last(memory: torch.memory_format) -> None:
    noise = torch.rand(6, 48, generator=torch.Generator().manual_seed(1))
    images = pictures(6)
    for config in CONFIGS.values():
        for size in (None, (5, 6)):
            output = augment(images.contiguous(memory_format=memory), noise, config, size)
            assert torch.equal(output, augment(images, noise, config, size))
            if memory == torch.channels_last:
                assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 9), (2, 2), (8, 6)])
def test_images_of_other_channels_and_of_single_pixels(channels: int, h: int, w: int) -> None:
    noise = torch.rand(6, 48, generator=torch.Generator().manual_seed(4))
    check_augment(GREY, (h, w), (3, 4), channels)
    for size in ((h, w), (3, 4), (1, 1)):
        assert augment(pictures(6, channels, h, w), noise, GREY, size).shape == (6, channels, *size)
    assert augment(pictures(6, 3, h, w), noise, EVERYTHING, (3, 4)).shape == (6, 3, 3, 4)


@pytest.mark.parametrize(
    ("config", "channels", "field"),
    [
        (AugmentConfig(jitter=JitterConfig(hue=0.1)), 1, "augment.jitter.hue"),
        (AugmentConfig(jitter=JitterConfig(saturation=0.1)), 4, "augment.jitter.saturation"),
        (AugmentConfig(lighting=0.1), 1, "augment.lighting"),
    ],
)
def test_colours_need_colours(config: AugmentConfig, channels: int, field: str) -> None:
    check_augment(config, (8, 8), (8, 8), 3)
    with pytest.raises(InputError, match=f"channels={channels}") as error:
        check_augment(config, (8, 8), (8, 8), channels)
    assert error.value.where == field


def test_what_is_cut_out_must_fit() -> None:
    check_augment(AugmentConfig(crop=0.5), (8, 8), (9, 9), 3)
    with pytest.raises(InputError, match="stores 8x8 pixels, too few for crops of 8x9"):
        check_augment(AugmentConfig(), (8, 8), (8, 9), 3)


@pytest.mark.parametrize(
    "values",
    [
        {"crop_largest": 0.5},
        {"crop_ratio": 2.0},
        {"crop": 0.5, "crop_largest": 0.4},
        {"crop": 0.5, "crop_ratio": 0.9},
        {"flip": "often"},
        {"jitter": {"hue": 0.6}},
        {"jitter": {"colour": 0.6}},
        {"randaugment": {"operations": 9}},
        {"randaugment": {"magnitude": 11}},
        {"elastic": {"sigma": 0}},
        {"interpolation": "bicubic"},
        {"interpolation": "nearest", "elastic": {}},
        {"lighting": -0.1},
    ],
)
def test_wrong_configurations_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        build(AugmentConfig, values)


def test_alternating_flips_mirror_each_image_every_other_epoch() -> None:
    flips = []
    for epoch in range(6):
        rows = draw(AugmentConfig(flip="alternating"), 3, epoch, 1000)
        assert rows is not None
        assert rows.min() >= 0
        assert rows.max() < 1
        flips.append(rows[:, 2] < 0.5)
    assert 400 < int(flips[0].sum()) < 600
    for epoch in range(6):
        assert np.array_equal(flips[epoch], flips[0] if epoch % 2 == 0 else ~flips[0])
    plain = draw(AugmentConfig(flip=True), 3, 4, 1000)
    alternating = draw(AugmentConfig(flip="alternating"), 3, 4, 1000)
    assert plain is not None
    assert alternating is not None
    assert np.array_equal(np.delete(plain, 2, 1), np.delete(alternating, 2, 1)), "all else is drawn as ever"


def test_more_numbers_leave_the_first_ones_as_they_are() -> None:
    few, more, most = (
        draw(config, 1, 2, 50) for config in (AugmentConfig(shift=1), AugmentConfig(lighting=0.1), EVERYTHING)
    )
    assert few is not None
    assert more is not None
    assert most is not None
    assert (few.shape, more.shape, most.shape) == ((50, 16), (50, 32), (50, 48))
    assert np.array_equal(few, more[:, :16])
    assert np.array_equal(more, most[:, :32])
    assert len(np.unique(most)) > 2390, "no block repeats another"
    assert draw(AugmentConfig(mixup=0.2), 1, 2, 50) is None
    assert draw(AugmentConfig(), 1, 2, 50, resized=True) is not None
