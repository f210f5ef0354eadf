"""Corruption against explicit definitions, and the arguments it depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from convworks.data.augment.corruption import corrupt, fixed_key, gaussian, masking, salt_and_pepper, training_key
from convworks.data.batches import Part, batches
from convworks.data.config import AugmentConfig, Corruption, Gaussian, Masking, SaltAndPepper
from convworks.data.samples import Samples

KINDS: list[Corruption] = [Gaussian(deviation=0.3), Masking(rate=0.25), SaltAndPepper(rate=0.1)]


def images(n: int = 6, channels: int = 3, size: tuple[int, int] = (5, 7)) -> Tensor:
    pixels = np.random.default_rng(0).integers(1, 255, (n, channels, *size), dtype=np.uint8)
    return torch.from_numpy(pixels)


def test_gaussian_is_its_formula() -> None:
    clean, noise = images(), torch.randn(6, 3, 5, 7)
    result = gaussian(clean, noise, 0.2)
    for index in np.ndindex(*clean.shape):
        wanted = float(clean[index]) + 255 * 0.2 * float(noise[index])
        assert abs(int(result[index]) - min(max(wanted, 0.0), 255.0)) <= 0.51


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0])
def test_masking_and_salt_and_pepper_are_their_rules(rate: float) -> None:
    clean = images()
    numbers = np.random.default_rng(1).integers(0, 1 << 16, (6, 1, 5, 7), dtype=np.uint16)
    noise, hit = torch.from_numpy(numbers), round(rate * (1 << 16))
    masked, salted = masking(clean, noise, rate), salt_and_pepper(clean, noise, rate)
    for index in np.ndindex(*clean.shape):
        number, own = int(numbers[index[0], 0, index[2], index[3]]), int(clean[index])
        assert int(masked[index]) == (0 if number < hit else own)
        assert int(salted[index]) == (255 if number < hit // 2 else 0 if number < hit else own)


def test_rates_are_met() -> None:
    clean = torch.full((400, 1, 28, 28), 100, dtype=torch.uint8)
    salted = corrupt(clean, SaltAndPepper(rate=0.1), fixed_key(), range(400))
    for value in (0, 255):
        assert abs(float((salted == value).float().mean()) - 0.05) < 0.002
    masked = corrupt(clean, Masking(rate=0.25), fixed_key(), range(400))
    assert abs(float((masked == 0).float().mean()) - 0.25) < 0.003
    noisy = corrupt(clean, Gaussian(deviation=0.1), fixed_key(), range(400)).float() / 255
    assert abs(float(noisy.std()) - 0.1) < 0.001


def test_pixels_of_all_channels_are_hit_together() -> None:
    masked = corrupt(images(), Masking(rate=0.5), fixed_key(), range(6))
    assert torch.equal(masked[:, 0] == 0, masked[:, 2] == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_depends_on_the_sample_alone(kind: Corruption) -> None:
    clean, key = images(), training_key(3, 2)
    whole = corrupt(clean, kind, key, range(6))
    for order in ([4], [5, 0, 3], [1, 1]):
        assert torch.equal(corrupt(clean[order], kind, key, order), whole[order])
    assert not torch.equal(corrupt(clean, kind, training_key(3, 3), range(6)), whole)
    assert not torch.equal(corrupt(clean, kind, training_key(4, 2), range(6)), whole)
    assert not torch.equal(corrupt(clean, kind, fixed_key(), range(6)), whole)
    assert torch.equal(clean, images())


@pytest.mark.parametrize("mixup", [None, 0.4])
def test_batches_ask_for_the_augmented_image_and_read_its_corruption(mixup: float | None) -> None:
    clean = images(40, 1, (8, 8))
    labels = torch.arange(40)
    augment = AugmentConfig(shift=2, flip=True, mixup=mixup)
    unlabelled = Samples(images=clean, targets=None)

    def epoch(samples: Samples, kind: Corruption | None, **more: object) -> list[tuple[Tensor, Tensor]]:
        result = batches(samples, augment, batch_size=16, seed=1, epoch=2, corruption=kind, **more)  # type: ignore[arg-type]
        return [(batch.images, batch.targets) for batch in result]

    plain = epoch(Samples(images=clean, targets=labels), None)
    for kind in (None, *KINDS):
        result = epoch(unlabelled, kind)
        for (read, target), (augmented, _) in zip(result, plain, strict=True):
            assert torch.equal(target, augmented)
            assert torch.equal(read, target) == (kind is None)
        later = epoch(unlabelled, kind, start=1)
        assert all(torch.equal(a[0], b[0]) for a, b in zip(later, result[1:], strict=True))
        parts = [epoch(unlabelled, kind, part=Part(number, 3)) for number in range(3)]
        for step, (read, target) in enumerate(result):
            assert torch.equal(torch.cat([part[step][0] for part in parts]), read)
            assert torch.equal(torch.cat([part[step][1] for part in parts]), target)
