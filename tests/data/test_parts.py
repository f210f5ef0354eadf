"""Work on a batch in several threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import torch

from convworks.data.augment.crop import crop_boxes, resized_crop
from convworks.data.augment.pixels import flip
from convworks.data.parts import in_parts

NEWCOMERS = """
import sys, threading, torch
from convworks.data.parts import in_parts

sys.setswitchinterval(1e-6)
torch.set_num_threads(4)
counts = []

def ask():
    in_parts(lambda first, end: None, 8)
    counts.append(torch.get_num_threads())

threads = [threading.Thread(target=ask) for _ in range(24)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*counts, torch.get_num_threads())
"""

LATE = """
import threading, torch
from convworks.data.parts import in_parts

def late():
    threading.main_thread().join()
    seen = []
    in_parts(lambda first, end: seen.extend(range(first, end)), 4)
    print(sorted(seen))

torch.set_num_threads(2)
threading.Thread(target=late).start()
"""


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


def test_nothing_has_no_parts() -> None:
    torch.set_num_threads(2)
    in_parts(lambda _first, _end: None, 0)
    images = torch.zeros(0, 3, 64, 64, dtype=torch.uint8)
    assert resized_crop(images, torch.zeros(0, 4, dtype=torch.long), (32, 32)).shape == (0, 3, 32, 32)
    assert flip(images, torch.zeros(0)).shape == (0, 3, 64, 64)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "omp_set_num_threads"), reason="PyTorch without OpenMP")
def test_in_each_part_pytorch_works_alone() -> None:
    torch.set_num_threads(3)
    inside: list[int] = []
    in_parts(lambda _first, _end: inside.append(torch.get_num_threads()), 6)
    assert inside == [1, 1, 1]


def test_other_threads_keep_their_number() -> None:
    """Includes threads that start together with those of the parts."""
    process = subprocess.run([sys.executable, "-c", NEWCOMERS], capture_output=True, text=True, check=True, timeout=120)
    assert process.stdout.split() == ["4"] * 25


def test_all_parts_have_ended_when_what_went_wrong_in_one_is_raised() -> None:
    ended: list[int] = []

    def work(first: int, end: int) -> None:
        if first == 0:
            raise ValueError(f"{first} to {end}")
        time.sleep(0.1)
        ended.append(first)

    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="0 to 5"):
        in_parts(work, 10)
    assert ended == [5]


def test_a_thread_that_outlives_the_main_one_still_works() -> None:
    process = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True, timeout=120)
    assert (process.stdout, process.stderr) == ("[0, 1, 2, 3]\n", "")


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
    result = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        result.append(flip(resized_crop(images, boxes, (72, 70)), noise[:, 0]))
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[0], result[2])
