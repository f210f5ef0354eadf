"""`convworks models`."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, table
from convworks.cli.models import BUILT
from convworks.cli.models.text import WIDTH, as_csv, short
from convworks.cli.output_path import check_optional, failure
from convworks.errors import InputError
from convworks.files import write_text
from convworks.models import NAMES, family
from convworks.outputs import Protected

#: More positions along an axis than any image has: PyTorch cannot count the bytes of much larger tensors.
LARGEST = 65_536


def run(
    name: str | None,
    *,
    input_size: str | None,
    classes: int | None,
    batch: int | None,
    out: Path | None,
    overwrite: bool = False,
) -> Answer:
    """List the catalogue, or show one network layer by layer, and write the same to a file."""
    if name is not None:
        family(name)
    suffixes = (".csv", ".json") if name is None else (".csv", ".json", ".svg", ".png")
    check_optional("--out", out, Protected(), suffixes=suffixes, overwrite=overwrite)
    if name is not None:
        from convworks.cli.models import network

        return network.run(
            name, input_size=None if input_size is None else _sizes(input_size), classes=classes, batch=batch, out=out
        )
    for option, value in (("--input", input_size), ("--classes", classes), ("--batch", batch)):
        if value is not None:
            raise InputError(f"{option} {value}", "is for one network", f"convworks models NAME {option} {value}")
    return _catalogue(out)


def _sizes(input_size: str) -> tuple[int, ...]:
    where = f"--input {input_size}"
    if not re.fullmatch(r"\d+(x\d+)+", input_size):
        raise InputError(where, "is not of the form 3x224x224", "give the channels, then the size along each axis")
    sizes = tuple(map(int, input_size.split("x")))
    if not all(1 <= size <= LARGEST for size in sizes):
        raise InputError(where, f"has a side outside 1 to {LARGEST}", "correct it")
    return sizes


def _catalogue(out: Path | None) -> Answer:
    from convworks.models.analysis.counted import counted
    from convworks.models.catalogue import facts
    from convworks.models.config import ModelConfig
    from convworks.tasks.registry import is_trained

    entries: list[dict[str, Any]] = []
    sizes = counted()
    for name in NAMES:
        published, size = facts(name), sizes[name]
        entries.append(
            {
                "name": name,
                "year": published.year,
                "paper": published.paper,
                "parameters": size.parameters,
                "total_parameters": size.total,
                "auxiliary_parameters": size.auxiliary,
                "macs": size.macs,
                "input": [published.shape.channels, *published.shape.size],
                "classes": published.shape.classes,
                "published_error": published.published_error,
                "summary": published.summary,
                "differs": published.differs,
                "trains": is_trained(ModelConfig(name=name)),
            }
        )
    values: dict[str, Any] = {"models": entries}
    written, error = "", None
    if out is not None:
        content = as_csv(entries) if out.suffix.lower() == ".csv" else json.dumps(values, indent=2) + "\n"
        error = failure(partial(write_text, out, content))
        if error is None:
            values["out"] = str(out)
            written = f"written to {out}\n"
    text = f"{_listed(entries)}\n{written}next: convworks models {NAMES[0]}"
    return Answer(values=values, text=text, error=error)


def _listed(entries: Sequence[dict[str, Any]]) -> str:
    """Write the catalogue paper by paper."""
    header = ["name", "parameters", "MACs", "input", "published error"]
    cells = [
        [e["name"], f"{e['parameters']:,}", short(e["macs"]), "x".join(map(str, e["input"])), "#"] for e in entries
    ]
    first, *aligned = table(header, cells).splitlines()  # "#" marks where the last column begins
    lines, rows = [f"  {first}"], iter(aligned)
    for (paper, year), group in groupby(entries, lambda entry: (entry["paper"], entry["year"])):
        lines += ["", f"{paper}, {year}"]
        for entry in group:
            start = "  " + next(rows).removesuffix("#")
            lines += textwrap.wrap(
                entry["published_error"] or "-", WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
            )
            if not entry["trains"]:
                lines.append(f"{' ' * 6}{BUILT}")
            if entry["differs"]:
                lines += textwrap.wrap(
                    f"differs: {entry['differs']}", WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
                )
    return "\n".join(lines)
