from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.config import Fit
from convworks.data.decode.decode import decode, read_array
from convworks.data.decode.load import load_images
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing, fit_image, to_input
from convworks.data.decode.statistics import mean_std
from convworks.data.source import Split
from convworks.errors import InputError

RNG = np.random.default_rng(0)
FITS: list[Fit] = ["crop", "squash", "letterbox", "pad"]


def preprocessing(size: tuple[int, int], channels: int, fit: Fit = "crop") -> Preprocessing:
    return Preprocessing(size=size, channels=channels, fit=fit, mean=(0.5,) * channels, std=(0.2,) * channels)


def of_arrays(arrays: np.ndarray) -> Split:
    names = tuple(str(index) for index in range(len(arrays)))
    return Split(names=names, inputs=Arrays(arrays, COLOURS), targets=Arrays(np.zeros(len(arrays), np.int64)))


def of_files(files: list[Path]) -> Split:
    names = tuple(file.name for file in files)
    return Split(names=names, inputs=Files(tuple(files)), targets=Arrays(np.zeros(len(files), np.int64)))


def photographs(folder: Path, count: int = 150) -> list[Path]:
    files = []
    for index in range(count):
        pixels = RNG.integers(0, 256, (20 + index % 7, 30 - index % 5, 3), dtype=np.uint8)
        files.append(folder / f"{index:03d}.{'png' if index % 2 else 'jpg'}")
        Image.fromarray(pixels).save(files[-1])
    return files


def as_arrays(images: torch.Tensor) -> np.ndarray:
    assert images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    return images.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files(tmp_path: Path, fit: Fit, channels: int) -> None:
    files = photographs(tmp_path, 70)
    result = as_arrays(load_images(of_files(files), preprocessing((16, 12), channels, fit)))
    for image, file in zip(result, files, strict=True):
        pixels = decode(file, channels=channels)
        expected = fit_image(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels), (16, 12), fit)
        np.testing.assert_array_equal(image, np.asarray(expected).reshape(image.shape))
        np.testing.assert_array_equal(image, load_image(file, preprocessing((16, 12), channels, fit)))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("given_channels", "channels"), [(1, 1), (1, 3), (3, 1), (3, 3), (4, 3), (3, 4), (6, 6)])
@pytest.mark.parametrize("size", [(10, 8), (12, 12), (5, 9)])
def test_arrays_agree_one_by_one_and_at_once(
    fit: Fit, given_channels: int, channels: int, size: tuple[int, int]
) -> None:
    arrays = RNG.integers(0, 256, (5, 10, 8, given_channels), dtype=np.uint8)
    want = preprocessing(size, channels, fit)
    result = as_arrays(load_images(of_arrays(arrays), want))
    for image, array in zip(result, arrays, strict=True):
        alone = to_input(read_array("x", array, channels=channels), want)
        np.testing.assert_array_equal(image, alone)


def test_the_right_size_is_bit_identical_and_the_source_stays_apart(tmp_path: Path) -> None:
    arrays = RNG.integers(0, 256, (5, 10, 8, 3), dtype=np.uint8)
    arrays.flags.writeable = False
    images = load_images(of_arrays(arrays), preprocessing((10, 8), 3, "letterbox"))
    np.testing.assert_array_equal(as_arrays(images), arrays)
    images.zero_()
    assert arrays.max() > 0
    Image.fromarray(arrays[0]).save(tmp_path / "x.png")
    images = load_images(of_files([tmp_path / "x.png"]), preprocessing((10, 8), 3))
    np.testing.assert_array_equal(as_arrays(images)[0], arrays[0])


def test_arrays_grey_from_colour_as_pillow() -> None:
    arrays = RNG.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)
    result = as_arrays(load_images(of_arrays(arrays), preprocessing((6, 6), 1)))
    np.testing.assert_array_equal(result[1, :, :, 0], np.asarray(Image.fromarray(arrays[1]).convert("L")))


@pytest.mark.parametrize("side", [2048, 1600, 700])
@pytest.mark.parametrize("fit", ["crop", "squash", "letterbox"])
def test_smaller_jpeg_decoding_hardly_shows(tmp_path: Path, side: int, fit: Fit) -> None:
    y, x = np.indices((side // 2, side)) / side
    waves = np.stack([np.sin(20 * x + 9 * y), np.cos(31 * y * x), np.sin(50 * (x - y))], axis=2)
    Image.fromarray((127.5 + 127 * waves).astype(np.uint8)).save(tmp_path / "x.jpg", quality=95)
    result = load_image(tmp_path / "x.jpg", preprocessing((64, 96), 3, fit)).astype(int)
    with Image.open(tmp_path / "x.jpg") as image:
        expected = np.asarray(fit_image(image, (64, 96), fit)).astype(int)
    assert abs(result - expected).mean() < 1
    assert abs(result - expected).max() < 12


def test_numpy_files_of_many_channels(tmp_path: Path) -> None:
    arrays = RNG.integers(0, 256, (2, 9, 9, 6), dtype=np.uint8)
    for index, array in enumerate(arrays):
        np.save(tmp_path / f"{index}.npy", array)
    files = sorted(tmp_path.iterdir())
    np.testing.assert_array_equal(as_arrays(load_images(of_files(files), preprocessing((9, 9), 6))), arrays)
    with pytest.raises(InputError, match=r"0\.npy, .*1\.npy: 2 of 2 images cannot be used .*has 6 channels, not 3"):
        load_images(of_files(files), preprocessing((9, 9), 3))


def test_all_damaged_files_are_named_in_one_error(tmp_path: Path) -> None:
    files = photographs(tmp_path, 100)
    for index in range(3, 80, 11):
        files[index].write_bytes(b"text")
    with pytest.raises(InputError) as caught:
        load_images(of_files(files), preprocessing((8, 8), 3))
    names = ", ".join(str(files[index]) for index in range(3, 58, 11))
    assert caught.value.where == f"{names} and 2 more"
    assert caught.value.reason == "7 of 100 images cannot be used (the first is not an image in a supported format)"


def test_one_damaged_file_keeps_its_own_reason(tmp_path: Path) -> None:
    files = photographs(tmp_path, 3)
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"000\.jpg: .*runcated"):
        load_images(of_files(files), preprocessing((8, 8), 3))


def test_channels_that_arrays_lack() -> None:
    arrays = RNG.integers(0, 256, (5, 10, 8, 6), dtype=np.uint8)
    with pytest.raises(InputError, match=r"5 of 5 images cannot be used \(the first has 6 channels, not 3"):
        load_images(of_arrays(arrays), preprocessing((10, 8), 3))


def test_progress_is_told_in_this_thread(tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    threads = set()

    def report(done: int, total: int) -> None:
        progress.append((done, total))
        threads.add(threading.get_ident())

    load_images(of_files(photographs(tmp_path)), preprocessing((8, 8), 3), report=report)
    assert progress[-1] == (150, 150)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert threads == {threading.get_ident()}
    load_images(of_arrays(np.zeros((4, 8, 8, 1), np.uint8)), preprocessing((8, 8), 1), report=report)
    assert progress[-1] == (4, 4)


def test_interruption_stops_the_work(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_images(of_files(photographs(tmp_path)), preprocessing((8, 8), 3), report=interrupt)


def test_large_sets_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    files = photographs(tmp_path / "data", 20)
    want = preprocessing((8, 8), 3)
    mapped = load_images(of_files(files), want, budget=100)
    assert (tmp_path / "cache" / "convworks").is_dir()
    torch.testing.assert_close(mapped, load_images(of_files(files), want))
    assert sorted((tmp_path / "data").iterdir()) == files


def test_photographs(data: Path) -> None:
    files = sorted((data / "photos").iterdir())
    images = load_images(of_files(files), preprocessing((64, 48), 3))
    assert images.shape == (200, 3, 64, 48)
    assert 0.3 < mean_std(images)[0][0] < 0.7
