"""What an explanation leaves in its folder: pictures, numbers, and one page of all methods side by side."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from convworks.charts.attribution import attribution_drawing, image_drawing
from convworks.charts.draw_file import write_drawing
from convworks.charts.drawing import Drawing, row
from convworks.explain.attribution.attribute import Attribution
from convworks.explain.attribution.curves import ORDERS
from convworks.explain.attribution.explained import Explained
from convworks.explain.attribution.verdict import UNRELATED, Weights
from convworks.files import write_bytes
from convworks.pages.blocks import Section, bold, paragraphs, wrapping, write_page
from convworks.pages.tables import Row, table

PAGE = "index.html"
#: Images that the page shows; all have files.
SHOWN = 20
GAP = 14.0


def paths_of(folder: Path, names: Sequence[str], methods: Sequence[str]) -> list[Path]:
    """Return every file that `write_files` writes, for images with these names."""
    pictures = [folder / f"{name}-{method}{end}" for name in names for method in methods for end in (".png", ".svg")]
    return [folder / PAGE, *pictures, *(folder / f"{name}.npz" for name in names)]


def write_files(folder: Path, names: Sequence[str], explained: Explained, title: str) -> Path:
    """Write the pictures and numbers of each image, whose files begin with its name, and the page; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    subject, by_method = explained.subject, explained.attributions.by_method
    for index, name in enumerate(names):
        shown = image_drawing(subject.pictures[index], Path(subject.names[index]).name)
        for method, attribution in by_method.items():
            picture = row([shown, _drawing(explained, index, attribution)], GAP, f"{name}, {attribution.method.title}")
            for end in (".png", ".svg"):
                write_drawing(folder / f"{name}-{method}{end}", picture)
        write_bytes(folder / f"{name}.npz", _numbers(explained, index))
    return _write_page(folder / PAGE, names, explained, title)


def _drawing(explained: Explained, index: int, attribution: Attribution) -> Drawing:
    values = attribution.pixels[index].detach().cpu().float().numpy()
    return attribution_drawing(explained.subject.pictures[index], values, attribution.method.title)


def _numbers(explained: Explained, index: int) -> bytes:
    """Return the values of an image by method, and the image as the network reads it, as a .npz file."""
    arrays = {
        method: attribution.values[index].detach().cpu().numpy()
        for method, attribution in explained.attributions.by_method.items()
    }
    file = io.BytesIO()
    np.savez_compressed(
        file,
        allow_pickle=False,
        image=explained.subject.images[index].detach().cpu().numpy(),
        score=explained.scores[index].detach().cpu().numpy(),
        **arrays,
    )
    return file.getvalue()


def _write_page(path: Path, names: Sequence[str], explained: Explained, title: str) -> Path:
    sections = [
        Section(
            anchor="ranking",
            title="Insertion and deletion",
            note=f"Mean {'probability' if explained.target.tap is None else 'value of the unit'} while pixels come and "
            f"go, the strongest first; in brackets, the best of {ORDERS} random orders. Insertion is better the "
            "larger, deletion the smaller.",
            body=_columns(explained, "method", "insertion", "deletion", "better than random"),
        ),
        Section(
            anchor="weights",
            title="Promises and weights",
            note="Complexity and order of the maps, and their similarity to maps with random weights; in brackets, "
            "those of maps with random weights.",
            body=_columns(explained, "method", "promise", "weights", *MEASURES),
        ),
        *(_image(index, explained) for index in range(min(len(names), SHOWN))),
    ]
    more = [f"{len(names) - SHOWN:,} more images have files of their own."] if len(names) > SHOWN else []
    impossible = [f"{name}: {reason}." for name, reason in explained.attributions.impossible.items()]
    return write_page(
        path,
        title=title,
        kind="explanation",
        headline=Markup("<section>{}</section>").format(paragraphs([*_findings(explained), *impossible, *more])),
        sections=sections,
        beside=["one .png, .svg per image and method", "one .npz per image"],
    )


def _findings(explained: Explained) -> list[str]:
    """Say in sentences which maps are not to be believed."""
    by_method = explained.attributions.by_method
    unrelated = [each.method.title for each in by_method.values() if each.weights.verdict == UNRELATED]
    chance = [each.method.title for each in by_method.values() if not _ranking(each)]
    lines = [
        "Orange counts for what is explained, blue against it. A map says where a network looked, not why; "
        "the verdict on each says how far it can be believed."
    ]
    lines += [f"{each.method.title}: {each.note}." for each in by_method.values() if each.note]
    if unrelated:
        lines.append(f"{', '.join(unrelated)}: {UNRELATED}.")
    if chance:
        verb = "rank" if len(chance) > 1 else "ranks"
        where = " on most images" if len(explained.subject.names) > 1 else ""
        lines.append(f"{', '.join(chance)} {verb} pixels no better than a random order{where}.")
    return lines


def _ranking(attribution: Attribution) -> bool:
    return 2 * sum(verdict.ranks for verdict in attribution.verdicts) > len(attribution.verdicts)


MEASURES = ("complexity", "order", "similarity")
HEADER = ["method", "promise", "insertion", "deletion", "better than random", *MEASURES, "weights"]
TEXTS = ("method", "promise", "weights")


def _columns(explained: Explained, *names: str) -> Markup:
    """Tabulate some columns of the verdicts; those with texts come first."""
    places = [HEADER.index(name) for name in names]
    rows = [Row(cells=[cells[place] for place in places]) for cells in method_rows(explained)]
    return table(names, rows, texts=sum(name in TEXTS for name in names))


def method_rows(explained: Explained) -> Iterator[list[str]]:
    """Yield the verdict on each method over all images, as the cells of a table."""
    for name, each in explained.attributions.by_method.items():
        verdicts = each.verdicts
        count = len(verdicts)

        def mean(field: str, verdicts: Sequence[object] = verdicts) -> float:
            return sum(float(getattr(verdict, field)) for verdict in verdicts) / len(verdicts)

        yield [
            name,
            _promise(each),
            f"{mean('insertion'):.3f} ({mean('random_insertion'):.3f})",
            f"{mean('deletion'):.3f} ({mean('random_deletion'):.3f})",
            f"{sum(verdict.ranks for verdict in verdicts)}/{count}",
            *(_beside_random(each.weights, measure) for measure in MEASURES),
            each.weights.verdict,
        ]


def _beside_random(weights: Weights, measure: str) -> str:
    """Write a measure of maps, in brackets that of maps with random weights; a dash where there were no maps."""
    measured = getattr(weights, measure)
    return f"{measured.trained:.2f} ({measured.random:.2f})" if weights.images else "-"


def _promise(attribution: Attribution) -> str:
    """Say how well a method keeps its promise, at worst; a dash where all maps are empty."""
    promised = attribution.method.promised
    errors = [each.error for each in attribution.verdicts if each.error is not None and not each.empty]
    if not promised or not errors:
        return "-" if promised else "none"
    return f"{promised} within {max(errors):.2%}" if all(error <= 1 for error in errors) else f"{promised}: not kept"


def _image(index: int, explained: Explained) -> Section:
    subject = explained.subject
    drawings = [image_drawing(subject.pictures[index], "Image")]
    lines: list[str] = []
    for attribution in explained.attributions.by_method.values():
        drawings.append(_drawing(explained, index, attribution))
        verdict = attribution.verdicts[index]
        if verdict.empty:
            lines.append(Markup("{}: {}").format(bold(f"{attribution.method.title} is empty"), verdict.empty))
        elif not verdict.ranks:
            lines.append(
                f"{attribution.method.title} ranks pixels no better than a random order: "
                f"insertion {verdict.insertion:.3f} (random {verdict.random_insertion:.3f}), "
                f"deletion {verdict.deletion:.3f} (random {verdict.random_deletion:.3f})."
            )
    return Section(
        anchor=f"image-{index + 1}",
        title=Path(subject.names[index]).name,
        note=f"{explained.targets[index]}, score {float(explained.scores[index]):.4g}",
        body=wrapping(drawings) + paragraphs(lines),
    )
