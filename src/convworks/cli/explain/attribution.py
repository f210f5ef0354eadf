"""`convworks explain` by maps: which pixels count."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convworks.api.explain import DEFAULT
from convworks.api.work import description_of
from convworks.bundle.description import folder_of
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, table
from convworks.cli.outputs import check_outputs, unique_names
from convworks.commands import repeated
from convworks.console import downloading, say, stepping
from convworks.data.listing.find import find, plain_files
from convworks.errors import InputError, visible
from convworks.explain.attribution.named import ALL, METHODS, named_methods, parse_pixel, parse_unit
from convworks.outputs import Protected, numbered

if TYPE_CHECKING:
    from convworks.explain.attribution.summary import Summary

FOLDER = Path("explained")
SHOWN = 20  # images in the answer for people
NOT_EVERYWHERE = ("grad-cam", "cam")  # methods that ask for maps


def run(
    bundle: str,
    paths: Sequence[str],
    *,
    method: str | None,
    class_name: str | None,
    unit: str | None,
    pixel: str | None,
    taps: Sequence[str],
    out: Path | None,
    overwrite: bool,
    max_pixels: int | None,
    device: str,
    idle: Mapping[str, object],
) -> Answer:
    """Explain every image that the paths name, and write pictures, numbers and a page."""
    began = time.perf_counter()
    if useless := next((option for option, value in idle.items() if value), None):
        raise InputError(useless, "explains a number of a layer", "add --unit LAYER:C,Y,X, and leave out --method")
    wanted = (DEFAULT if method is None else method).split(",")
    methods = named_methods(wanted)
    at = None if pixel is None else parse_pixel(pixel)
    folder = locate(bundle, downloading())
    description_of(folder)
    listing = find(paths)
    files = plain_files(listing, "an explanation")
    if unit is not None:
        parse_unit(unit)
    from convworks.explain.attribution.explained import GROUP, Request, explain_groups, steps
    from convworks.explain.attribution.files import PAGE, endings_of, paths_of, write_files
    from convworks.inference.load import load

    names = unique_names(files, endings_of(methods))
    target = out if out is not None else FOLDER if overwrite else numbered(FOLDER)
    protected = listing.protected() + Protected(folders=(folder_of(folder),))
    check_outputs(target, paths_of(target, names, methods), protected, overwrite=overwrite)
    request = Request(
        methods=methods,
        class_name=class_name,
        unit=unit,
        pixel=at,
        taps=tuple(taps),
        required=tuple(name for name in wanted if name != ALL),
    )
    predictor, read = load(folder, device=device, max_pixels=max_pixels), [str(file) for file in files]
    with stepping("explaining", steps(len(methods), math.ceil(len(files) / GROUP))) as report:
        summary = write_files(target, names, explain_groups(predictor, read, request, report=report), bundle)
    for note in summary.notes[:SHOWN]:
        say(note)
    page = target / PAGE
    values = summary.values() | {
        "out": str(target),
        "page": str(page),
        "seconds": round(time.perf_counter() - began, 3),
    }
    lines = _lines(summary)
    options = {"--class": class_name, "--unit": unit, "--pixel": pixel}
    other = next((name for name in METHODS if name not in (*methods, *NOT_EVERYWHERE)), None)
    if other is not None:
        following = repeated(["explain", bundle, *paths[:3]], {"--method": other, **options})
    elif "grad-cam" in summary.impossible:  # there are no maps to look at
        following = repeated(["predict", bundle, *paths[:3]], {})
    else:
        following = repeated(["visualise", bundle, *paths[:3]], {"--show": "maps"})
    lines += [f"files: {target}", f"page:  {page}", f"next:  {following}"]
    return Answer(values=values, text="\n".join(lines))


def _lines(summary: Summary) -> list[str]:
    from convworks.explain.attribution.curves import ORDERS
    from convworks.explain.attribution.page import HEADER, method_rows
    from convworks.explain.attribution.verdict import MEASURES

    shown = list(zip(summary.names, summary.targets, summary.scores, strict=True))[:SHOWN]
    rows = [[name, target, f"{score:.4g}"] for name, target, score in shown]
    header = ["image", "explained", "score"]
    if summary.answers:
        header += ["probability", "predicted"]
        for row, answer in zip(rows, summary.answers, strict=False):
            own = "-" if answer.probability is None else f"{answer.probability:.1%}"
            row += [own, f"{answer.predicted}, {answer.largest:.1%}"]
    lines = [table(header, rows)]
    if len(summary.names) > SHOWN:
        lines.append(f"and {len(summary.names) - SHOWN:,} more (--json lists them)")
    key = f"in brackets: of insertion and deletion, the best of {ORDERS} random orders"
    if any(each.weights.images for each in summary.by_method.values()):
        key += f"; of {MEASURES[0]} to {MEASURES[-1]}, maps with random weights"
    lines += ["", table(HEADER, list(method_rows(summary))), key, "", *summary.remarks()]
    lines += [
        visible(f"{name}, {method}: empty, {verdict.empty}")
        for method, each in summary.by_method.items()
        for (name, _, _), verdict in zip(shown, each.verdicts, strict=False)
        if verdict.empty
    ]
    return lines
