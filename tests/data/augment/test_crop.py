"""Random crops against naive definitions and the published distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from convworks.data.augment.crop import _resampled, crop_boxes, cut, resized_crop


def pictures(b: int = 6, c: int = 3, h: int = 40, w: int = 30) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (b, h, w, c), dtype=np.uint8)
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def drawn(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_cut_is_a_slice_and_reaches_every_place_equally(channels: int) -> None:
    images = pictures(1, channels, 6, 5).expand(9_000, channels, 6, 5)
    noise = drawn(9_000)[:, :2]
    output = cut(images, noise, (4, 3))
    crops = {(y, x): images[0, :, y : y + 4, x : x + 3] for y in range(3) for x in range(3)}
    for (y, x), part in crops.items():
        here = ((noise[:, 0] * 3).long() == x) & ((noise[:, 1] * 3).long() == y)
        assert 900 < int(here.sum()) < 1100
        assert (output[here] == part).all()


def naive(part: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize h w c pixels by the antialiased triangle filter, pixel by pixel, first along the rows."""

    def along(pixels: np.ndarray, want: int) -> np.ndarray:
        scale = len(pixels) / want
        out = []
        for position in range(want):
            distances = np.abs(np.arange(len(pixels)) + 0.5 - (position + 0.5) * scale) / max(scale, 1)
            weights = np.clip(1 - distances, 0, None)
            out.append(np.round(np.tensordot(weights / weights.sum(), pixels, 1)))
        return np.stack(out)

    rows = along(part.astype(float).transpose(1, 0, 2), size[1]).transpose(1, 0, 2)
    return along(rows, size[0])


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("size", [(12, 16), (40, 30), (50, 61), (1, 1)])
def test_resized_crop_is_the_antialiased_triangle_on_every_device(channels: int, size: tuple[int, int]) -> None:
    images = pictures(c=channels)
    boxes = torch.tensor(
        [[0, 0, 40, 30], [3, 2, 30, 20], [39, 29, 1, 1], [0, 5, 40, 2], [10, 0, 2, 30], [1, 1, 13, 17]]
    )
    fast, general = resized_crop(images, boxes, size), _resampled(images, boxes, size)
    for image, box, fast_output, other in zip(images, boxes.tolist(), fast, general, strict=True):
        top, left, height, width = box
        part = image[:, top : top + height, left : left + width].permute(1, 2, 0).numpy()
        expected = naive(part, size)
        for output in (fast_output, other):
            difference = np.abs(output.permute(1, 2, 0).numpy() - expected)
            assert difference.max() <= 2, "each of two roundings may differ"
            assert difference.mean() < 0.25 or size == (1, 1)
    assert fast.is_contiguous(memory_format=torch.channels_last)


def test_resized_crop_is_pillows_bilinear() -> None:
    images, boxes = pictures(h=64, w=64), crop_boxes(drawn(6), 0.08, 1.0, 4 / 3, (64, 64))
    for image, (top, left, height, width), output in zip(
        images, boxes.tolist(), resized_crop(images, boxes, (24, 20)), strict=True
    ):
        part = Image.fromarray(image[:, top : top + height, left : left + width].permute(1, 2, 0).numpy())
        expected = np.asarray(part.resize((20, 24), Image.Resampling.BILINEAR)).astype(int)
        difference = np.abs(output.permute(1, 2, 0).numpy() - expected)
        assert difference.max() <= 1
        assert difference.mean() < 0.1


def test_boxes_have_the_published_areas_and_ratios() -> None:
    boxes = crop_boxes(drawn(20_000), 0.08, 1.0, 4 / 3, (1000, 1000))
    top, left, height, width = boxes.double().unbind(1)
    assert stats.kstest((height * width / 1e6).numpy(), stats.uniform(0.08, 0.92).cdf).pvalue > 0.01
    ratio = width / height
    assert float(ratio.min()) > 0.745
    assert float(ratio.max()) < 1.342
    small = height * width < 0.5e6  # where every ratio fits
    logarithm = stats.uniform(-math.log(4 / 3), 2 * math.log(4 / 3))
    assert stats.kstest(ratio[small].log().numpy(), logarithm.cdf).pvalue > 0.01
    assert stats.kstest((left / (1000 - width).clamp(min=1))[width < 900].numpy(), "uniform").pvalue > 0.01
    assert stats.kstest((top / (1000 - height).clamp(min=1))[height < 900].numpy(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("have", [(1, 1), (2, 300), (300, 2), (97, 31), (224, 256)])
@pytest.mark.parametrize(("smallest", "largest", "most"), [(0.08, 1.0, 4 / 3), (0.2, 0.8, 1.0), (0.99, 1.0, 3.0)])
def test_boxes_lie_inside_images_of_any_shape(
    have: tuple[int, int], smallest: float, largest: float, most: float
) -> None:
    extremes = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1 - 2**-24])] * 4)
    boxes = crop_boxes(torch.cat([drawn(500), extremes]), smallest, largest, most, have)
    top, left, height, width = boxes.unbind(1)
    assert int(torch.stack([top, left]).min()) >= 0
    assert int(torch.stack([height, width]).min()) >= 1
    assert int((top + height).max()) <= have[0]
    assert int((left + width).max()) <= have[1]


def test_a_ratio_of_one_is_a_square_of_the_image_and_its_share() -> None:
    _, _, height, width = crop_boxes(drawn(200), 0.25, 0.49, 1.0, (100, 100)).unbind(1)
    assert torch.equal(height, width)
    assert (int(height.min()), int(height.max())) in {(50, 70), (51, 70), (50, 69)}
