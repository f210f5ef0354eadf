"""`convworks restore`: files, page, answer; batches that resume; a process that is killed."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from workplace import environment

import convworks
from convworks.cli.main import run
from convworks.restoration import folder as keeping
from convworks.restoration import plan as planning
from convworks.restoration import restore as restoring
from convworks.restoration.fit import Fit, Row, Setup, step
from convworks.restoration.progress import Progress
from convworks.restoration.session import Session

FEW = ["--model", "prior_hole2", "--iterations", "10", "--runs", "1", "--device", "cpu"]
SIDE = 24


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for folder, noise in (("clean", 0), ("photos", 20)):
        Path(folder).mkdir()
        for number in range(2):
            ramp = np.linspace(0, 200, SIDE)[:, None, None] * np.ones((SIDE, SIDE, 3))
            pixels = (ramp + draw.normal(0, noise, ramp.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{number}.png")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["restore", *words, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_a_folder_becomes_pictures_curves_and_a_page(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "denoise", "photos", "--compare", "clean", *FEW)
    assert [row["path"] for row in found["images"]] == ["photos/0.png", "photos/1.png"]
    names = {"0.png", "0.json", "0-curve.csv", "1.png", "1.json", "1-curve.csv", "report.html"}
    assert {path.name for path in Path("restored").iterdir()} == names
    row = found["images"][0]
    restored, clean = (np.asarray(Image.open(path), dtype=float) for path in (row["files"][0], "clean/0.png"))
    error = np.square((restored - clean) / 255).mean()
    assert row["psnr"] == [pytest.approx(-10 * np.log10(error), abs=1e-3)]
    with Path("restored/0-curve.csv").open() as file:
        assert [line["iteration"] for line in csv.DictReader(file)] == ["10"]
    page = Path("restored/report.html").read_text()
    for words in ("before", "after", "difference", "held-out", "convworks restore denoise photos"):
        assert words in page
    assert "Ended by the number of iterations, before the rule (held-out) did." in page
    assert row["why"] == "ended by the number of iterations, before the rule (held-out) did"
    assert "are not fitted" not in page  # the reason of the rule
    assert "<title>2 images denoised" in page
    before, after = (np.mean([each[name] for each in found["images"]]) for name in ("psnr_before", "psnr"))
    assert f"{after:.2f}<small>dB</small>" in page
    assert f"PSNR after, {before:.2f} dB before, on average." in page


def test_the_page_says_what_the_time_did_not_allow(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an iteration that costs 2 ms a pixel."""
    Image.fromarray(np.full((96, 96, 3), 99, dtype=np.uint8)).save("large.png")
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 2e-3)
    words = ["denoise", "large.png", *FEW, "--minutes", "3"]
    first = answer(capsys, *words, "--out", "out")["images"][0]
    width = first["restored_size"][1]
    assert 64 < width < 96
    assert first["notes"] == [f"restored at {width}x{width} of 96x96 pixels: --minutes 3 allows no more"]
    assert (
        f"Restored at {width}x{width} of 96x96 pixels: --minutes 3 allows no more."
        in Path("out/report.html").read_text()
    )
    assert answer(capsys, *words, "--out", "out", "--resume")["images"][0]["notes"] == first["notes"]


def test_the_answer_says_what_ended_the_fits(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["restore", "denoise", "photos", *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ended by the number of iterations, before the rule (held-out) did" in lines


def test_results_are_replaced_or_kept_only_on_request(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["denoise", "photos/0.png", *FEW]
    first = answer(capsys, *words)
    assert answer(capsys, *words)["folder"] == "restored-2"
    before = Path("restored/0.png").stat().st_mtime_ns
    kept = answer(capsys, *words, "--out", "restored", "--resume")
    assert Path("restored/0.png").stat().st_mtime_ns == before
    assert kept["images"][0]["fits"] == first["images"][0]["fits"]
    assert run(["restore", *words, "--out", "restored"]) == 2
    assert "already exists" in capsys.readouterr().err
    Path("restored-2/0.json").unlink()
    Path("restored-2/0.unfinished").mkdir()  # as if it had been killed
    assert answer(capsys, *words, "--resume")["folder"] == "restored-2"
    assert answer(capsys, *words, "--resume")["folder"] == "restored"
    assert run(["restore", *words, "--out", "restored", "--resume", "--seed", "1"]) == 2
    assert "0 was begun with other options" in capsys.readouterr().err
    answer(capsys, *words, "--out", "restored", "--overwrite", "--seed", "1")
    assert Path("restored/0.png").stat().st_mtime_ns != before


@pytest.mark.parametrize("name", ["1.png", "1-curve.csv"])
def test_what_was_not_restored_is_not_replaced_by_resuming(
    name: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "denoise", "photos/0.png", *FEW, "--out", "out")
    Path("out", name).write_text("precious")
    assert run(["restore", "denoise", "photos", *FEW, "--out", "out", "--resume"]) == 2
    assert f"--out out/{name}: already exists, without a record or a checkpoint" in capsys.readouterr().err
    assert Path("out", name).read_text() == "precious"
    Path("out", name).unlink()
    answer(capsys, "denoise", "photos", *FEW, "--out", "out", "--resume")


def test_a_page_of_something_else_is_not_replaced_by_resuming(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/report.html").write_text("precious")
    assert run(["restore", "denoise", "photos", *FEW, "--out", "out", "--resume"]) == 2
    assert "--out out/report.html: already exists" in capsys.readouterr().err


class Interrupted(Progress):
    """A progress that is interrupted at an iteration, and counts those of all processes."""

    at = 3
    told: ClassVar[list[int]] = []

    def __call__(self, session: Session, row: Row) -> None:
        self.told.append(row.iteration)
        if row.iteration == self.at:
            raise KeyboardInterrupt


def interrupted(words: list[str], at: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run a command that is interrupted at an iteration; return the iterations that it has come to."""
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "Progress", Interrupted)
        patch.setattr(Interrupted, "at", at)
        patch.setattr(Interrupted, "told", [])
        assert run(["restore", *words]) == 130
        return Interrupted.told


def test_an_interrupted_restoration_goes_on_at_the_next_iteration(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["denoise", "photos/0.png", *FEW, "--stop", "iterations", "--precision", "float32", "--out", "out"]
    assert interrupted(words, 4, monkeypatch) == [1, 2, 3, 4]
    assert interrupted([*words, "--resume"], 10, monkeypatch) == [5, 6, 7, 8, 9, 10]
    found = answer(capsys, *words, "--minutes", "60", "--resume")
    assert found["images"][0]["fits"][0]["iterations"] == 10
    answer(capsys, *words, "--out", "whole")
    assert Path("out/0.png").read_bytes() == Path("whole/0.png").read_bytes()


def test_a_restoration_that_was_killed_does_not_replace_what_it_had_come_to(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves: a preview that is ahead of the checkpoint."""
    words = ["denoise", "photos/0.png", *FEW, "--stop", "iterations", "--precision", "float32", "--out", "out"]
    interrupted(words, 2, monkeypatch)
    earlier = {path: path.read_bytes() for path in Path("out/0.unfinished").glob("step-*")}
    interrupted([*words, "--resume"], 8, monkeypatch)
    best = Path("out/0.png").read_bytes()
    for path in Path("out/0.unfinished").glob("step-*"):
        path.unlink()
    for path, content in earlier.items():
        path.write_bytes(content)
    assert interrupted([*words, "--resume"], 4, monkeypatch) == [3, 4]
    assert Path("out/0.png").read_bytes() == best
    assert interrupted([*words, "--resume"], 9, monkeypatch)[0] == 5
    assert Path("out/0.png").read_bytes() != best


def test_ctrl_c_within_an_iteration_waits_for_its_end(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["denoise", "photos/0.png", *FEW, "--stop", "iterations", "--out", "out"]

    def pressed(setup: Setup, fit: Fit) -> Row:
        if fit.iteration == 2:
            signal.raise_signal(signal.SIGINT)
        return step(setup, fit)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    try:
        with monkeypatch.context() as patch:
            patch.setattr(restoring, "step", pressed)
            assert run(["restore", *words]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted([*words, "--resume"], 4, monkeypatch) == [4]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_what_replaces_a_result_and_is_interrupted_is_resumed(
    seed: str, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["denoise", "photos/0.png", *FEW, "--precision", "float32", "--out", "out"]
    answer(capsys, *words)
    again = [*words, "--seed", seed, "--minutes", "60"]
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "Progress", Interrupted)
        assert run(["restore", *again, "--overwrite"]) == 130
    assert "run the same command again with --resume instead of --overwrite" in capsys.readouterr().err
    resumed = answer(capsys, *again, "--resume")
    assert resumed["images"][0]["seed"] == int(seed)
    answer(capsys, *again, "--out", "whole")
    assert Path("out/0.png").read_bytes() == Path("whole/0.png").read_bytes()


@pytest.mark.parametrize("at", ["finished", "unfinished"])
def test_pictures_after_the_one_that_was_interrupted_are_replaced_by_resuming(
    at: str, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes while the first of two is replaced by one of another seed."""
    words = ["denoise", "photos", *FEW, "--minutes", "60", "--precision", "float32", "--out", "out"]
    if at == "finished":
        answer(capsys, *words)
    else:
        interrupted(["denoise", "photos/1.png", *words[2:]], 3, monkeypatch)
        answer(capsys, "denoise", "photos/0.png", *words[2:])
    again = [*words, "--seed", "1"]
    interrupted([*again, "--overwrite"], 3, monkeypatch)
    resumed = answer(capsys, *again, "--resume")
    assert [row["seed"] for row in resumed["images"]] == [1, 1]
    answer(capsys, *again, "--out", "whole")
    for name in ("0.png", "1.png"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert {path.name for path in Path("out").iterdir()} == {path.name for path in Path("whole").iterdir()}


def test_a_picture_that_could_not_be_resumed_is_still_replaced_later(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder that was being replaced, one picture cannot be read when it is resumed for the first time."""
    words = ["denoise", "photos", *FEW, "--minutes", "60", "--precision", "float32", "--out", "out"]
    answer(capsys, *words)
    again = [*words, "--seed", "1"]
    interrupted([*again, "--overwrite"], 3, monkeypatch)
    content = Path("photos/1.png").read_bytes()
    Path("photos/1.png").write_text("no picture")
    assert run(["restore", *again, "--resume"]) == 1
    assert "photos/1.png: is not an image" in capsys.readouterr().out
    Path("photos/1.png").write_bytes(content)
    assert [row["seed"] for row in answer(capsys, *again, "--resume")["images"]] == [1, 1]


def test_what_cannot_be_replaced_stays(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["denoise", "photos", *FEW, "--out", "out"]
    answer(capsys, *words)
    before = {path: path.read_bytes() for path in Path("out").glob("1*")}
    Path("photos/1.png").write_text("no picture")
    assert run(["restore", *words, "--overwrite", "--seed", "1"]) == 1
    assert {path: path.read_bytes() for path in Path("out").glob("1*")} == before


def test_one_damaged_picture_does_not_stop_the_others(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/2.png").write_text("no picture")
    assert run(["restore", "denoise", "photos", *FEW, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in found["errors"]] == ["photos/2.png"]
    assert len(found["images"]) == 2


def test_each_damaged_picture_is_named_on_the_terminal_and_the_page(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("2", "3"):
        Path(f"photos/{name}.png").write_text("no picture")
    assert run(["restore", "denoise", "photos", *FEW]) == 1
    lines = capsys.readouterr().out
    page = Path("restored/report.html").read_text()
    for name in ("2", "3"):
        assert f"\n  photos/{name}.png: is not an image" in lines
        assert f"photos/{name}.png" in page
    assert run(["restore", "denoise", "photos/2.png", "photos/3.png", *FEW]) == 2
    lines = capsys.readouterr().err
    for name in ("2", "3"):
        assert f"photos/{name}.png: is not an image" in lines


def test_a_finished_picture_without_all_its_files_is_restored_anew_and_a_changed_one_is_said(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["denoise", "photos/0.png", *FEW[:2], "--iterations", "3", "--minutes", "60", "--runs", "1", "--out", "out"]
    answer(capsys, *words)
    columns = "tile,sample,run,iteration,seconds,loss,held_out,moving_variance,psnr_output,psnr"
    assert Path("out/0-curve.csv").read_text().splitlines() == [columns]  # every tenth iteration has a row
    for name in ("0.png", "0-curve.csv"):
        before = Path("out", name).read_bytes()
        Path("out", name).unlink()
        answer(capsys, *words, "--resume")
        assert len(Path("out", name).read_bytes()) == len(before)
    Path("out/0.png").write_bytes(Path("photos/1.png").read_bytes())
    assert run(["restore", *words, "--resume"]) == 2
    assert "out/0.png: was changed since it was restored; move it, or give --overwrite" in capsys.readouterr().err
    assert Path("out/0.png").read_bytes() == Path("photos/1.png").read_bytes()


def test_samples_are_files_of_their_own(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    mask[10:16, 10:16] = 0
    Image.fromarray(mask).save("mask.png")
    found = answer(capsys, "inpaint", "photos/0.png", "--mask", "mask.png", "--samples", "2", *FEW[:4])
    assert found["images"][0]["files"] == ["restored/0-1.png", "restored/0-2.png"]
    assert found["images"][0]["notes"] == ["6.2% of the pixels are missing"]
    page = Path("restored/report.html").read_text()
    assert "sample 2" in page
    assert "Held-out error" in page
    for words in ("difference", "Moving variance"):  # from pixels that are missing, and of another rule
        assert words not in page


@pytest.mark.slow
def test_a_killed_process_leaves_the_best_so_far_and_is_resumed(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed at a moment of no choice of its own, after some iterations; the result is that of a whole run."""
    fixed = ["--stop", "iterations", "--iterations", "300", "--minutes", "60", "--precision", "float32"]
    words = ["restore", "denoise", "photos/0.png", *FEW[:2], "--device", "cpu", *fixed, "--out", "out"]
    code = (
        "from convworks.restoration import restore; restore.SHOW = restore.KEEP = 0.05; restore.SPARE = 1;"
        "from convworks.cli.main import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], env=environment(), cwd=photos, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    first = {f"step-{number:08d}" for number in (1, 2)}  # before any iteration, and after the first
    while {path.stem for path in photos.glob("out/0.unfinished/step-*.json")} <= first and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Image.open("out/0.png") as picture:
        assert picture.size == (SIDE, SIDE)
    assert Path("out/0.unfinished").exists()
    answer(capsys, *words[1:], "--resume")
    assert not Path("out/0.unfinished").exists()
    answer(capsys, *words[1:-1], "whole")
    assert Path("out/0.png").read_bytes() == Path("whole/0.png").read_bytes()
    seconds = re.compile(r"(?m)^((?:[^,]*,){4})[^,]*")  # the fifth column
    curves = [seconds.sub(r"\1", Path(folder, "0-curve.csv").read_text()) for folder in ("out", "whole")]
    assert curves[0] == curves[1]


def test_python_gives_what_the_command_gives(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"model": "prior_hole2", "stop": "iterations", "iterations": 3, "device": "cpu", "seed": 5}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    answer(capsys, "denoise", "photos", *words, "--minutes", "60")
    for name in ("0", "1"):
        restored = convworks.restore(f"photos/{name}.png", minutes=60.0, **options)  # type: ignore[arg-type]
        assert np.array_equal(restored.image, np.asarray(Image.open(f"restored/{name}.png")))
