from __future__ import annotations

import numpy as np
import pytest
import torch

from convworks.data.batches import Samples, batches, normalise, steps_per_epoch
from convworks.data.config import AugmentConfig


def samples(n: int = 103) -> Samples:
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 4, 4)
    return Samples(images=images.contiguous(memory_format=torch.channels_last), labels=torch.arange(n))


def run(
    start: int = 0, *, seed: int = 0, epoch: int = 0, batch_size: int = 10
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    found = batches(samples(), AugmentConfig(shift=1), batch_size=batch_size, seed=seed, epoch=epoch, start=start)
    return list(found)


@pytest.mark.parametrize("batch_size", [1, 2, 10, 102, 103, 104, 1000])
def test_every_sample_is_in_exactly_one_batch_and_sizes_differ_by_at_most_one(batch_size: int) -> None:
    found = run(batch_size=batch_size)
    assert len(found) == steps_per_epoch(103, batch_size)
    assert sorted(torch.cat([labels for _, labels in found]).tolist()) == list(range(103))
    sizes = {len(labels) for _, labels in found}
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size


def test_images_stay_with_their_labels() -> None:
    for images, labels in run():
        assert torch.equal(images.amax((1, 2, 3)).long(), labels)


def test_starting_in_the_middle_gives_the_rest() -> None:
    whole, rest = run(), run(start=4)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(whole[4:], rest, strict=True))


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {tuple(torch.cat([labels for _, labels in run(seed=s, epoch=e)]).tolist()) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4


def test_normalise_against_numpy() -> None:
    images = torch.randint(0, 256, (3, 2, 4, 5), dtype=torch.uint8)
    mean, std = (0.3, 0.6), (0.2, 0.1)
    expected = (images.numpy() / 255 - np.reshape(mean, (2, 1, 1))) / np.reshape(std, (2, 1, 1))
    np.testing.assert_allclose(normalise(images, mean, std).numpy(), expected, rtol=1e-5, atol=1e-5)
