"""Masks that are written into a folder: what is done is kept, and goes on after any interruption."""

from __future__ import annotations

import csv
import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trained_squares import place

import convworks
from convworks.cli.inference import mask_files
from convworks.cli.inference.measured import share_line, share_measured
from convworks.cli.main import run
from convworks.data.inspect.overlay import overlay
from convworks.data.sources.open import open_source
from convworks.inference.bulk import unfinished

__all__ = ["place"]

COUNT = 6


def words(place: Path, out: Path, *more: str) -> list[str]:
    images = [str(place / "pairs" / "images" / f"{number}.png") for number in range(COUNT)]
    return ["predict", str(place / "run"), *images, "--out", str(out), "--objects", "--device", "cpu", *more]


RECORD = "areas.csv.job.json"


def files(folder: Path) -> dict[str, bytes]:
    """Read all files but the record of the job, which says how it went."""
    assert (folder / RECORD).exists()
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RECORD}


def images_in(table: Path) -> list[str]:
    with table.open(newline="") as file:
        return list(dict.fromkeys(Path(row["path"]).name for row in csv.DictReader(file)))


def stopping(monkeypatch: pytest.MonkeyPatch, at: int, what: Any) -> None:
    """Let something happen when so many images are done, and the next has its mask."""
    done = [0]

    def counted(*arguments: Any) -> Any:
        done[0] += 1
        if done[0] == at + 1:
            what()
        return overlay(*arguments)

    monkeypatch.setattr(mask_files, "overlay", counted)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_what_is_done_is_kept_and_gone_on_with(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(place, tmp_path / "whole")) == 0
    with monkeypatch.context() as patch:
        stopping(patch, 4, interrupt)
        assert run(words(place, tmp_path / "out")) == 130
    assert "4 of 6 rows are kept; run the same command again with --resume" in capsys.readouterr().err
    assert images_in(tmp_path / "out" / "areas.csv") == [f"{number}.png" for number in range(4)]
    assert set(images_in(tmp_path / "out" / "objects.csv")) <= {f"{number}.png" for number in range(4)}
    assert run(words(place, tmp_path / "out")) == 2
    assert "areas.csv: was begun before, 4 of 6 rows are in" in capsys.readouterr().err
    assert run(words(place, tmp_path / "out", "--resume", "--top", "1")) == 2
    assert "was begun with top 2, not 1" in capsys.readouterr().err
    assert run(words(place, tmp_path / "out", "--resume", "--json")) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["resumed"], len(values["predictions"])) == (4, 2)
    resumed = files(tmp_path / "out")
    assert resumed == files(tmp_path / "whole")
    assert run(words(place, tmp_path / "out", "--resume")) == 0
    assert "6 masks written to" in (text := capsys.readouterr().out)
    assert ", 6 of them before this run" in text
    (tmp_path / "out" / "2.png").unlink()
    assert run(words(place, tmp_path / "out", "--resume")) == 2
    assert (
        "out/2.png: is gone, although its image was done before; put it back, or start again" in capsys.readouterr().err
    )


def test_a_killed_process_leaves_the_rows_of_what_it_has_done(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    monkeypatch.setattr(unfinished, "INTERVAL", 0.0)
    with monkeypatch.context() as patch:
        stopping(patch, 3, lambda: shutil.copytree(whole, killed))  # as it is at that moment
        assert run(words(place, whole)) == 0
    assert images_in(killed / "areas.csv") == ["0.png", "1.png", "2.png"]
    capsys.readouterr()
    assert run(words(place, killed, "--resume", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == 3
    resumed = files(killed)
    assert resumed == files(whole)


def test_a_file_that_grows_too_large_is_named_and_what_is_done_is_kept(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2150, hard))  # the probabilities of 16x16 pixels have 2,176 bytes
    try:
        assert run(words(place, tmp_path / "out", "--probabilities")) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = capsys.readouterr().err
    assert f"{tmp_path / 'out' / '0.npy'}: File too large; " in line
    assert "Traceback" not in line


def test_a_name_that_is_too_long_is_refused_before_anything_is_computed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / f"{'x' * 246}.png"
    shutil.copy(place / "pairs" / "images" / "0.png", image)
    assert run(["predict", str(place / "run"), str(image), "--out", str(tmp_path / "out")]) == 2
    assert "x-overlay.jpg: cannot be written (File name too long); choose a shorter name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fit", ["pad", "crop", "squash", "letterbox"])
def test_which_share_of_the_pixels_is_measured_is_said(place: Path, fit: str) -> None:
    predictor = convworks.load(place / "run")
    preprocessing = predictor.bundle.preprocessing.model_copy(update={"fit": fit})
    fitted = replace(predictor, bundle=replace(predictor.bundle, preprocessing=preprocessing))
    sizes = [(16, 16), (16, 20), (24, 16)]  # of the images, in turn
    kept = {"pad": [1, 16 / 20, 16 / 24], "crop": [1, 16 / 20, 16 / 24]}.get(fit, [1, 1, 1])
    share = share_measured(fitted, open_source(place / "pairs").splits["all"])
    assert share == pytest.approx(np.mean([kept[number % len(sizes)] for number in range(40)]))
    assert share is not None
    line = share_line(share, fitted)
    assert line == ("" if share == 1 else f"measured on 83% of the pixels: what data.fit={fit} keeps of them at 16x16")


def test_of_labels_a_crop_is_what_is_asked_for(place: Path) -> None:
    assert share_measured(convworks.load(place / "run"), next(iter(open_source("digits").splits.values()))) is None


def test_an_evaluation_of_one_image_has_no_interval_and_says_what_it_measured(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "one" / kind).mkdir(parents=True)
        shutil.copy(place / "pairs" / kind / "1.png", tmp_path / "one" / kind)
    arguments = ["evaluate", str(place / "run"), "--data", str(tmp_path / "one"), "--device", "cpu"]
    assert run([*arguments, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["n"], values["intervals"]) == (1, {})
    assert 0 < values["share_measured"] <= 1
    assert run([*arguments, "--protocol", "flip,center", "--out", str(tmp_path / "flipped")]) == 0
    page = (tmp_path / "flipped" / "report.html").read_text()
    assert "<dt>Protocol</dt><dd>flip<small>2 views of each image</small>" in page
    assert "--protocol flip,center" in page
    assert 'id="protocols"' in page
    assert run([*arguments, "--protocol", "center,flip", "--out", str(tmp_path / "report")]) == 0
    assert "(95 % interval" not in (text := capsys.readouterr().out)
    assert ("measured on" in text) == (values["share_measured"] < 1)
    assert "1 image)" in text
    assert ("measured on" in (tmp_path / "report" / "report.html").read_text()) == (values["share_measured"] < 1)


def test_what_is_scaled_down_is_said_once(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, size in enumerate(((16, 16), (40, 60), (32, 60))):
        Image.new("L", size).save(tmp_path / f"{number}.png")
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    assert run(["predict", str(place / "run"), paths[0], "--device", "cpu"]) == 0
    assert "are computed at" not in capsys.readouterr().err
    assert run(["predict", str(place / "run"), *paths, "--device", "cpu"]) == 0
    err = capsys.readouterr().err
    assert err.count("images of 40x60 pixels are computed at ") == err.count("are computed at") == 1
    assert "data.fit=pad computes them at full size" in err


def test_resuming_masks_needs_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(place / "pairs" / "images" / "0.png")
    assert run(["predict", str(place / "run"), image, "--resume"]) == 2
    assert "--resume: needs a folder for the masks; add --out DIR" in capsys.readouterr().err
