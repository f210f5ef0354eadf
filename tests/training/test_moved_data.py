"""A run follows its images wherever they are moved, and goes on with no others."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from squares import write_squares
from trained_squares import SMALL

import convworks
from convworks.data.cache import cached
from convworks.data.cache import store as cache
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.training.checkpoints.resume import data_differences
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.setup import Setup


class Stop(Events):
    """Ends a run after its first epoch, as Ctrl-C does."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.epoch == 1:
            raise KeyboardInterrupt


def images(folder: Path, seed: int = 0) -> Path:
    """Make two classes of BMP files, which are all of one size."""
    rng = np.random.default_rng(seed)
    for label, level in (("dark", 0), ("light", 128)):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(level, level + 128, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.bmp")
    return folder


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, Path]:
    """Give the images of a run that was stopped after its first epoch, and its folder."""
    data, run = images(tmp_path / "data"), tmp_path / "run"
    with pytest.raises(Exception, match="interrupted"):
        train(data=data, out=run, events=[Stop()])
    return data, run


def train(**options: Any) -> dict[str, Any]:
    begun: dict[str, Any] = {"epochs": 2, "model": "convnet_digits"} if "out" in options else {}
    return convworks.train(device="cpu" if begun else None, deterministic=bool(begun), **begun, **options)


def test_a_run_goes_on_where_its_images_have_been_moved(stopped: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = stopped
    expected = train(data=data, out=tmp_path / "whole")
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"data: .* new path: data=PATH"):
        train(resume=run)
    results = train(resume=run, data=tmp_path / "elsewhere")
    weights = [Path(each["bundle"], "weights.safetensors").read_bytes() for each in (expected, results)]
    assert weights[0] == weights[1]


def swap(data: Path) -> None:
    a, b = data / "dark" / "0.bmp", data / "dark" / "1.bmp"
    a.rename(data / "c")
    b.rename(a)
    (data / "c").rename(b)


def replace_all(data: Path) -> None:
    shutil.rmtree(data)
    images(data, seed=1)


def relabel(data: Path) -> None:
    (data / "dark" / "0.bmp").rename(data / "light" / "8.bmp")


@pytest.mark.parametrize("change", [swap, replace_all, relabel])
@pytest.mark.parametrize("moved", [False, True])
def test_a_run_goes_on_with_no_other_images_of_equal_names_and_sizes(
    stopped: tuple[Path, Path], tmp_path: Path, change: Callable[[Path], None], moved: bool
) -> None:
    data, run = stopped
    change(data)
    options: dict[str, Any] = {}
    if moved:
        options["data"] = data.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="differs from when the run started: "):
        train(resume=run, **options)


def test_images_that_are_decoded_when_wanted_are_known_by_their_bytes_too(tmp_path: Path) -> None:
    data, run = images(tmp_path / "data"), tmp_path / "run"
    with pytest.raises(Exception, match="interrupted"):
        train(data=data, out=run, events=[Stop()], overrides=["data.decode=always"])
    swap(data)
    for decode in ("always", "once"):
        with pytest.raises(InputError, match=r"differs from when the run started: .*bytes"):
            train(resume=run, overrides=[f"data.decode={decode}"])


def test_an_experiment_goes_on_where_its_images_have_been_moved(tmp_path: Path) -> None:
    data, experiment = images(tmp_path / "data"), tmp_path / "restarts"
    options: dict[str, Any] = {"model": "convnet_digits", "epochs": 1, "device": "cpu"}
    convworks.restarts(data=data, out=experiment, runs=2, **options)
    there = data.rename(tmp_path / "elsewhere")
    results = convworks.restarts(resume=experiment, runs=3, data=there)
    assert [run["name"] for run in results["runs"]] == ["seed-0", "seed-1", "seed-2"]
    relabel(there)
    with pytest.raises(InputError, match=r"elsewhere: differs from when the run started: "):
        convworks.restarts(resume=experiment, runs=4, data=there)


def test_files_that_changed_places_with_their_times_kept_are_decoded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.LIMIT, "1GB")
    monkeypatch.setattr(cached, "MOST_FILES", 0)
    data = images(tmp_path / "data")
    a, b = data / "dark" / "0.bmp", data / "dark" / "1.bmp"
    for file in (a, b):
        os.utime(file, ns=(10**18, 10**18))
    want = Preprocessing(size=(8, 8), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)

    def first_two() -> np.ndarray:
        return load_images(open_source(data).splits["all"], want)[:2].numpy()

    before = first_two()
    time.sleep(0.02)  # more than the clock of a file system takes for a tick
    content = a.read_bytes()  # as cp -p and rsync do: the files stay, their content and times are those of others
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)
    for file in (a, b):
        os.utime(file, ns=(10**18, 10**18))
    assert np.array_equal(first_two(), before[::-1])


@pytest.mark.parametrize("before", ["", "name,value\n0,0\n1,1\n"], ids=["without a table", "with one"])
def test_a_run_goes_on_with_no_other_meaning_of_the_values_in_its_masks(tmp_path: Path, before: str) -> None:
    data, run = write_squares(tmp_path / "data", 8), tmp_path / "run"
    table = data / "classes.csv"
    table.write_text(before) if before else None
    options: dict[str, Any] = {"epochs": 2, "device": "cpu", "overrides": [SMALL, "data.size=16,16"]}
    with pytest.raises(Exception, match="interrupted"):
        convworks.train(data=data, out=run, events=[Stop()], **options)
    table.write_text("name,value\n0,1\n1,0\n")
    with pytest.raises(InputError, match=r"train.values is 1 0, ignored 255, in the run 0 1, ignored 255"):
        convworks.train(resume=run)
    table.write_text("name,value\n0,0\n1,1\n")
    assert convworks.train(resume=run)["epochs"] == 2, "the same meaning"


def test_runs_of_earlier_versions_did_not_record_the_values_in_masks() -> None:
    earlier = {"classes": "c", "train": {"images": 2, "labels": "a", "bytes": "2 of 2:b"}}
    now = {"classes": "c", "train": {"images": 2, "labels": "a", "values": "0 1"}}
    assert data_differences(earlier, now) == []
    assert data_differences(now, earlier) == ["train.values is missing, in the run 0 1"]
