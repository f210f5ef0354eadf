from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convworks.config import build
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment, check_augment
from convworks.data.augment.pixels import flip, shift
from convworks.data.augment.warp import affine_matrices, crop_matrices, warp
from convworks.data.config import AffineConfig, AugmentConfig, ElasticConfig, JitterConfig, RandAugmentConfig
from convworks.errors import InputError


def pictures(b: int = 6, c: int = 3, h: int = 9, w: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, c, h, w), generator=generator, dtype=torch.uint8)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(5, 9), st.integers(5, 9), st.integers(0, 4), st.booleans())
def test_shift_is_a_crop_of_the_padded_image(b: int, c: int, h: int, w: int, pixels: int, reflect: bool) -> None:
    images, noise = pictures(b, c, h, w), torch.rand(b, 2)
    found = shift(images, noise, pixels, reflect=reflect)
    mode = "reflect" if reflect else "constant"
    for index in range(b):
        dy, dx = (int(v) for v in (noise[index] * (2 * pixels + 1)).long())
        padded = np.pad(images[index].numpy(), ((0, 0), (pixels, pixels), (pixels, pixels)), mode=mode)  # type: ignore[call-overload]
        assert np.array_equal(found[index].numpy(), padded[:, dy : dy + h, dx : dx + w])


def test_shift_reaches_every_offset_equally() -> None:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    image[0, 0, 2, 2] = 1
    noise = torch.rand(9_000, 2, generator=torch.Generator().manual_seed(0))
    counts = shift(image.expand(9_000, 1, 5, 5), noise, 1).long().sum((0, 1))
    assert counts[1:4, 1:4].sum() == 9_000
    assert counts[1:4, 1:4].min() > 850


@pytest.mark.parametrize("side", [9, 80])
def test_flip_mirrors_those_below_a_half(side: int) -> None:
    images = pictures(4, w=side, h=side)
    found = flip(images, torch.tensor([0.1, 0.9, 0.49, 0.5]))
    assert torch.equal(found[[0, 2]], images[[0, 2]].flip(3))
    assert torch.equal(found[[1, 3]], images[[1, 3]])


def test_the_identity_map_changes_nothing() -> None:
    images = pictures()
    assert torch.equal(warp(images, torch.eye(3).expand(6, 3, 3)), images)
    still = AffineConfig()
    assert torch.equal(warp(images, affine_matrices(torch.rand(6, 6), still)), images)


def test_translation_by_whole_pixels_is_a_shift() -> None:
    images = pictures(1, 1, 10, 10)
    config = AffineConfig(translate=0.2)  # up to two of ten pixels
    noise = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.5, 0.5]])  # fully in x
    moved = warp(images, affine_matrices(noise, config))
    assert torch.equal(moved[..., :8], images[..., 2:])
    assert moved[..., 8:].sum() == 0


def test_scale_squeeze_and_rotation_keep_what_they_should() -> None:
    noise = torch.rand(100, 6)
    squeezed = affine_matrices(noise, AffineConfig(squeeze=0.3))
    torch.testing.assert_close(torch.linalg.det(squeezed), torch.ones(100))
    turned = affine_matrices(noise, AffineConfig(rotate=30))[:, :2, :2]
    torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(100, 2, 2), atol=1e-5, rtol=0)
    scaled = affine_matrices(noise, AffineConfig(scale=0.2))
    assert scaled[:, 0, 0].min() >= 0.8
    assert scaled[:, 0, 0].max() <= 1.2


@given(st.floats(0.05, 1), st.integers(4, 40), st.integers(4, 40))
def test_crops_stay_inside_and_keep_their_share(smallest: float, h: int, w: int) -> None:
    matrices = crop_matrices(torch.rand(64, 4), smallest, (h, w))
    corners = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 1.0, 1.0]]).T
    assert (matrices[:, :2] @ corners).abs().max() <= 1 + 1e-5
    area = matrices[:, 0, 0] * matrices[:, 1, 1]
    assert area.max() <= 1 + 1e-5


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
    "randaugment": AugmentConfig(randaugment=RandAugmentConfig()),
    "jitter": AugmentConfig(jitter=EVERYTHING.jitter),
    "lighting": AugmentConfig(lighting=0.1),
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("size", [None, (5, 6)])
@pytest.mark.parametrize("name", CONFIGS)
def test_an_images_augmentation_does_not_depend_on_its_batch(name: str, size: tuple[int, int] | None) -> None:
    config, images = CONFIGS[name], pictures(8)
    kept, noise = images.clone(), torch.rand(8, 48, generator=torch.Generator().manual_seed(1))
    whole = augment(images, noise, config, size)
    parts = [augment(images[part], noise[part], config, size) for part in (slice(0, 3), slice(3, 8))]
    assert whole.dtype == torch.uint8
    assert whole.shape == (8, 3, *(size or (9, 7)))
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole, augment(images, noise, config, size))
    assert torch.equal(images, kept), "the images themselves stay as they are"
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
            found = augment(images.contiguous(memory_format=memory), noise, config, size)
            assert torch.equal(found, augment(images, noise, config, size))
            if memory == torch.channels_last:
                assert found.is_contiguous(memory_format=torch.channels_last)


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
    with pytest.raises(InputError, match=f"channels={channels}") as told:
        check_augment(config, (8, 8), (8, 8), channels)
    assert told.value.where == field


def test_what_is_cut_out_must_fit() -> None:
    check_augment(AugmentConfig(crop=0.5), (8, 8), (9, 9), 3)
    with pytest.raises(InputError, match="keeps 8x8 pixels, too few to cut 8x9"):
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
