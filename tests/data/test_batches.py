from __future__ import annotations

import pytest
import torch

from convworks.data.batches import Batch, Part, batches, steps_per_epoch
from convworks.data.config import AugmentConfig
from convworks.data.samples import Samples


def samples(n: int = 103) -> Samples:
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 4, 4)
    return Samples(images=images.contiguous(memory_format=torch.channels_last), targets=torch.arange(n))


def run(start: int = 0, *, seed: int = 0, epoch: int = 0, batch_size: int = 10) -> list[Batch]:
    result = batches(samples(), AugmentConfig(shift=1), batch_size=batch_size, seed=seed, epoch=epoch, start=start)
    return list(result)


#: What changes pixels or labels in every way that there is.
EVERYTHING = AugmentConfig(shift=1, flip=True, crop=0.5, cutout=2, mixup=0.4, cutmix=1.0)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("processes", [2, 3, 4])
def test_the_parts_of_several_processes_are_the_batches_of_one(processes: int, balanced: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8, generator=generator)
    pictures = Samples(images=images, targets=torch.randint(0, 4, (50,), generator=generator))

    def batches_of(part: Part) -> list[Batch]:
        made = batches(pictures, EVERYTHING, batch_size=12, seed=3, epoch=1, balanced=balanced, part=part)
        return list(made)

    whole, parts = batches_of(Part()), [batches_of(Part(rank, processes)) for rank in range(processes)]
    for batch, *pieces in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([piece.images for piece in pieces]), batch.images)
        assert torch.equal(torch.cat([piece.targets for piece in pieces]), batch.targets)
        others = [piece.others for piece in pieces if piece.others is not None]
        assert batch.others is not None
        assert torch.equal(torch.cat(others), batch.others)
        assert {(piece.size, piece.weight) for piece in pieces} == {(batch.size, batch.weight)}


def test_a_balanced_epoch_draws_every_class_equally_often_and_varies_repeated_samples() -> None:
    labels = torch.tensor([0] * 50 + [1] * 6 + [2] * 1)
    images = torch.arange(57, dtype=torch.uint8)[:, None, None, None].expand(57, 1, 6, 6).clone()
    images[..., :3] += 100
    drawn = list(
        batches(
            Samples(images=images, targets=labels),
            AugmentConfig(flip=True),
            batch_size=8,
            seed=0,
            epoch=0,
            balanced=True,
        )
    )
    assert torch.cat([batch.targets for batch in drawn]).bincount().tolist() == [19, 19, 19]
    rare = torch.cat([batch.images[batch.targets == 2] for batch in drawn])
    assert len({tuple(image.flatten().tolist()) for image in rare}) == 2  # mirrored or not


@pytest.mark.parametrize("batch_size", [1, 2, 10, 102, 103, 104, 1000])
def test_every_sample_is_in_exactly_one_batch_and_sizes_differ_by_at_most_one(batch_size: int) -> None:
    result = run(batch_size=batch_size)
    assert len(result) == steps_per_epoch(103, batch_size)
    assert sorted(torch.cat([batch.targets for batch in result]).tolist()) == list(range(103))
    sizes = {len(batch.targets) for batch in result}
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size


def test_images_stay_with_their_labels() -> None:
    for batch in run():
        assert torch.equal(batch.images.amax((1, 2, 3)).long(), batch.targets)
        assert batch.size == len(batch.targets)


def test_starting_in_the_middle_gives_the_rest() -> None:
    whole, rest = run(), run(start=4)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(whole[4:], rest, strict=True))


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {
        tuple(torch.cat([batch.targets for batch in run(seed=s, epoch=e)]).tolist()) for s in (0, 1) for e in (0, 1)
    }
    assert len(orders) == 4
