"""Filtering an image file with a kernel: the result, and a picture of it beside the original, as files."""

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
    """The settings applied to each image."""

    kernel: Kernel
    stride: int
    padding: Padding
    border: str
    values: bool
    threads: int
    decoding: Decoding = DECODING


@dataclass(frozen=True, kw_only=True)
class OutputPaths:
    """The output files of one image."""

    result: Path
    side_by_side: Path
    values: Path


def output_paths(base: Path, file: Path, kernel: Kernel) -> OutputPaths:
    """Return the output paths of an image; `base` is folder and name without suffix."""
    # Signed values are always PNG: JPEG would change the colours, and thereby their meaning.
    suffix = ".jpg" if file.suffix.lower() in JPEG and kernel.keeps_brightness else ".png"
    return OutputPaths(
        result=base.with_name(base.name + suffix),
        side_by_side=base.with_name(f"{base.name}-side-by-side.png"),
        values=base.with_name(f"{base.name}.npy"),
    )


def filter_file(file: Path, paths: OutputPaths, job: Job) -> dict[str, Any] | InputError:
    """Filter one image and write the results; returns the error for an image that cannot be filtered."""
    weights = job.kernel.weights
    try:
        original = _open(file, job.decoding)
        signed = not job.kernel.keeps_brightness
        filtered = filter_image(
            original,
            weights,
            stride=job.stride,
            padding=job.padding,
            border=job.border,
            signed=signed,
            values=job.values,
            threads=job.threads,
        )
    except InputError as error:
        return InputError(file, error.reason, error.remedy)
    colours = None
    if filtered.signed is not None:
        lowest, highest = float(filtered.signed.min()), float(filtered.signed.max())
        scale = signed_scale(filtered.signed, max(-lowest, highest))
        colours = Colours(scale=scale, lowest=lowest, highest=highest)
        picture = signed_picture(filtered.signed, scale)
    else:
        picture = _image(filtered.picture)
    paths.result.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        result_written = pool.submit(_write, paths.result, picture)
        sheet = side_by_side(original, picture, weights, job.stride, _caption(file, original, filtered, job), colours)
        _write(paths.side_by_side, sheet)
        result_written.result()
    row = {"path": str(file), "result": str(paths.result), "side_by_side": str(paths.side_by_side)}
    if filtered.values is not None:
        row["values"] = str(paths.values)
        with atomic(paths.values) as content:
            np.save(content, filtered.values)
    return {
        **row,
        "size": [filtered.height, filtered.width],
        "minimum": filtered.minimum,
        "maximum": filtered.maximum,
        "mean": filtered.mean,
    }


def _open(file: Path, decoding: Decoding) -> Image.Image:
    """Read a greyscale or colour image."""
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
        else:  # fast rather than smallest; repeated sequences are rare among signed values
            strategy = zlib.Z_RLE if picture.mode == "P" else zlib.Z_DEFAULT_STRATEGY
            picture.save(file, "PNG", compress_level=1, compress_type=strategy)


def _caption(file: Path, original: Image.Image, filtered: Filtered, job: Job) -> Caption:
    channels = len(original.getbands())
    name, weights, shows = job.kernel
    padding = f"padding {job.padding}" if isinstance(job.padding, int) else f"{job.padding} padding"
    padding += f" ({job.border})" if job.padding not in (0, "valid") else ""
    values = [f"values from {filtered.minimum:.4g} to {filtered.maximum:.4g}, mean {filtered.mean:.4g}"]
    if filtered.signed is not None and channels > 1:
        values.append("shown: the mean of the three channels")
    elif filtered.picture is not None and not (filtered.minimum >= 0 and filtered.maximum <= 255):
        values.append("shown: clipped to 0..255")
    return Caption(
        image=file.name,
        before=f"{original.width}x{original.height} pixels, {'colour' if channels > 1 else 'grey'}",
        kernel=name,
        after=f"{filtered.width}x{filtered.height} pixels, stride {job.stride}, {padding}",
        shows=[
            *([shows] if shows else []),
            f"{'x'.join(map(str, weights.shape))} weights",
            f"sum {total(weights):g}",
        ],
        values=values,
    )
