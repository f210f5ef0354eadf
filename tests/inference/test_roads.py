"""All roads from an image to what a network reads: files, bytes, Pillow images, arrays, tensors, sources, protocols."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convworks.bundle.bundle import Bundle
from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.config import Fit
from convworks.data.decode.images import Decoded
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source, Split
from convworks.errors import InputError
from convworks.inference.predictor import Predictor
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.tasks.reconstruction import RECONSTRUCTION

FITS: list[Fit] = ["crop", "squash", "letterbox", "pad"]
CLASSES = ("a", "b")
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, 3),
    7: lambda pixels: np.fliplr(np.rot90(pixels)),
    8: np.rot90,
}


class Seen(nn.Module):
    """A network that notes what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.read: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        if not images.is_meta:  # its multiply-adds are counted
            self.read.append((images * 255).round().to(torch.uint8))
        return images.flatten(1)[:, :2]

    def take(self) -> np.ndarray:
        """Return all that was read since, as bytes [n, h, w, c]."""
        read = torch.cat(self.read).permute(0, 2, 3, 1).numpy()
        self.read.clear()
        return read


def seeing(preprocessing: Preprocessing) -> tuple[Predictor, Seen]:
    network = Seen()
    model = ModelConfig(name="convnet_digits")
    bundle = Bundle(network=network, model=model, preprocessing=preprocessing, classes=CLASSES, record={})
    return Predictor(bundle=bundle, network=network, precision=torch.float32), network


def preprocessing_of(size: tuple[int, int], channels: int, fit: Fit = "crop", share: float = 1.0) -> Preprocessing:
    flat = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    return Preprocessing(size=size, channels=channels, fit=fit, crop_fraction=share, **flat)


class Case(NamedTuple):
    """A file of some kind, and the pixels that it shows: [h, w] in one, three, four or other channels."""

    name: str
    content: bytes
    shows: np.ndarray


def saved(image: Image.Image, kind: str, orientation: int = 1, **options: Any) -> bytes:
    file = io.BytesIO()
    if orientation != 1:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    image.save(file, kind, **options)
    return file.getvalue()


def numpy_file(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def plane(array: np.ndarray) -> np.ndarray:
    return array[..., None] if array.ndim == 2 else array


def noise(rng: np.random.Generator, channels: int = 1) -> np.ndarray:
    height, width = rng.integers(2, 41, 2)
    pixels: np.ndarray = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    if channels == 4:  # clear and opaque places, as images have them
        alpha = pixels[..., 3]
        alpha[alpha < 80] = 0
        alpha[alpha > 180] = 255
    return pixels[:, :, 0] if channels == 1 else pixels


def plain(rng: np.random.Generator, channels: int, kind: str) -> Case:
    orientation = int(rng.integers(1, 9))
    pixels = noise(rng, channels)
    content = saved(Image.fromarray(pixels), kind, orientation, **({"lossless": True} if kind == "WEBP" else {}))
    shows = TURNS[orientation](pixels if kind != "JPEG" else np.asarray(Image.open(io.BytesIO(content))))
    return Case(f"x.{kind.lower()}", content, shows)


def sixteen_bits(rng: np.random.Generator, kind: str) -> Case:
    values = rng.integers(0, 65536, rng.integers(2, 41, 2)).astype(np.uint16)
    orientation = int(rng.integers(1, 9)) if kind == "PNG" else 1
    shows = np.rint(TURNS[orientation](values) * (255 / 65535)).astype(np.uint8)
    return Case(f"x.{kind.lower()}", saved(Image.fromarray(values), kind, orientation), shows)


def transparent_colour(rng: np.random.Generator, mode: str) -> Case:
    """A tRNS chunk: one grey value, one colour, or some colours of a palette, are clear."""
    if mode == "P":
        pixels, table = noise(rng) % 16, rng.integers(0, 256, (16, 3), dtype=np.uint8)
        alpha = rng.integers(0, 256, 16, dtype=np.uint8)
        image = Image.fromarray(pixels, "L").copy()
        image.putpalette(table.tobytes())
        return Case(
            "x.png",
            saved(image, "PNG", transparency=alpha.tobytes()),
            np.concatenate([table[pixels], alpha[pixels][..., None]], axis=2),
        )
    pixels = plane(noise(rng, 1 if mode == "L" else 3)) // 64 * 64
    clear = pixels[0, 0].tolist()
    colours = np.repeat(pixels, 3, axis=2) if mode == "L" else pixels
    alpha = np.where((pixels == clear).all(2), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels)
    content = saved(image, "PNG", transparency=clear[0] if mode == "L" else tuple(clear))
    return Case("x.png", content, np.concatenate([colours, alpha[..., None]], axis=2))


def grey_and_alpha(rng: np.random.Generator) -> Case:
    pixels = noise(rng, 4)
    content = saved(Image.fromarray(np.ascontiguousarray(pixels[:, :, [0, 3]]), "LA"), "PNG")
    return Case("x.png", content, pixels[:, :, [0, 0, 0, 3]])


def array_file(rng: np.random.Generator, channels: int) -> Case:
    pixels = noise(rng, channels)
    return Case("x.npy", numpy_file(pixels), pixels)


KINDS: dict[str, Callable[[np.random.Generator], Case]] = {
    "grey PNG": lambda rng: plain(rng, 1, "PNG"),
    "PNG": lambda rng: plain(rng, 3, "PNG"),
    "PNG with alpha": lambda rng: plain(rng, 4, "PNG"),
    "grey PNG with alpha": grey_and_alpha,
    "clear grey value": lambda rng: transparent_colour(rng, "L"),
    "clear colour": lambda rng: transparent_colour(rng, "RGB"),
    "clear colours of a palette": lambda rng: transparent_colour(rng, "P"),
    "16-bit PNG": lambda rng: sixteen_bits(rng, "PNG"),
    "16-bit TIFF": lambda rng: sixteen_bits(rng, "TIFF"),
    "grey JPEG": lambda rng: plain(rng, 1, "JPEG"),
    "JPEG": lambda rng: plain(rng, 3, "JPEG"),
    "TIFF": lambda rng: plain(rng, 3, "TIFF"),
    "WebP": lambda rng: plain(rng, 3, "WEBP"),
    **{f"array of {n}": lambda rng, n=n: array_file(rng, n) for n in (1, 2, 3, 4, 5, 7)},  # type: ignore[misc]
}


def roads(case: Case, folder: Path) -> dict[str, Any]:
    """Return the same image in all forms in which somebody may have it."""
    path = folder / case.name
    path.write_bytes(case.content)
    shows = plane(case.shows)
    inputs: dict[str, Any] = {"path": path, "text": str(path), "bytes": case.content, "array": case.shows}
    np.save(folder / "shown.npy", case.shows)
    inputs["array file"], inputs["its bytes"] = folder / "shown.npy", (folder / "shown.npy").read_bytes()
    inputs["array in another order"] = np.asfortranarray(case.shows)
    tensor = torch.from_numpy(shows.transpose(2, 0, 1).copy())
    inputs |= {"tensor": tensor, "tensor of floats": tensor / 255, "tensor of doubles": tensor.double() / 255}
    inputs["mirrored view"] = torch.from_numpy(shows.transpose(2, 0, 1)[:, :, ::-1].copy()).flip(2)
    if case.name != "x.npy":
        inputs["Pillow"] = Image.open(io.BytesIO(case.content))
    if shows.shape[2] in (1, 3, 4):
        inputs["Pillow of pixels"] = Image.fromarray(shows[:, :, 0] if shows.shape[2] == 1 else shows)
        inputs["PNG"] = saved(inputs["Pillow of pixels"], "PNG")
    return inputs


def blended(shows: np.ndarray, channels: int) -> np.ndarray | None:
    """Lay what is clear on white, by its definition."""
    have = plane(shows).astype(np.float64)
    if channels == have.shape[2]:
        return have
    if have.shape[2] == 1:
        return np.repeat(have, 3, axis=2) if channels == 3 else np.concatenate([have] * 3 + [have * 0 + 255], axis=2)
    if have.shape[2] == 3:
        return np.concatenate([have, have[:, :, :1] * 0 + 255], axis=2) if channels == 4 else None
    alpha = have[:, :, 3:] / 255
    return alpha * have[:, :, :3] + (1 - alpha) * 255 if channels == 3 else None


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_all_roads_lead_to_the_same_input(count: int, tmp_path: Path) -> None:
    for number in range(count):
        rng = np.random.default_rng(number)
        name = list(KINDS)[number % len(KINDS)]
        case = KINDS[name](rng)
        shows = plane(case.shows)
        channels = int(rng.choice([1, 3, 4])) if shows.shape[2] in (1, 3, 4) else shows.shape[2]
        size = (int(rng.integers(7, 25)), int(rng.integers(7, 25)))
        if number % 4 == 0:
            size = (shows.shape[0], shows.shape[1])
        preprocessing = preprocessing_of(size, channels, FITS[number // 4 % 4], float(rng.choice([1.0, 1.0, 0.875])))
        what = f"case {number}: {name}, {shows.shape}, for {preprocessing}"

        predictor, network = seeing(preprocessing)
        ways = roads(case, tmp_path)
        answers = predictor.predict(list(ways.values()))
        read = network.take()
        assert len(answers) == len(ways)
        for way, pixels in zip(ways, read, strict=True):
            np.testing.assert_array_equal(pixels, read[0], err_msg=f"{way}, {what}")
        expected = blended(case.shows, channels)
        if (
            size == shows.shape[:2]
            and (preprocessing.fit != "crop" or preprocessing.crop_fraction == 1)
            and expected is not None
        ):
            assert abs(read[0] - expected).max() <= 1, what
        way = list(ways)[number % len(ways)]
        alone = predictor.predict(ways[way])
        assert alone["probabilities"] == pytest.approx(answers[0]["probabilities"]), what
        np.testing.assert_array_equal(network.take()[0], read[0], err_msg=f"{way} alone, {what}")

        files = Split(names=("x",), inputs=Files((ways["path"],)), targets=Arrays(np.zeros(1, np.int64)))
        arrays = Split(names=("x",), inputs=Arrays(shows[None], COLOURS), targets=Arrays(np.zeros(1, np.int64)))
        for split in (files, arrays):
            loaded = load_images(split, preprocessing).permute(0, 2, 3, 1).numpy()
            np.testing.assert_array_equal(loaded[0], read[0], err_msg=what)
        decoded = Decoded(files, preprocessing).decode([0]).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(decoded[0], read[0], err_msg=what)
        for protocol in ("flip", ("ten-crop", "144-crop", "shift")[number % 3]) if number % 2 else ():
            protocol_views = []
            for split in (files, arrays):
                source = Source(name="s", kind="folder", path=None, classes=CLASSES, splits={"test": split})
                predictor.measured(source, protocol=protocol)
                protocol_views.append(network.take())
            np.testing.assert_array_equal(protocol_views[0], protocol_views[1], err_msg=f"{protocol}, {what}")
            if protocol == "flip":
                np.testing.assert_array_equal(protocol_views[0], [read[0], read[0][:, ::-1]], err_msg=what)


@pytest.mark.parametrize("protocol", ["center", "flip", "shift", "ten-crop", "144-crop", "dense", "multi-scale"])
def test_every_protocol_sees_transparency(protocol: str, tmp_path: Path) -> None:
    """Files and arrays of four channels get the same answer, and colours that are clear do not count."""
    torch.manual_seed(0)
    network = create("convnet_digits", Shape(classes=2, channels=4, size=(16, 16))).eval()
    model, preprocessing = ModelConfig(name="convnet_digits"), preprocessing_of((16, 16), 4)
    bundle = Bundle(network=network, model=model, preprocessing=preprocessing, classes=CLASSES, record={})
    predictor = Predictor(bundle=bundle, network=network, precision=torch.float32)
    arrays = np.stack([noise_of((40, 52), seed) for seed in range(4)])
    hidden = arrays.copy()
    hidden[arrays[..., 3] == 0] = (255, 0, 255, 0)
    results = []
    for number, pixels in enumerate((arrays, hidden)):
        files = []
        for index, array in enumerate(pixels):
            files.append(tmp_path / f"{number}-{index}.png")
            Image.fromarray(array).save(files[-1])
        labels, names = np.zeros(len(pixels), np.int64), tuple(map(str, range(len(pixels))))
        for split in (
            Split(names=names, inputs=Arrays(pixels, COLOURS), targets=Arrays(labels)),
            Split(names=names, inputs=Files(tuple(files)), targets=Arrays(labels)),
        ):
            source = Source(name="s", kind="folder", path=None, classes=CLASSES, splits={"test": split})
            results.append(predictor.outcome(source, protocol=protocol).probabilities)
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_allclose(results[3], results[2], atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], atol=1e-6)


def noise_of(size: tuple[int, int], seed: int) -> np.ndarray:
    pixels: np.ndarray = np.random.default_rng(seed).integers(0, 256, (*size, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(pixels[..., 3] < 100, 0, 255)
    return pixels


def test_a_letterbox_is_the_same_for_a_file_and_for_its_pixels(tmp_path: Path) -> None:
    """Large JPEGs are decoded at a half, a quarter or an eighth: where the image lies follows from its own size."""
    rng = np.random.default_rng(0)
    predictor, network = seeing(preprocessing_of((20, 20), 1, "letterbox"))
    for number in range(60):
        height, width = (int(side) for side in rng.integers(60, 700, 2))
        orientation = 1 + 5 * (number % 3 == 0)
        image = Image.new("L", (width, height), 255)
        (tmp_path / "x.jpg").write_bytes(saved(image, "JPEG", orientation))
        pixels = np.full((width, height) if orientation == 6 else (height, width), 255, np.uint8)
        predictor.predict([tmp_path / "x.jpg", pixels])
        file, array = network.take()
        np.testing.assert_array_equal(file > 127, array > 127, err_msg=f"{pixels.shape}, orientation {orientation}")


WRONG: dict[str, tuple[Any, str]] = {
    "no rows": (np.zeros((0, 5, 3), np.uint8), "image: 0x5x3 has no pixels"),
    "no columns": (np.zeros((5, 0), np.uint8), "image: 5x0 has no pixels"),
    "no channels": (np.zeros((5, 5, 0), np.uint8), "image: 5x5x0 has no pixels"),
    "nothing at all": (np.array([]), r"image: an array of float64 \(0,\) is not an image"),
    "empty tensor": (torch.zeros(3, 0, 5), "image: 3x0x5 has no pixels"),
    "empty bytes": (b"", "image: is empty"),
    "one pixel": (np.zeros((1, 1, 3), np.uint8), "image: has 1x1 pixels; at least 2x2 are needed"),
    "floats": (np.zeros((5, 5)), r"image: an array of float64 \(5, 5\) is not an image; for values from 0 to 1"),
    "whole numbers": (torch.zeros(3, 5, 5, dtype=torch.int64), r"image: a tensor of int64 \(3, 5, 5\) is not an image"),
    "a tensor without channels": (torch.zeros(5, 5), r"image: a tensor of float32 \(5, 5\) is not an image"),
    "normalised": (torch.full((3, 5, 5), -0.5), r"image: .* has values from -0.5 to -0.5, outside 0\.\.1"),
    "bytes as floats": (torch.full((3, 5, 5), 255.0), r"image: .*to 255, outside 0\.\.1; divide by 255"),
    "not finite": (torch.full((3, 5, 5), float("nan")), r"image: .*outside 0\.\.1"),
    "channels last": (
        torch.zeros(5, 6, 3),
        r"image: a tensor of \(5, 6, 3\) has its channels last; give \[c, h, w\]",
    ),
    "two channels": (np.zeros((5, 5, 2), np.uint8), "image: has 2 channels, not 3; give images with the channels"),
    "several, as one": (np.zeros((9, 28, 28), np.uint8), "image: has 28 channels, not 3"),
    "None": (None, "images: NoneType is not an image or a list of images; give a path"),
    "a number": (5, "images: int is not an image"),
    "a number among others": ([np.zeros((5, 5), np.uint8), 5], r"images\[1\]: an array of int64 \(\) is not an image"),
    "a list in a list": ([["x.png"]], r"images\[0\]: list is not an image"),
    "a missing file": ("x.png", r"x\.png: cannot be read \(No such file"),
    "a truncated Pillow image": (
        lambda: Image.open(io.BytesIO(saved(Image.new("RGB", (50, 50)), "PNG")[:60])),
        "image: cannot be decoded",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_image_is_named(name: str) -> None:
    value, words = WRONG[name]
    predictor, network = seeing(preprocessing_of((8, 8), 3))
    with pytest.raises(InputError, match=words):
        predictor.predict(value() if callable(value) else value)
    assert network.read == []


def test_one_image_gives_one_answer_and_several_give_several(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, preprocessing = ModelConfig(name="convnet_digits"), preprocessing_of((8, 8), 3)
    network = create("convnet_digits", Shape(classes=2, channels=3, size=(8, 8))).eval()
    bundle = Bundle(network=network, model=model, preprocessing=preprocessing, classes=CLASSES, record={})
    predictor = Predictor(bundle=bundle, network=network, precision=torch.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    case = Case("x.png", saved(Image.fromarray(pixels), "PNG"), pixels)
    ways = roads(case, tmp_path)
    several = predictor.predict(list(ways.values()))
    vectors = predictor.features(list(ways.values()))
    ((tap, rows),) = vectors.items()
    assert (tap, rows.shape[0]) == (predictor.tapped()[0], len(ways))
    for index, image in enumerate(ways.values()):
        alone = predictor.predict(image)
        assert alone.keys() == several[index].keys() == {"path", "labels", "probabilities"}
        assert alone["path"] == several[index]["path"]
        assert alone["probabilities"] == pytest.approx(several[index]["probabilities"])
        (vector,) = predictor.features(image).values()
        np.testing.assert_allclose(vector, rows[index], atol=1e-6)
    assert len(predictor.predict(np.stack([pixels] * 4))) == 4
    assert len(predictor.predict(torch.zeros(5, 3, 9, 9))) == 5
    assert len(predictor.predict(np.array([str(ways["path"])] * 2))) == 2
    assert len(predictor.predict(image for image in [pixels])) == 1
    assert predictor.predict([]) == []
    assert predictor.predict(np.zeros((0, 9, 9, 3), np.uint8)) == []
    with pytest.raises(InputError, match="top: is -1, but must be at least 1"):
        predictor.predict([], top=-1)
    with pytest.raises(InputError, match="a masked array"):
        predictor.predict(np.ma.masked_array(np.zeros((9, 9, 3), np.uint8), True))
    assert {tap: values.shape for tap, values in predictor.features([]).items()} == {tap: (0, rows.shape[1])}
    assert set(predictor.features(pixels, taps=["stem", "head", "stem"], pool="max")) == {"stem", "head"}


def test_one_image_is_reconstructed_as_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create("autoencoder_conv", Shape(classes=1, channels=1, size=(28, 28))).eval()
    model, preprocessing = ModelConfig(name="autoencoder_conv"), preprocessing_of((28, 28), 1)
    bundle = Bundle(
        network=network, model=model, preprocessing=preprocessing, classes=(), record={}, task=RECONSTRUCTION
    )
    predictor = Predictor(bundle=bundle, network=network, precision=torch.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    ways = roads(Case("x.png", saved(Image.fromarray(pixels), "PNG"), pixels), tmp_path)
    reconstructions = predictor.reconstruct(list(ways.values()))
    assert reconstructions.shape == (len(ways), 28, 28, 1)
    for image in ways.values():
        alone = predictor.reconstruct(image)
        assert alone.shape == (28, 28, 1)
        assert abs(alone.astype(int) - reconstructions[0]).max() <= 1
    assert predictor.reconstruct([]).shape == (0, 28, 28, 1)
    with pytest.raises(InputError, match="0x5x3 has no pixels"):
        predictor.reconstruct(np.zeros((0, 5, 3), np.uint8))
