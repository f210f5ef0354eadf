"""One image file through a kernel: the result, and the picture that shows it beside the original, as files."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convworks.charts.signed import signed_picture, signed_scale
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import open_image, probe
from convworks.errors import InputError
from convworks.files import atomic
from convworks.filters.apply import Filtered, filter_image
from convworks.filters.picture import Caption, Colours, side_by_side
from convworks.ops.kernels import Kernel, total
from convworks.ops.shape import Padding

JPEG = (".jpg", ".jpeg", ".jfif")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done to each image."""

    kernel: Kernel
    stride: int
    padding: Padding
    values: bool
    threads: int
    decoding: Decoding = DECODING


@dataclass(frozen=True, kw_only=True)
class OutputPaths:
    """Where the files of one image go."""

    result: Path
    side_by_side: Path
    values: Path


def output_paths(base: Path, file: Path, kernel: Kernel) -> OutputPaths:
    """Return where the results of an image go, `base` being folder and name without suffix."""
    # Signed values are PNG in any case: JPEG would change the colours, and with them what they say.
    suffix = ".jpg" if file.suffix.lower() in JPEG and kernel.keeps_brightness else ".png"
    return OutputPaths(
        result=base.with_name(base.name + suffix),
        side_by_side=base.with_name(f"{base.name}-side-by-side.png"),
        values=base.with_name(f"{base.name}.npy"),
    )


def filter_file(file: Path, places: OutputPaths, job: Job) -> dict[str, Any] | InputError:
    """Filter one image and write what comes of it; an image that cannot be filtered gives its error."""
    weights = job.kernel.weights
    try:
        original = _open(file, job.decoding)
        signed = not job.kernel.keeps_brightness
        found = filter_image(
            original,
            weights,
            stride=job.stride,
            padding=job.padding,
            signed=signed,
            values=job.values,
            threads=job.threads,
        )
    except InputError as error:
        return InputError(file, error.reason, error.remedy)
    colours = None
    if found.signed is not None:
        lowest, highest = float(found.signed.min()), float(found.signed.max())
        scale = signed_scale(found.signed, max(-lowest, highest))
        colours = Colours(scale=scale, lowest=lowest, highest=highest)
        picture = signed_picture(found.signed, scale)
    else:
        picture = _image(found.picture)
    places.result.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(_write, places.result, picture)
        sheet = side_by_side(original, picture, weights, job.stride, _caption(file, original, found, job), colours)
        _write(places.side_by_side, sheet)
        written.result()
    row = {"path": str(file), "result": str(places.result), "side_by_side": str(places.side_by_side)}
    if found.values is not None:
        row["values"] = str(places.values)
        with atomic(places.values) as content:
            np.save(content, found.values)
    return {
        **row,
        "size": [found.height, found.width],
        "minimum": found.minimum,
        "maximum": found.maximum,
        "mean": found.mean,
    }


def _open(file: Path, decoding: Decoding) -> Image.Image:
    """Read an image as grey or in colour."""
    if file.suffix.lower() == ".npy" and (channels := probe(file).channels) not in (1, 3):
        raise InputError(file, f"has {channels} channels", "give grey images (1) or colour images (3)")
    return open_image(file, channels=None, decoding=decoding)


def _image(pixels: np.ndarray | None) -> Image.Image:
    assert pixels is not None
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])


def _write(path: Path, picture: Image.Image) -> None:
    with atomic(path) as file:
        if path.suffix == ".jpg":
            picture.save(file, "JPEG", quality=95, subsampling=0)
        else:  # fast rather than smallest; among signed values, longer repetitions are rare
            strategy = zlib.Z_RLE if picture.mode == "P" else zlib.Z_DEFAULT_STRATEGY
            picture.save(file, "PNG", compress_level=1, compress_type=strategy)


def _caption(file: Path, original: Image.Image, found: Filtered, job: Job) -> Caption:
    channels = len(original.getbands())
    name, weights, shows = job.kernel
    padding = f"padding {job.padding}" if isinstance(job.padding, int) else f"{job.padding} padding"
    values = [f"values from {found.minimum:.4g} to {found.maximum:.4g}, mean {found.mean:.4g}"]
    if found.signed is not None and channels > 1:
        values.append("drawn is the mean of the three channels")
    elif found.picture is not None and not (found.minimum >= 0 and found.maximum <= 255):
        values.append("drawn is what lies between 0 and 255")
    return Caption(
        image=file.name,
        before=f"{original.width}x{original.height} pixels, {'colour' if channels > 1 else 'grey'}",
        kernel=name,
        after=f"{found.width}x{found.height} pixels, stride {job.stride}, {padding}",
        shows=[
            *([shows] if shows else []),
            f"{'x'.join(map(str, weights.shape))} weights",
            f"sum {total(weights):g}",
        ],
        values=values,
    )
