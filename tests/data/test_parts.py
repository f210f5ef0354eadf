"""Work on a batch in several threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
import torch

from convworks.data.augment.crop import crop_boxes, resized_crop
from convworks.data.augment.pixels import flip
from convworks.data.parts import in_parts


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("n", [1, 2, 5, 64])
def test_the_parts_are_the_whole(threads: int, n: int) -> None:
    torch.set_num_threads(threads)
    seen: list[int] = []
    in_parts(lambda first, end: seen.extend(range(first, end)), n)
    assert sorted(seen) == list(range(n))


def test_in_each_part_pytorch_works_alone_and_elsewhere_as_before() -> None:
    torch.set_num_threads(3)
    inside: list[int] = []
    in_parts(lambda _first, _end: inside.append(torch.get_num_threads()), 6)
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert (inside, torch.get_num_threads(), later) == ([1, 1, 1], 3, [3])


def test_what_goes_wrong_in_a_part_is_raised() -> None:
    def work(first: int, end: int) -> None:
        if first > 0:
            raise ValueError(f"{first} to {end}")

    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="5 to 10"):
        in_parts(work, 10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    torch.set_num_threads(2)
    in_parts(lambda _first, _end: None, 2)
    child = os.fork()
    if child == 0:
        seen: list[int] = []
        in_parts(lambda first, end: seen.extend(range(first, end)), 2)
        os._exit(0 if sorted(seen) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_crops_and_mirror_images_are_the_same_in_any_number_of_threads() -> None:
    noise = torch.rand(9, 4, generator=torch.Generator().manual_seed(0))
    images = (torch.arange(9 * 80 * 96 * 3) % 251).to(torch.uint8).view(9, 80, 96, 3).permute(0, 3, 1, 2)
    boxes = crop_boxes(noise, 0.1, 1.0, 4 / 3, (80, 96))
    found = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        found.append(flip(resized_crop(images, boxes, (72, 70)), noise[:, 0]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
