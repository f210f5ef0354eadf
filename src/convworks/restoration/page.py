"""The page of restored pictures: before, after, the difference, and the curve of each fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from convworks.charts.curves import Chart, Series, panels
from convworks.charts.signed import signed_picture, signed_scale
from convworks.data.decode.decode import to_image
from convworks.errors import ConvworksError, counted
from convworks.pages import blocks
from convworks.pages.blocks import Section
from convworks.pages.mistakes import thumbnail
from convworks.pages.numbers import digest, duration
from convworks.pages.pictures import Thumbnail
from convworks.pages.restoration import pictures
from convworks.pages.tables import Row, table
from convworks.restoration.ending import ending, ends
from convworks.restoration.problems import PROBLEMS
from convworks.restoration.request import Request
from convworks.restoration.result import averaged
from convworks.restoration.rules import HELD_OUT, MOVING_VARIANCE

Pixels = UInt8[np.ndarray, "h w c"]
LARGEST = 720  # pixels of the side of a picture on the page
MOST = 100  # pictures on the page
RATIO = Chart(
    title="PSNR (dB)",
    series=(
        Series(key="psnr_output", name="output", colour="muted"),
        Series(key="psnr", name="average", colour="blue", best=max),
    ),
)
LOSS = Chart(title="Loss", series=(Series(key="loss", name="output", colour="muted"),))
#: What each rule looks at.
RULE_CHARTS = {
    HELD_OUT: Chart(title="Held-out error", series=(Series(key="held_out", name="average", colour="blue", best=min),)),
    MOVING_VARIANCE: Chart(
        title="Moving variance", series=(Series(key="moving_variance", name="output", colour="blue", best=min),)
    ),
}


def section(
    name: str,
    *,
    before: Pixels,
    images: Sequence[Pixels],
    clean: Pixels | None,
    record: Mapping[str, Any],
    curve: Sequence[Mapping[str, Any]],
) -> Section:
    """Return the section of a restored picture."""
    enlarged = record["restored_size"] != record["size"]
    titled = {"before, by bicubic interpolation" if enlarged else "before": _shown(before)}
    for number, image in enumerate(images, start=1):
        titled["after" if len(images) == 1 else f"sample {number}"] = _shown(image)
    if clean is not None:
        titled["clean"] = _shown(clean)
    if not PROBLEMS[record["problem"]].composed:
        title, picture = _difference("before", before, images[0])
        titled[title] = picture
    elif clean is not None:
        title, picture = _difference("clean", clean, images[0])
        titled[title] = picture
    lines = [*(_sentence(note) for note in record["notes"]), stopping(record)]
    fit = record["fits"][0]
    if len(record["fits"]) > 1:
        lines.append(f"The curves are those of {_named(fit, _varied(record))}; the curve file has those of all fits.")
    body = pictures(name, titled, line=summary(record), notes=lines)
    first = [row for row in curve if {word: row[word] for word in fit["part"]} == fit["part"]]
    best = fit["best_iteration"]
    kept = min((int(row["iteration"]) for row in first), key=lambda iteration: abs(iteration - best), default=None)
    shown = [RATIO, *(chart for rule, chart in RULE_CHARTS.items() if rule == record["stop"]), LOSS]
    drawings = panels(first, kept=kept, shown=shown) if first else []
    return Section(
        anchor=f"picture-{digest(name)}",
        title=name,
        body=Markup("").join([body, blocks.wrapping(drawings), _fits(record)]),
    )


def write(
    path: Path,
    sections: Sequence[Section],
    *,
    problem: str,
    records: Sequence[Mapping[str, Any]],
    command: str,
    files: Sequence[str],
    failed: Sequence[ConvworksError],
) -> None:
    """Write the page; `files` lists others in its folder, `failed` says which images could not be restored."""
    blocks.write_page(
        path,
        title=f"{counted(len(records), 'image')} {PROBLEMS[problem].does}",
        headline=_headline(records),
        sections=[
            *sections[:MOST],
            *([Section(anchor="failed", title="Not restored", body=_failed(failed))] if failed else []),
            Section(anchor="commands", title="Commands", body=blocks.commands([("Reproduce", command)])),
        ],
        beside=files,
    )


def _headline(records: Sequence[Mapping[str, Any]]) -> Markup:
    """Return what the images have come to, if the truth is known of all, and what no image needed."""
    by = f"{'Each' if len(records) > 1 else 'Restored'} by a network that has seen no other image."
    ratios = [fmean(record["psnr"]) for record in records if record["psnr"] is not None]
    if len(ratios) < len(records):
        return blocks.paragraphs([by])
    before = fmean(record["psnr_before"] for record in records)
    average = ", on average" if len(records) > 1 else ""
    words = blocks.paragraphs([f"PSNR after, {before:.2f} dB before{average}. {by}"])
    return blocks.headline(f"{fmean(ratios):.2f}", unit="dB", words=words, beside=Markup(""))


def summary(record: Mapping[str, Any]) -> str:
    """Return a restoration as a line: what was done, to which size, and the ratios if the truth is known."""
    height, width = record["restored_size"]
    text = f"{PROBLEMS[record['problem']].does}, {width}x{height} pixels, {duration(record['seconds'])}"
    if record["psnr"] is None:
        return text
    after = ", ".join(f"{ratio:.2f}" for ratio in record["psnr"])
    return f"{text}; PSNR {record['psnr_before']:.2f} dB before, {after} dB after"


def stopping(record: Mapping[str, Any]) -> str:
    """Return what ended the fits, and how many runs the picture is the mean of."""
    request, runs = Request(problem=record["problem"], stop=record["stop"]), averaged(record["fits"])
    words = ending(request, ends(record["fits"]))
    text = _sentence(words)
    return f"{text} This is the mean of {runs} runs." if runs > 1 else text


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _failed(errors: Sequence[ConvworksError]) -> Markup:
    return table(("image", "reason"), [Row(cells=(error.where, error.reason)) for error in errors], texts=2)


def _fits(record: Mapping[str, Any]) -> Markup:
    varied = _varied(record)
    rows = [
        Row(
            cells=(
                _named(fit, varied),
                fit["ended"],
                f"{fit['iterations']:,}",
                f"{fit['best_iteration']:,}",
                duration(fit["seconds"]),
            ),
            faint=not fit["averaged"],
        )
        for fit in record["fits"]
    ]
    return table(("fit", "ended by", "iterations", "kept", "time"), rows, texts=2)


def _varied(record: Mapping[str, Any]) -> list[str]:
    """Return the words that tell the fits of a record from each other."""
    parts = [fit["part"] for fit in record["fits"]]
    return [word for word in parts[0] if len({part[word] for part in parts}) > 1] or ["run"]


def _named(fit: Mapping[str, Any], varied: Sequence[str]) -> str:
    """Return which fit one is, by the words that tell it from the others."""
    return ", ".join(f"{word} {fit['part'][word] + 1}" for word in varied)


def _shown(pixels: Pixels) -> Thumbnail:
    picture = to_image(pixels)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return thumbnail(picture)


def _difference(name: str, other: Pixels, after: Pixels) -> tuple[str, Thumbnail]:
    """Return the difference in grey levels, averaged over channels, and its title: what colours mean."""
    values = (after.astype(np.float32) - other).mean(2)
    scale = signed_scale(values, float(np.abs(values).max()))
    picture = signed_picture(values, scale).convert("RGB")
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return f"difference: after - {name}, from -{scale:.0f} (blue) to {scale:.0f} (orange) of 255", thumbnail(picture)
