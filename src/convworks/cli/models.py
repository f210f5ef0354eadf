"""`convworks models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convworks.cli.answer import Answer, table
from convworks.models import NAMES, family

if TYPE_CHECKING:
    from convworks.models.catalogue import Shape


def run(name: str | None) -> Answer:
    """List the catalogue, or one network's layers."""
    if name is None:
        return _catalogue()
    family(name)
    return _network(name)


def _catalogue() -> Answer:
    from convworks.models.catalogue import facts
    from convworks.models.count import count_published

    entries = []
    for name in NAMES:
        known, counted = facts(name), count_published(name)
        entries.append(
            {
                "name": name,
                "year": known.year,
                "paper": known.paper,
                "parameters": counted.parameters,
                "macs": counted.macs,
                "input": [known.shape.channels, *known.shape.size],
                "classes": known.shape.classes,
                "published_error": known.published_error,
                "summary": known.summary,
                "differs": known.differs,
            }
        )
    rows = [
        [
            e["name"],
            e["year"],
            f"{e['parameters']:,}",
            f"{e['macs']:,}",
            shape_text(facts(name).shape),
            e["summary"],
        ]
        for name, e in zip(NAMES, entries, strict=True)
    ]
    text = table(["name", "year", "parameters", "MACs", "input", "what it is"], rows)
    return Answer(values={"models": entries}, text=f"{text}\nnext: convworks models NAME shows the layers of one")


def shape_text(shape: Shape) -> str:
    """Write an input as 3x32x32."""
    return "x".join(map(str, (shape.channels, *shape.size)))


def _network(name: str) -> Answer:
    from convworks.models.catalogue import facts
    from convworks.models.count import count_published, layers

    known, total = facts(name), count_published(name)
    rows = layers(name)
    shown = [
        [row.name, row.kind, "x".join(map(str, row.output)), f"{row.parameters:,}", f"{row.macs:,}"] for row in rows
    ]
    shown.append(["total", "", "", f"{total.parameters:,}", f"{total.macs:,}"])
    notes = [known.paper + f", {known.year}", known.summary]
    notes += [f"published error: {known.published_error}"] if known.published_error else []
    notes += [f"differs: {known.differs}"] if known.differs else []
    values = {
        "models": [
            {
                "name": name,
                "parameters": total.parameters,
                "macs": total.macs,
                "input": [known.shape.channels, *known.shape.size],
                "layers": [
                    {
                        "name": r.name,
                        "kind": r.kind,
                        "output": list(r.output),
                        "parameters": r.parameters,
                        "macs": r.macs,
                    }
                    for r in rows
                ],
            }
        ]
    }
    header = ["layer", "kind", "output", "parameters", "MACs"]
    return Answer(
        values=values,
        text="\n".join(
            [
                name,
                *notes,
                "",
                table(header, shown),
                "",
                f"next: convworks train --model {name} --data FOLDER",
            ]
        ),
    )
