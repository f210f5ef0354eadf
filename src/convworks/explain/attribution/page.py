"""The page of an explanation: all methods side by side for the first images, and the verdicts on each method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from convworks.charts.attribution import image_drawing
from convworks.explain.attribution.curves import ORDERS
from convworks.explain.attribution.explained import Explained
from convworks.explain.attribution.pictures import map_drawing
from convworks.explain.attribution.summary import Summary, against_chance
from convworks.explain.attribution.verdict import MEASURES, UNRELATED, Weights
from convworks.pages.blocks import Section, bold, paragraphs, wrapping, write_page
from convworks.pages.tables import Row, table

#: Images that the page shows; all have files.
SHOWN = 20
HEADER = [
    "method",
    "promise",
    "insertion",
    "deletion",
    "wins by insertion",
    "wins by deletion",
    *MEASURES,
    "distance",
    "weights",
]
TEXTS = ("method", "promise", "weights")


def write_explanation(path: Path, summary: Summary, images: Sequence[Section], title: str) -> Path:
    """Write the page of all images, some of which have sections (`image_section`)."""
    sections = [
        *images,
        Section(
            anchor="ranking",
            title="Insertion and deletion",
            note=f"Mean {'value of the unit' if summary.unit else 'probability'} while pixels come and go, the "
            f"strongest first; in brackets, the best of {ORDERS} random orders. Insertion is better the larger, "
            "deletion the smaller; the last columns count the images on which a map beats all random orders. In small "
            "images, pixels that are deleted at random soon leave no image at all, which is hard to beat.",
            body=_columns(summary, "method", "insertion", "deletion", "wins by insertion", "wins by deletion"),
        ),
        Section(
            anchor="weights",
            title="Promises and weights",
            note="Complexity, order and repetition of the maps, and their similarity to maps with random weights; in "
            "brackets, those of maps with random weights. Together they give the distance, in standard deviations.",
            body=_columns(summary, "method", "promise", "weights", *MEASURES, "distance"),
        ),
    ]
    hidden = len(summary.names) - len(images)
    more = [f"{hidden:,} more images have files of their own."] if hidden else []
    return write_page(
        path,
        title=title,
        kind="explanation",
        headline=Markup("<section>{}</section>").format(paragraphs([*_findings(summary), *more])),
        sections=sections,
        beside=["one .png, .svg per image and method", "one .npz per image"],
    )


def _findings(summary: Summary) -> list[str]:
    """Say in sentences which maps are not to be believed."""
    methods = summary.by_method.values()
    colours = {
        "Orange counts for what is explained, blue against it.": [each.title for each in methods if each.signed],
        "Orange is strong, whatever the sign.": [each.title for each in methods if not each.signed],
    }
    several = all(colours.values())
    lines = [f"{', '.join(titles)}: {text}" if several else text for text, titles in colours.items() if titles]
    lines.append(
        "A map shows what the score depends on; how it did in tests is under each image, and in the tables at the end."
    )
    lines += [f"{remark}." for remark in summary.remarks()]
    unrelated = [each.title for each in methods if each.weights.verdict == UNRELATED]
    chance: dict[str, list[str]] = {}
    for each in methods:
        if each.chance:
            chance.setdefault(each.chance, []).append(each.title)
    if unrelated:
        lines.append(f"{', '.join(unrelated)}: {UNRELATED}.")
    where = " on most images" if len(summary.names) > 1 else ""
    lines += [f"{', '.join(titles)}: {text}{where}." for text, titles in chance.items()]
    return lines


def _columns(summary: Summary, *names: str) -> Markup:
    """Tabulate some columns of the verdicts; those with texts come first."""
    places = [HEADER.index(name) for name in names]
    rows = [Row(cells=[cells[place] for place in places]) for cells in method_rows(summary)]
    return table(names, rows, texts=sum(name in TEXTS for name in names))


def method_rows(summary: Summary) -> Iterator[list[str]]:
    """Yield the verdict on each method over all images, as the cells of a table."""
    for name, each in summary.by_method.items():
        verdicts = each.verdicts
        count = len(verdicts)

        def mean(field: str, verdicts: Sequence[object] = verdicts) -> float:
            return sum(float(getattr(verdict, field)) for verdict in verdicts) / len(verdicts)

        yield [
            name,
            each.promise,
            f"{mean('insertion'):.3f} ({mean('random_insertion'):.3f})",
            f"{mean('deletion'):.3f} ({mean('random_deletion'):.3f})",
            *(f"{sum(getattr(verdict, way) for verdict in verdicts)}/{count}" for way in ("inserts", "deletes")),
            *(_beside_random(each.weights, measure) for measure in MEASURES),
            f"{each.weights.distance:.1f}" if each.weights.images else "-",
            each.weights.verdict,
        ]


def _beside_random(weights: Weights, measure: str) -> str:
    """Write a measure of maps, in brackets that of maps with random weights; a dash where there were no maps."""
    measured = getattr(weights, measure)
    return f"{measured.trained:.2f} ({measured.random:.2f})" if weights.images else "-"


def image_section(index: int, explained: Explained, number: int) -> Section:
    """Return an image with its maps, and what is wrong with them; `number` counts from 1 on the page."""
    subject, score = explained.subject, float(explained.scores[index])
    drawings = [image_drawing(subject.pictures[index], "Image")]
    lines: list[str] = []
    for attribution in explained.attributions.by_method.values():
        drawings.append(map_drawing(explained, index, attribution))
        verdict = attribution.verdicts[index]
        if verdict.empty:
            lines.append(Markup("{}: {}").format(bold(f"{attribution.method.title} is empty"), verdict.empty))
        elif not verdict.ranks:
            lines.append(
                f"{attribution.method.title}: {against_chance(verdict.inserts, verdict.deletes)}: "
                f"insertion {verdict.insertion:.3f} (best random order {verdict.random_insertion:.3f}), "
                f"deletion {verdict.deletion:.3f} ({verdict.random_deletion:.3f})."
            )
    answer = f", {explained.answers[index]}" if explained.answers else ""
    return Section(
        anchor=f"image-{number}",
        title=Path(subject.names[index]).name,
        note=f"{explained.targets[index]}, score {score:.4g}{answer}",
        body=wrapping(drawings) + paragraphs(lines),
    )
