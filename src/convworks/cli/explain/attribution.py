"""`convworks explain` by maps: which pixels count."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.explain import DEFAULT, explain
from convworks.api.work import description_of
from convworks.bundle.description import folder_of
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, repeated, table
from convworks.cli.outputs import check_outputs, unique_names
from convworks.console import downloading, say
from convworks.data.listing.find import find, plain_files
from convworks.errors import InputError, visible
from convworks.explain.attribution.named import ALL, METHODS, named_methods, parse_pixel
from convworks.outputs import Protected, numbered

if TYPE_CHECKING:
    from convworks.explain.attribution.explained import Explained

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
    from convworks.explain.attribution.files import paths_of, write_files

    names = unique_names(files)
    target = out if out is not None else FOLDER if overwrite else numbered(FOLDER)
    protected = listing.protected() + Protected(folders=(folder_of(folder),))
    check_outputs(target, paths_of(target, names, methods), protected, overwrite=overwrite)
    explained = explain(
        folder,
        [str(file) for file in files],
        method=ALL if ALL in wanted else methods,
        class_name=class_name,
        unit=unit,
        pixel=at,
        taps=taps,
        device=device,
    )
    for note in explained.subject.notes[:SHOWN]:
        say(note)
    title = f"{bundle}: {', '.join(dict.fromkeys(explained.targets[:3]))}"
    page = write_files(target, names, explained, title)
    values = _values(explained) | {
        "out": str(target),
        "page": str(page),
        "seconds": round(time.perf_counter() - began, 3),
    }
    lines = _lines(explained)
    following = _following(bundle, paths[:3], methods, {"--class": class_name, "--unit": unit, "--pixel": pixel})
    lines += [f"files: {target}", f"page:  {page}", f"next:  {following}"]
    return Answer(values=values, text="\n".join(lines))


def _following(bundle: str, paths: Sequence[str], methods: Sequence[str], options: Mapping[str, object]) -> str:
    """Return the command with another method, one that every network can do; after all of them, what layers see."""
    other = next((name for name in METHODS if name not in (*methods, *NOT_EVERYWHERE)), None)
    if other is None:
        return repeated(["visualise", bundle, *paths], {"--show": "maps"})
    return repeated(["explain", bundle, *paths], {"--method": other, **options})


def _values(explained: Explained) -> dict[str, Any]:
    from convworks.explain.attribution.verdict import finite

    subject, by_method = explained.subject, explained.attributions.by_method
    images = [
        {
            "path": name,
            "target": explained.targets[index],
            "score": finite(float(explained.scores[index])),
            "methods": {method: each.verdicts[index].values() for method, each in by_method.items()},
        }
        for index, name in enumerate(subject.names)
    ]
    weights = {
        method: {
            "complexity": each.weights.complexity._asdict(),
            "order": each.weights.order._asdict(),
            "similarity": each.weights.similarity._asdict(),
            "verdict": each.weights.verdict,
        }
        for method, each in by_method.items()
    }
    notes = {method: each.note for method, each in by_method.items() if each.note}
    return {"images": images, "weights": weights, "notes": notes, "impossible": dict(explained.attributions.impossible)}


def _lines(explained: Explained) -> list[str]:
    from convworks.explain.attribution.files import HEADER, method_rows

    subject, by_method = explained.subject, explained.attributions.by_method
    rows = [
        [name, explained.targets[index], f"{float(explained.scores[index]):.4g}"]
        for index, name in enumerate(subject.names[:SHOWN])
    ]
    lines = [table(["image", "explained", "score"], rows)]
    if len(subject.names) > SHOWN:
        lines.append(f"and {len(subject.names) - SHOWN:,} more (--json lists them)")
    lines += ["", table(HEADER, list(method_rows(explained))), ""]
    lines += [f"{name}: {each.note}" for name, each in by_method.items() if each.note]
    lines += [f"{name}: {reason}" for name, reason in explained.attributions.impossible.items()]
    lines += [
        visible(f"{name}, {method}: empty, {each.verdicts[index].empty}")
        for method, each in by_method.items()
        for index, name in enumerate(subject.names[:SHOWN])
        if each.verdicts[index].empty
    ]
    return lines
