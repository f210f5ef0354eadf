"""Mixup, cutmix and cutout against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from convworks.data.augment.mix import Mixture, draw_mixture, mix
from convworks.data.augment.pixels import cutout
from convworks.data.config import AugmentConfig


def drawn(config: AugmentConfig, count: int = 2000) -> list[Mixture]:
    mixtures = [draw_mixture(config, 0, 0, batch) for batch in range(count)]
    return [mixture for mixture in mixtures if mixture is not None]


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    weights = [mixture.weight for mixture in drawn(AugmentConfig(mixup=alpha))]
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_nothing_is_drawn_where_nothing_is_asked_for_and_both_kinds_where_both_are() -> None:
    assert drawn(AugmentConfig(flip=True)) == []
    boxes = [mixture.box is not None for mixture in drawn(AugmentConfig(mixup=1.0, cutmix=1.0))]
    assert 900 < sum(boxes) < 1100


def test_mixup_blends() -> None:
    a, b = torch.randint(0, 256, (2, 4, 3, 5, 6), dtype=torch.uint8)
    mixed, weight = mix(a, b, Mixture(0.3, None))
    expected = (0.3 * a.double() + 0.7 * b.double()).numpy()
    assert weight == 0.3
    assert np.abs(mixed.numpy() - expected).max() <= 0.5001


def test_cutmix_pastes_a_box_and_the_weight_is_what_is_left() -> None:
    a, b = torch.zeros(2, 1, 10, 20, dtype=torch.uint8), torch.ones(2, 1, 10, 20, dtype=torch.uint8)
    for mixture in drawn(AugmentConfig(cutmix=1.0), 200):
        found, weight = mix(a, b, mixture)
        assert weight == pytest.approx(1 - float(found.double().mean()), abs=1e-6)
        assert weight >= mixture.weight - 0.2  # the box may leave the image, never grow
    assert not a.any()


def test_cutout_blanks_a_square_around_any_pixel() -> None:
    images = torch.full((400, 2, 8, 8), 9, dtype=torch.uint8)
    noise = torch.rand(400, 2, generator=torch.Generator().manual_seed(0))
    found = cutout(images, noise, 4)
    blank = (found == 0).all(1)
    assert ((found == 9).all(1) | blank).all()
    areas = blank.sum((1, 2))
    assert int(areas.max()) == 16
    assert int(areas.min()) == 4  # at a corner
    for mask, (y, x) in zip(blank, noise, strict=True):
        assert mask[int(y * 8), int(x * 8)]
