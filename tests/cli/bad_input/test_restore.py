"""Pictures, masks and budgets that cannot be restored with.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, encoded

from convworks.cli.main import run
from convworks.console import updating
from convworks.restoration import progress


def picture(place: Place, name: str = "x.png", size: tuple[int, int] = (48, 40), mode: str = "RGB") -> str:
    """Write a picture of a width and height."""
    return place.write(name, encoded(Image.new(mode, size, "grey"), "PNG"))


def mask(
    place: Place, name: str = "m.png", size: tuple[int, int] = (48, 40), colours: tuple[int, int] = (0, 255)
) -> str:
    """Write a mask: its first pixel has the first colour, the others the second."""
    pixels = np.full(size[::-1], colours[1], dtype=np.uint8)
    pixels[0, 0] = colours[0]
    return place.write(name, encoded(Image.fromarray(pixels), "PNG"))


def masks(place: Place) -> str:
    """Write a folder with the mask of x.png."""
    return mask(place, "masks/x.png").rpartition("/")[0]


def denoise(place: Place, *more: str) -> list[str]:
    return ["restore", "denoise", picture(place), *more]


def inpaint(place: Place, *more: str) -> list[str]:
    return ["restore", "inpaint", picture(place), *more]


OPTIONS: Rows = {
    "unknown problem": (
        lambda p: ["restore", "denoize", picture(p)],
        "restore | 'denoize' (did you mean 'denoise'?) | inpaint",
    ),
    "unknown network": (lambda p: denoise(p, "--model", "resnet50"), "--model | 'resnet50' | prior_unet"),
    "unknown rule": (lambda p: denoise(p, "--stop", "held"), "--stop | 'held' | moving-variance"),
    "unknown device": (lambda p: denoise(p, "--device", "tpu"), "--device tpu | use auto or cpu"),
    "unknown precision": (lambda p: denoise(p, "--precision", "half"), "--precision | 'half' | bfloat16"),
    "no time": (lambda p: denoise(p, "--minutes", "0"), "--minutes 0 | above 0"),
    "time that is no number": (lambda p: denoise(p, "--minutes", "nan"), "--minutes nan | above 0 and finite"),
    "no iterations": (lambda p: denoise(p, "--iterations", "0"), "--iterations 0 | at least 1"),
    "too many runs": (lambda p: denoise(p, "--runs", "17"), "--runs 17 | from 1 to 16"),
    "a negative seed": (lambda p: denoise(p, "--seed", "-1"), "--seed -1 | from 0"),
    "samples without holes": (lambda p: denoise(p, "--samples", "2"), "--samples | is for inpaint | leave it out"),
    "runs of samples": (
        lambda p: inpaint(p, "--mask", mask(p), "--samples", "2", "--runs", "3"),
        "--runs 3 | are averaged, but samples are not | leave it out",
    ),
    "a scale without enlarging": (lambda p: denoise(p, "--scale", "2"), "--scale | is for superres | leave it out"),
    "too large a scale": (
        lambda p: ["restore", "superres", picture(p), "--scale", "9"],
        "--scale 9 | from 2 to 8",
    ),
    "two ways with what is there": (lambda p: denoise(p, "--overwrite", "--resume"), "--overwrite | contradicts"),
    "nothing to restore": (lambda p: ["restore", "denoise", "gone.png"], "gone.png | no such file | check"),
    "results among the images": (
        lambda p: ["restore", "denoise", p.images("x"), "--out", "x/y"],
        "--out x/y | inside x | outside",
    ),
    "a name too long for a checkpoint": (
        lambda p: ["restore", "denoise", picture(p, "n" * 245 + ".png")],
        ".unfinished | File name too long | choose a shorter name",
    ),
    "a result over the image": (lambda p: denoise(p, "--out", "."), "x.png | would overwrite the input | another name"),
}
PICTURES: Rows = {
    "no mask": (lambda p: inpaint(p), "--mask | missing | black where pixels are missing"),
    "a mask of another size": (
        lambda p: inpaint(p, "--mask", mask(p, size=(40, 40))),
        "m.png | has 40x40 pixels, the image 48x40 | the image's size",
    ),
    "a mask that covers nothing": (
        lambda p: inpaint(p, "--mask", mask(p, colours=(255, 255))),
        "m.png | covers no pixel | paint what is missing black",
    ),
    "a mask that covers everything": (
        lambda p: inpaint(p, "--mask", mask(p, colours=(0, 0))),
        "m.png | covers the whole image | paint what is known white",
    ),
    "a mask to denoise": (lambda p: denoise(p, "--mask", mask(p)), "--mask | is for inpaint | leave it out"),
    "a folder without the mask": (
        lambda p: inpaint(p, "--mask", p.images("masks")),
        "--mask masks | no file named as x.png | add it",
    ),
    "a folder with two masks of a name": (
        lambda p: inpaint(p, "--mask", (mask(p, "masks/x.bmp"), mask(p, "masks/x.gif"))[0].rpartition("/")[0]),
        "--mask masks | has both x.bmp and x.gif for x.png | leave one",
    ),
    "a folder with the image alone": (
        lambda p: inpaint(p, "--mask", "."),
        "--mask . | no file named as x.png | add it",
    ),
    "a mask for pictures of two folders": (
        lambda p: ["restore", "inpaint", picture(p, "a/x.png"), picture(p, "b/x.png"), "--mask", masks(p)],
        "--mask masks | has x.png for both a/x.png and b/x.png | one by one",
    ),
    "a folder without the mask at the same place": (
        lambda p: ["restore", "inpaint", picture(p, "photos/a/x.png").partition("/")[0], "--mask", masks(p)],
        "--mask masks | no file named as a/x.png | add it",
    ),
    "a clean picture of another size": (
        lambda p: denoise(p, "--compare", picture(p, "c.png", (48, 48))),
        "c.png | has 48x48 pixels, the restored image 48x40 | of that size",
    ),
    "a picture smaller than the stride": (
        lambda p: ["restore", "denoise", picture(p, size=(40, 20))],
        "x.png | has 40x20 pixels, but prior_denoise_narrow needs at least 33x33 | larger image",
    ),
    "too small to enlarge": (
        lambda p: ["restore", "superres", picture(p, size=(8, 8)), "--scale", "4"],
        "x.png | has 8x8 pixels | at least 9x9",
    ),
    "a budget too small to enlarge all of it": (
        lambda p: ["restore", "superres", picture(p), "--scale", "2", "--model", "prior_hole2", "--minutes", "0.0001"],
        "--minutes 0.0001 | 500 iterations of 7,680 pixels take about | give at least --minutes | a part of the image",
    ),
    "a budget too small to start": (
        lambda p: denoise(p, "--minutes", "0.0001", "--model", "prior_hole2"),
        "--minutes 0.0001 | is too little: 400 iterations of 1,920 pixels take about | give at least --minutes",
    ),
    "a file that is no picture": (
        lambda p: ["restore", "denoise", p.write("x.png", "text")],
        "x.png | is not an image",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_options(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(OPTIONS[name], place, capsys)


@pytest.mark.parametrize("name", PICTURES)
def test_bad_pictures(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(PICTURES[name], place, capsys)


def test_what_is_odd_is_said_in_a_line(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    picture(place, "glass.png", mode="RGBA")
    pixels = np.full((40, 48, 4), 128, dtype=np.uint8)
    place.write("glass.png", encoded(Image.fromarray(pixels), "PNG"))
    few = ["--model", "prior_hole2", "--iterations", "2", "--runs", "1", "--minutes", "60"]
    assert run(["restore", "denoise", "glass.png", *few]) == 0
    assert "glass.png: 100.0% of the pixels are transparent: restored on white" in capsys.readouterr().err
    np.save(place.root / "glass.npy", pixels)
    frames = [Image.new("L", (48, 40), shade) for shade in (9, 99)]
    frames[0].save(place.root / "film.gif", save_all=True, append_images=frames[1:])
    assert run(["restore", "denoise", "glass.npy", "film.gif", *few]) == 0
    lines = capsys.readouterr().err
    assert "glass.npy: 100.0% of the pixels are transparent: restored on white" in lines
    assert "film.gif: has several frames or pages: only the first is restored" in lines


def test_a_name_with_a_line_break_is_told_in_one_line(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a picture whose progress is said at once, and whose notes are."""
    monkeypatch.setattr(progress, "updating", partial(updating, 0.0))
    pixels = np.full((40, 48, 4), 128, dtype=np.uint8)
    place.write("a\nb.png", encoded(Image.fromarray(pixels), "PNG"))
    few = ["--model", "prior_hole2", "--iterations", "2", "--runs", "1", "--minutes", "60"]
    assert run(["restore", "denoise", "a\nb.png", *few]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(r"a\nb.png: ") for line in lines)


@pytest.mark.slow
def test_a_huge_picture_is_restored_at_a_smaller_size_which_is_said(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write("huge.png", encoded(Image.new("L", (12_500, 8_000), 99), "PNG"))
    few = ["--model", "prior_hole2", "--iterations", "5", "--runs", "1", "--minutes", "0.5"]
    assert run(["restore", "denoise", "huge.png", *few]) == 0
    line = capsys.readouterr().err
    assert "huge.png: restored at" in line
    assert "of 12,500x8,000 pixels: --minutes 0.5 allows no more" in line
