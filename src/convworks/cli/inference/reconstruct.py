"""`convworks predict` with a bundle that makes images: one is written for each that is read."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from convworks.bundle.description import folder_of
from convworks.cli.answer import Answer
from convworks.cli.inference.images import no_answer
from convworks.cli.outputs import check_outputs, read_for, unique_names
from convworks.errors import ConvworksError, InputError, visible
from convworks.files import atomic
from convworks.hardware import precision_name
from convworks.outputs import Protected


def run(
    bundle: Path,
    paths: Sequence[str],
    files: Sequence[Path],
    *,
    out: Path | None,
    overwrite: bool,
    max_pixels: int | None,
    device: str,
    precision: str,
) -> Answer:
    """Write what the network makes of every image as OUT/NAME.png; one without is named, with status 1."""
    started = time.perf_counter()
    if out is None:
        raise InputError("--out", "is needed: this network makes images", "name a folder for them: --out DIR")
    places = [out / f"{name}.png" for name in unique_names(files)]
    read = read_for(paths, files) + Protected(folders=(folder_of(bundle),))
    check_outputs(out, places, read, overwrite=overwrite)
    from convworks.inference.predictor import load

    predictor = load(bundle, device=device, precision=precision, max_pixels=max_pixels)
    written, broken = [], []
    for (path, made), place in zip(predictor.reconstruct_files(files), places, strict=True):
        if isinstance(made, ConvworksError):
            broken.append({"path": str(path), "error": made.reason})
            continue
        out.mkdir(parents=True, exist_ok=True)
        with atomic(place) as file:
            Image.fromarray(made[:, :, 0] if made.shape[2] == 1 else np.ascontiguousarray(made)).save(file, "PNG")
        written.append({"path": str(path), "out": str(place)})
    if not written:
        raise no_answer(broken)
    text = f"{len(written)} {'image' if len(written) == 1 else 'images'} written into {out}"
    if broken:
        first = visible(f"{broken[0]['path']}: {broken[0]['error']}")
        text += f"\n{len(broken)} of {len(files)} images have no answer: {first}"
    text += f"\nnext: convworks evaluate {shlex.quote(str(bundle))} --data FOLDER"
    values = {"predictions": written, "errors": broken, "seconds": round(time.perf_counter() - started, 3)}
    return Answer(
        values={**values, "precision": precision_name(predictor.precision), "out": str(out)},
        text=text,
        status=1 if broken else 0,
    )
