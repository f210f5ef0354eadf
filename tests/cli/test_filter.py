"""`convworks filter`: what it writes, where, and what it says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import correlate
from workplace import environment

from convworks.cli.main import run
from convworks.cli.outputs import unique_names
from convworks.ops.kernels import KERNELS

BLUE, WHITE, ORANGE = [0x1F, 0x6F, 0xB2], [255, 255, 255], [0xD4, 0x5F, 0x00]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["filter", *arguments, "--json"]) == status
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return call


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(name: str, pixels: np.ndarray) -> np.ndarray:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(name)
    return pixels


def read(name: str) -> np.ndarray:
    with Image.open(name) as image:
        return np.asarray(image)


def checksums() -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path().rglob("*")) if p.is_file()}


def test_the_answer_and_the_files(answer: Any) -> None:
    pixels = save("photo.png", noise(30, 40, 3))
    found = answer("photo.png", "--kernel", "edge", "--values")
    assert found.keys() == {"kernel", "images", "errors", "seconds"}
    assert found["kernel"] == {"name": "edge", "weights": KERNELS["edge"].tolist()}
    (row,) = found["images"]
    expected = np.stack([correlate(pixels[..., c].astype(float), KERNELS["edge"], mode="nearest") for c in range(3)], 2)
    values = np.load(row["values"])
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected)
    assert row["size"] == [30, 40]
    assert (row["minimum"], row["maximum"]) == (expected.min(), expected.max())
    assert row["mean"] == pytest.approx(expected.mean(), rel=1e-4)
    written = {row["result"], row["side_by_side"], row["values"]}
    assert written == {f"filtered/photo-edge{end}" for end in (".png", "-side-by-side.png", ".npy")}
    assert {str(path) for path in Path("filtered").iterdir()} == written
    assert read(row["side_by_side"]).shape[1] <= 1600


@pytest.mark.parametrize("shape", [(20, 24, 3), (20, 24)])
def test_a_kernel_of_sum_one_gives_a_picture(shape: tuple[int, ...], answer: Any) -> None:
    pixels = save("x.png", noise(*shape))
    (row,) = answer("x.png", "--kernel", "sharpen")["images"]
    weights = KERNELS["sharpen"] if len(shape) == 2 else KERNELS["sharpen"][:, :, None]
    np.testing.assert_array_equal(
        read(row["result"]), correlate(pixels.astype(int), weights.astype(int), mode="nearest").clip(0, 255)
    )


def test_a_jpeg_gives_a_jpeg_unless_the_values_have_a_sign(answer: Any) -> None:
    save("x.JPEG", np.full((16, 16, 3), 120, np.uint8))
    (row,) = answer("x.JPEG", "--kernel", "box-blur", "--padding", "valid")["images"]
    assert row["result"] == "filtered/x-box-blur.jpg"
    assert abs(read(row["result"]).astype(int) - 120).max() <= 1
    assert answer("x.JPEG", "--kernel", "sobel-x")["images"][0]["result"] == "filtered/x-sobel-x.png"


def test_signed_values_are_blue_white_and_orange(answer: Any) -> None:
    """Dark, bright, dark from left to right: the rise is positive, the fall negative, the rest zero."""
    pixels = np.zeros((30, 60), np.uint8)
    pixels[:, 20:40] = 200
    save("bar.png", pixels)
    (row,) = answer("bar.png", "--kernel", "sobel-x", "--padding", "valid")["images"]
    with Image.open(row["result"]) as image:
        colours = np.asarray(image.convert("RGB"))
    assert colours[10, 18].tolist() == ORANGE
    assert colours[10, 38].tolist() == BLUE
    assert colours[10, 5].tolist() == colours[10, 28].tolist() == WHITE
    assert (row["minimum"], row["maximum"]) == (-800, 800)


def test_the_kernel_is_laid_on_as_printed(answer: Any) -> None:
    """A shift by one to the left shows what is to the right: nothing is flipped."""
    pixels = save("x.png", noise(9, 12))
    (row,) = answer("x.png", "--kernel", "0 0 1")["images"]
    np.testing.assert_array_equal(read(row["result"])[:, :-1], pixels[:, 1:])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--stride", "2"], [15, 20]),
        (["--padding", "valid"], [26, 36]),
        (["--padding", "full"], [34, 44]),
        (["--padding", "1", "--stride", "3"], [10, 13]),
    ],
)
def test_sizes(options: list[str], size: list[int], answer: Any) -> None:
    pixels = save("x.png", noise(30, 40, 3))
    (row,) = answer("x.png", "--kernel", "identity", "--stride", "2")["images"]
    np.testing.assert_array_equal(read(row["result"]), pixels[::2, ::2])
    (row,) = answer("x.png", "--kernel", "gaussian-blur-5", *options)["images"]
    assert row["size"] == size
    assert list(read(row["result"]).shape) == [*size, 3]


def test_palette_grey_alpha_and_arrays(answer: Any) -> None:
    pixels = noise(12, 14)
    save("grey.png", pixels)
    Image.fromarray(pixels).convert("P").save("palette.png")
    Image.fromarray(np.dstack([pixels] * 3 + [np.full_like(pixels, 255)])).save("alpha.png")
    np.save("array.npy", pixels)
    found = answer("*.png", "array.npy", "--kernel", "edge-laplacian", "--values")["images"]
    assert [row["path"] for row in found] == ["alpha.png", "grey.png", "palette.png", "array.npy"]
    values = [np.load(row["values"]) for row in found]
    for other in values:
        np.testing.assert_array_equal(other[:, :, 0], values[1][:, :, 0])
    assert [v.shape[2] for v in values] == [3, 1, 3, 1]


def test_images_of_one_name_get_results_of_their_own(answer: Any) -> None:
    for name in ("a/x.png", "b/x.png", "b/x.jpg", "c/y.png"):
        save(name, noise(8, 8))
    before = checksums()
    found = answer("a", "b", "c", "--kernel", "edge")["images"]
    assert [Path(row["result"]).name for row in found] == [
        "a-x-edge.png",
        "b-x-jpg-edge.png",
        "b-x-png-edge.png",
        "y-edge.png",
    ]
    assert before.items() <= checksums().items()
    again = answer("a", "b", "c", "--kernel", "edge", "--overwrite")["images"]
    assert again == found


def test_names_are_unique_whatever_they_are() -> None:
    files = ["a/x.png", "b/a/x.png", "c/a/x.png", "A-X.png", "a/a-x.png", "d/x-2.png", "a-x-png-2.jpg", "z.png"]
    names = unique_names([Path(file) for file in files])
    assert len({name.casefold() for name in names}) == len(files)
    assert names[-1] == "z"


def test_inputs_stay_whatever_links_to_them(answer: Any) -> None:
    save("x.png", noise(8, 8, 3))
    Path("out").mkdir()
    os.link("x.png", "out/x-sharpen.png")
    before = checksums()
    assert (
        "would overwrite the input x.png"
        in answer("x.png", "--kernel", "sharpen", "--out", "out", status=2)["error"]["reason"]
    )
    assert checksums() == before
    answer("x.png", "--kernel", "edge", "--out", ".")
    assert before.items() <= checksums().items()


def test_damaged_images_are_told_and_the_others_done(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("photos/a.png", "photos/c.png"):
        save(name, noise(8, 8, 3))
    Path("photos/b.png").write_text("no image")
    save("photos/d.png", noise(2, 2))
    found = answer("photos", "--kernel", "box-blur", "--padding", "valid", status=1)
    assert [row["path"] for row in found["images"]] == ["photos/a.png", "photos/c.png"]
    assert [row["path"] for row in found["errors"]] == ["photos/b.png", "photos/d.png"]
    assert run(["filter", "photos", "--kernel", "box-blur", "--padding", "valid"]) == 1
    out = capsys.readouterr().out
    assert "2 of 4 images could not be filtered: photos/b.png: is not an image" in out
    assert out.splitlines()[-1] == "next: convworks filter photos --kernel box-blur-5"


def test_kernels_from_files_and_text(answer: Any) -> None:
    save("x.png", noise(8, 8))
    Path("mean.txt").write_text("# of three\n1/3, 1/3, 1/3\n")
    found = answer("x.png", "--kernel", "mean.txt")
    assert found["kernel"] == {"name": "mean-ddaed72b", "weights": [[1 / 3] * 3]}
    assert found["images"][0]["result"] == "filtered/x-mean-ddaed72b.png"


def test_two_kernels_of_ones_own_do_not_write_one_file(answer: Any) -> None:
    save("x.png", noise(8, 8))
    results = [
        answer("x.png", "--kernel", kernel, "--out", "out")["images"][0]["result"] for kernel in ("-1 0 1", "1 0 -1")
    ]
    assert len(set(results)) == 2
    assert all(Path(result).exists() and Path(result).name.startswith("x-kernel-1x3-") for result in results)


def test_zeros_beyond_the_border_are_drawn_where_asked_for(answer: Any) -> None:
    save("x.png", np.full((8, 8), 100, np.uint8))
    assert answer("x.png", "--kernel", "edge")["images"][0]["maximum"] == 0
    assert answer("x.png", "--kernel", "edge", "--border", "reflect")["images"][0]["maximum"] == 0
    assert answer("x.png", "--kernel", "edge", "--border", "zeros")["images"][0]["maximum"] > 0
    error = answer("x.png", "--kernel", "edge", "--border", "zero", status=2)["error"]
    assert error["where"] == "--border"
    assert "'zeros'" in error["reason"]


def test_without_images_the_kernels_are_listed(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer()["kernels"]
    assert [row["name"] for row in rows] == list(KERNELS)
    assert all(row["sum"] in (0, 1) for row in rows)
    (row,) = answer("--kernel", "edge")["kernels"]
    assert (row["size"], row["weights"]) == ([3, 3], KERNELS["edge"].tolist())
    assert run(["filter"]) == 0
    out = capsys.readouterr().out
    assert "not flipped" in out
    assert out.splitlines()[-1].startswith("next: convworks filter")
    assert not any(Path().iterdir())


def test_no_heavy_library_is_needed() -> None:
    save("x.jpg", noise(40, 50, 3))
    code = (
        "import sys; from convworks.cli.main import run; status = run(['filter', 'x.jpg', '--kernel', 'edge']);"
        "print(status, [name for name in ('torch', 'sklearn', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
