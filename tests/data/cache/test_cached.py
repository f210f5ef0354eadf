"""The cache of decoded images: results, sharing between processes, and failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convworks
from convworks.data.cache import cached
from convworks.data.cache import store as cache
from convworks.data.column import Arrays, Files, files_of
from convworks.data.decode import load_files
from convworks.data.decode.load import load_images, load_split
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.statistics import mean_std
from convworks.data.source import Split
from convworks.errors import InputError

WANT = Preprocessing(size=(12, 10), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture(autouse=True)
def entries_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the entries folder of a fresh cache that accepts sets of any size."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.LIMIT, "1GB")
    monkeypatch.setattr(cached, "MOST_FILES", 0)
    return tmp_path / "cache" / "convworks" / "decoded"


def photographs(folder: Path, count: int = 20, seed: int = 0) -> Split:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    files = [folder / f"{index:03d}.{'png' if index % 2 else 'jpg'}" for index in range(count)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(file)
    return of_files(files)


def of_files(files: list[Path]) -> Split:
    return Split(
        names=tuple(map(str, files)), inputs=Files(tuple(files)), targets=Arrays(np.zeros(len(files), np.int64))
    )


def expected(split: Split) -> np.ndarray:
    files = paths(split)
    return np.stack([load_image(file, WANT) for file in files])


def loaded(split: Split, want: Preprocessing = WANT) -> np.ndarray:
    images = load_images(split, want)
    assert images.is_contiguous(memory_format=torch.channels_last)
    return images.permute(0, 2, 3, 1).numpy()


def names(entries_folder: Path, ending: str = "") -> list[str]:
    return sorted(path.name for path in entries_folder.glob(f"*{ending}"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which every decoded file is appended."""
    done: list[Path] = []
    decode = load_files.decode_files

    def spy(column: Files, *rest: object) -> bytes:
        done.extend(file for file in column.files if isinstance(file, Path))
        return decode(column, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cached, "decode_files", spy)
    return done


def test_the_second_time_nothing_is_decoded_or_read(
    tmp_path: Path, entries_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = photographs(tmp_path / "data")
    first = load_split(split, WANT)
    assert isinstance(first.images, torch.Tensor)
    np.testing.assert_array_equal(first.images.permute(0, 2, 3, 1), expected(split))
    assert len(names(entries_folder)) == 2
    for name in ("decode_files", "digest_files"):
        monkeypatch.setattr(cached, name, None)
    progress: list[tuple[int, int]] = []
    second = load_split(split, WANT, report=lambda done, total: progress.append((done, total)))
    assert isinstance(second.images, torch.Tensor)
    torch.testing.assert_close(second.images, first.images, rtol=0, atol=0)
    assert second.mean_std() == first.mean_std() == mean_std(first.images)
    assert progress == [(20, 20)]


def test_writing_to_the_images_leaves_the_cache_alone(tmp_path: Path) -> None:
    split = photographs(tmp_path / "data")
    load_images(split, WANT).zero_()
    np.testing.assert_array_equal(loaded(split), expected(split))


def test_an_entry_is_a_safetensors_file(tmp_path: Path, entries_folder: Path) -> None:
    from safetensors import safe_open

    split = photographs(tmp_path / "data")
    load_images(split, WANT)
    with safe_open(entries_folder / names(entries_folder, ".safetensors")[0], "np") as file:
        np.testing.assert_array_equal(file.get_tensor("images"), expected(split))
        assert json.loads(file.metadata()["source"]) == str(tmp_path / "data")


def test_a_copy_elsewhere_is_known_by_its_content(tmp_path: Path, entries_folder: Path, counted: list[Path]) -> None:
    load_images(photographs(tmp_path / "data"), WANT)
    split = photographs(tmp_path / "copy")
    np.testing.assert_array_equal(loaded(split), expected(split))
    assert len(counted) == 20
    assert len(names(entries_folder, ".safetensors")) == 1
    assert len(names(entries_folder, ".known")) == 2


def paths(split: Split) -> list[Path]:
    return [file for file in files_of(split.inputs) if isinstance(file, Path)]


def test_other_content_size_or_order_is_another_entry(
    tmp_path: Path, entries_folder: Path, counted: list[Path]
) -> None:
    split = photographs(tmp_path / "data")
    files = paths(split)
    load_images(split, WANT)
    other = Preprocessing(size=(12, 10), channels=3, fit="squash", mean=(0.1,) * 3, std=(0.5,) * 3)
    assert loaded(split, other).shape == (20, 12, 10, 3)
    backwards = of_files(list(files[::-1]))
    np.testing.assert_array_equal(loaded(backwards), expected(split)[::-1])
    Image.new("RGB", (30, 20), "red").save(files[4])
    os.utime(files[4], ns=(1, 1))
    assert (loaded(split)[4] == (254, 0, 0)).all()
    assert len(counted) == 80
    assert len(names(entries_folder, ".safetensors")) == 4
    renormalised = WANT.model_copy(update={"mean": (0.0,) * 3})
    loaded(split, renormalised)
    assert len(counted) == 80


def flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 4
    return bytes(changed)


@pytest.mark.parametrize("damage", ["short", "long", "header", "length", "empty", "text", "deep", "pixel", "sum"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, entries_folder: Path, counted: list[Path], damage: str) -> None:
    split = photographs(tmp_path / "data")
    load_images(split, WANT)
    path = entries_folder / names(entries_folder, ".safetensors")[0]
    content = path.read_bytes()
    changed = {
        "short": content[:-100],
        "long": content + b"\0",
        "header": content.replace(b'\\"', b"\\'", 1).replace(b"share 1.0", b"share 0.9"),
        "length": b"\xff" * 8 + content[8:],
        "empty": b"",
        "text": b"This is text." * 1000,
        "deep": (2**16).to_bytes(8, "little") + b"[" * 2**16,
        "pixel": flipped(content, -4 * 20 - 1000),
        "sum": flipped(content, -1),
    }[damage]
    assert changed != content
    path.write_bytes(changed)
    np.testing.assert_array_equal(loaded(split), expected(split))
    assert len(counted) == 40
    assert path.read_bytes() == content


def test_damaged_files_leave_nothing(tmp_path: Path, entries_folder: Path) -> None:
    split = photographs(tmp_path / "data")
    files = paths(split)
    files[3].write_bytes(b"text")
    with pytest.raises(InputError, match=r"003\.png: is not an image"):
        load_images(split, WANT)
    assert names(entries_folder) == []


def test_interruption_leaves_nothing(tmp_path: Path, entries_folder: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_images(photographs(tmp_path / "data"), WANT, report=interrupt)
    assert names(entries_folder) == []


def test_small_sets_and_none(tmp_path: Path, entries_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = photographs(tmp_path / "data")
    monkeypatch.setattr(cached, "MOST_FILES", 21)
    load_images(split, WANT)
    assert not entries_folder.exists()
    monkeypatch.setattr(cached, "MOST_BYTES", 1000)
    monkeypatch.setenv(cache.LIMIT, "0")
    load_images(split, WANT)
    assert not entries_folder.exists()
    monkeypatch.setenv(cache.LIMIT, "1 MB")
    load_images(split, WANT)
    assert len(names(entries_folder)) == 2


@pytest.mark.parametrize("text", ["much", "-1GB", "5 PB", "1e9", "GB"])
def test_limits_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(cache.LIMIT, text)
    with pytest.raises(InputError, match=r"CONVWORKS_CACHE_LIMIT: .* is not a size"):
        load_images(photographs(tmp_path / "data"), WANT)


def test_the_least_recently_used_go_first(
    tmp_path: Path, entries_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = [photographs(tmp_path / str(number), seed=number) for number in range(4)]
    for age, split in zip((30, 50, 40), splits[:3], strict=True):
        load_images(split, WANT)
        os.utime(cache.entries()[0].path, (time.time() - age,) * 2)
    load_images(splits[1], WANT)  # the oldest is used again
    size = cache.entries()[0].bytes
    monkeypatch.setenv(cache.LIMIT, str(3 * size + 10))
    load_images(splits[3], WANT)
    remaining = [Path(entry.source).name for entry in cache.entries()]
    assert sorted(remaining) == ["0", "1", "3"]
    assert len(names(entries_folder, ".known")) == 4  # the dangling record is removed by the next sweep
    cache.sweep()
    assert len(names(entries_folder, ".known")) == 3


def test_more_than_the_limit_is_decoded_into_memory(
    tmp_path: Path, entries_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = photographs(tmp_path / "data")
    load_images(split, WANT)
    other = photographs(tmp_path / "other", 30, seed=1)
    monkeypatch.setenv(cache.LIMIT, "13kB")
    np.testing.assert_array_equal(loaded(other), expected(other))
    (line,) = capsys.readouterr().err.splitlines()
    assert "(CONVWORKS_CACHE_LIMIT): not cached" in line
    assert len(names(entries_folder, ".safetensors")) == 1


def test_a_cache_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = photographs(tmp_path / "data")
    (tmp_path / "cache").write_text("")
    np.testing.assert_array_equal(loaded(split), expected(split))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the decoded images are not cached")


@pytest.mark.parametrize("function", ["posix_fallocate", "pwrite", "fsync"])
def test_a_full_disk(
    tmp_path: Path,
    entries_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: str,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, full)
    split = photographs(tmp_path / "data")
    np.testing.assert_array_equal(loaded(split), expected(split))
    assert capsys.readouterr().err == f"{entries_folder}: No space left on device; the decoded images are not cached\n"
    assert names(entries_folder) == []


def test_a_disk_that_is_really_full(tmp_path: Path, entries_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries_folder.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", entries_folder], capture_output=True
    ).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        split = photographs(tmp_path / "data")
        np.testing.assert_array_equal(loaded(split), expected(split))
        assert "No space left on device" in capsys.readouterr().err
        assert names(entries_folder) == []
    finally:
        subprocess.run(["umount", "--lazy", entries_folder], check=True)


WORK = """
import sys
from pathlib import Path
import numpy as np
from convworks.data.cache import cached
from convworks.data.column import Arrays, Files
from convworks.data.decode import load_files
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Split
cached.MOST_FILES = 0
slow = load_files.load_image
def load_image(path, *rest):
    (Path(sys.argv[2]) / path.name).touch()
    {act}
    return slow(path, *rest)
load_files.load_image = load_image
files = sorted(Path(sys.argv[1]).iterdir())
split = Split(
    names=tuple(map(str, files)), inputs=Files(tuple(files)), targets=Arrays(np.zeros(len(files), np.int64))
)
want = Preprocessing(size=(12, 10), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)
images = load_images(split, want)
print(len(list(Path(sys.argv[2]).iterdir())), int(images.double().sum()))
"""


def begin(tmp_path: Path, act: str, name: str) -> subprocess.Popen[str]:
    (tmp_path / name).mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(convworks.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-W", "error", "-c", WORK.format(act=act), str(tmp_path / "data"), str(tmp_path / name)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_several_processes_one_decodes(tmp_path: Path, entries_folder: Path) -> None:
    split = photographs(tmp_path / "data")
    sleep = "import time; time.sleep(0.2)"
    processes = [begin(tmp_path, sleep, name) for name in ("one", "two")]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    total = int(expected(split).astype(np.int64).sum())
    assert sorted(out.split() for out, _ in outputs) == sorted([["0", str(total)], ["20", str(total)]])
    assert len(names(entries_folder)) == 2
    waiting = "waiting for another process that is decoding the same images\n"
    assert all(errors in ("", waiting) for _, errors in outputs)


def test_a_killed_process_leaves_a_temporary_file_that_the_next_removes(
    tmp_path: Path, entries_folder: Path, counted: list[Path]
) -> None:
    split = photographs(tmp_path / "data")
    other = photographs(tmp_path / "other", 5, seed=1)
    process = begin(tmp_path, "import time; time.sleep(60)", "one")
    wait_for(process, lambda: len(names(entries_folder, ".partial")) == 1 and any((tmp_path / "one").iterdir()))
    load_images(other, WANT)
    assert len(names(entries_folder, ".partial")) == 1, "it is in use"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(names(entries_folder, ".partial")) == 1
    load_images(photographs(tmp_path / "third", 5, seed=2), WANT)
    assert names(entries_folder, ".partial") == []
    np.testing.assert_array_equal(loaded(split), expected(split))


@pytest.mark.slow
def test_a_process_takes_over_from_one_that_is_killed(tmp_path: Path, entries_folder: Path) -> None:
    split = photographs(tmp_path / "data")
    first = begin(tmp_path, "import time; time.sleep(60)", "one")
    wait_for(first, lambda: any((tmp_path / "one").iterdir()))
    second = begin(tmp_path, "pass", "two")
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    out, errors = second.communicate(timeout=120)
    first.communicate()
    assert second.returncode == 0, errors
    assert out.split() == ["20", str(int(expected(split).astype(np.int64).sum()))]
    assert len(names(entries_folder)) == 2


def test_decoding_into_the_cache_takes_no_memory(tmp_path: Path) -> None:
    """40 MB of images: written to the file, they take no memory of this process; mapped, none until they are used."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")

    def resident() -> int:
        fields = Path("/proc/self/status").read_text().split()
        return int(fields[fields.index("VmRSS:") + 1]) * 1024

    want = WANT.model_copy(update={"size": (256, 256)})
    split = photographs(tmp_path / "data", 200)
    files = paths(split)
    load_images(of_files(list(files[:100])), want)
    peak, before = 0, resident()

    def measure(done: int, total: int) -> None:
        nonlocal peak
        peak = max(peak, resident() - before)

    images = load_images(split, want, report=measure)
    assert max(peak, resident() - before) < 10 * 2**20 < images.nbytes / 3


def test_a_limit_of_pixels_holds_whatever_the_cache_has(tmp_path: Path) -> None:
    split = photographs(tmp_path / "a")
    loaded(split)
    few = WANT.model_copy(update={"decoding": WANT.decoding.model_copy(update={"max_pixels": 100})})
    with pytest.raises(InputError, match="has 600 pixels, more than 100"):
        loaded(split, few)
