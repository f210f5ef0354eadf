"""The worst mistakes as pictures: for the file errors.png, and one by one for the page."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from convworks.charts.drawing import PALETTE
from convworks.charts.lettering import Style, fit, shorten, shown, write
from convworks.charts.raster import DENSITY, data_uri, png_bytes
from convworks.pages.pictures import Thumbnail
from convworks.tasks.multi_label import Predicted, SeveralPredictions

#: At most so many mistakes are shown.
MOST = 36
TILE, COLUMNS, GAP = 132, 6, 18


def as_picture(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Return pixels as grey (one channel), RGB (three) or the grey mean of others, large ones shrunk."""
    channels = pixels.shape[2]
    flat = pixels if channels == 3 else pixels[:, :, 0] if channels == 1 else pixels.mean(2).round().astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(flat))
    longest, side = max(picture.size), TILE * DENSITY
    if longest <= side:
        return picture
    width, height = (max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def tiny(picture: Image.Image) -> bool:
    """Whether a picture is so small that its pixels should show as squares."""
    return max(picture.size) <= 64


def tile_uri(picture: Image.Image) -> str:
    """Return a picture as a data URI: PNG where tiny (the page enlarges it), else JPEG."""
    if tiny(picture):
        return data_uri(png_bytes(picture), "png")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return data_uri(file.getvalue(), "jpeg")


def thumbnail(picture: Image.Image) -> Thumbnail:
    """Return a picture as the page shows it."""
    return Thumbnail(uri=tile_uri(picture), pixelated=tiny(picture))


def errors(predictions: Predicted, samples: list[int], pictures: list[Image.Image]) -> bytes:
    """Draw samples as PNG, captioned with true class, predicted class, its probability, and file name.

    Where samples show any number of classes, these stand without probabilities.
    """
    if not samples:
        wrong = int((~predictions.correct).sum())
        return _sheet_of_words(f"{wrong:,} mistakes, no images." if wrong else "No mistakes: every sample is right.")
    captions = [_caption(predictions, sample) for sample in samples]
    pitch = TILE + 18 * max(map(len, captions)) + GAP
    columns, rows = min(COLUMNS, max(3, len(samples))), -(-len(samples) // COLUMNS)
    sheet = _paper(columns * (TILE + GAP) + GAP, rows * pitch + GAP)
    for place, (caption, picture) in enumerate(zip(captions, pictures, strict=True)):
        left, top = GAP + place % COLUMNS * (TILE + GAP), GAP + place // COLUMNS * pitch
        corner = (left * DENSITY, top * DENSITY)
        factor = TILE * DENSITY // max(picture.size)
        tile = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        spare = [(TILE * DENSITY - length) // 2 for length in tile.size]
        sheet.paste(PALETTE["grid"], (*corner, corner[0] + TILE * DENSITY, corner[1] + TILE * DENSITY))
        sheet.paste(tile, (corner[0] + spare[0], corner[1] + spare[1]))
        y = top + TILE + 12.0
        for text, points, colour, bold in caption:
            style = Style(size=points * DENSITY, colour=PALETTE[colour], bold=bold)
            write(sheet, (corner[0], y * DENSITY), fit(text, points, TILE), style)
            y += 17
    return png_bytes(sheet)


def _caption(predictions: Predicted, sample: int) -> list[tuple[str, float, str, bool]]:
    """Return text, size, colour and weight of each line under a picture."""
    file = (predictions.names[sample], 9.5, "muted", False)
    if isinstance(predictions, SeveralPredictions):
        found = predictions.true_names(sample), predictions.predicted_names(sample)
        named = [text if shown(text) else "?" for text in (each or "nothing" for each in found)]
        return [(named[0], 12.0, "ink", True), (f"→ {named[1]}", 12.0, "orange", True), file]
    true = _label(predictions, int(predictions.labels[sample]))
    predicted = _label(predictions, int(predictions.predicted[sample]))
    share = f"{100 * predictions.confidence[sample]:.0f} %"
    return [(true, 12.0, "ink", True), (f"→ {predicted}  {share}", 12.0, "orange", True), file]


def _label(predictions: Predicted, index: int) -> str:
    name = predictions.classes[index]
    return shorten(name, 24) if shown(name) else f"#{index}"


def _paper(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width * DENSITY, height * DENSITY), PALETTE["paper"])


def _sheet_of_words(words: str) -> bytes:
    sheet = _paper(COLUMNS * TILE // 2, 80)
    style = Style(size=13 * DENSITY, colour=PALETTE["muted"])
    write(sheet, (sheet.width / 2, sheet.height / 2), words, style, anchor="middle")
    return png_bytes(sheet)
