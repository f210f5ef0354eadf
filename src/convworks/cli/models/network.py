"""`convworks models NAME`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer
from convworks.cli.models.layer_text import about, layers, memory, printed, sizes
from convworks.cli.models.text import as_csv, short
from convworks.cli.place import failure
from convworks.errors import InputError
from convworks.files import write_bytes, write_text
from convworks.models.analysis.describe import Description, describe
from convworks.models.analysis.layer_table import Layer
from convworks.models.catalogue import Facts, facts

#: A batch for which memory is told where none is given.
BATCH = 32


def run(
    name: str, *, given: tuple[int, ...] | None, classes: int | None, batch: int | None, out: Path | None
) -> Answer:
    """Show one network: layers, totals, memory, and the table that its paper prints."""
    known = facts(name)
    shape = known.shape
    if given is not None:
        if len(given) != 1 + len(shape.size):
            reason = f"has {len(given)} numbers, {name} takes {1 + len(shape.size)}"
            like = sizes((shape.channels, *shape.size))
            raise InputError(
                f"--input {sizes(given)}", reason, f"give the channels, then the size: {like} is published"
            )
        # What gives back the images that it reads gives back as many channels.
        same = shape.classes == shape.channels
        shape = replace(shape, channels=given[0], size=given[1:], classes=given[0] if same else shape.classes)
    if classes is not None:
        shape = replace(shape, classes=classes)
    try:
        found = describe(name, shape, batch=batch or BATCH)
    except InputError as error:
        if error.where not in ("data.size", "images", "input"):
            raise
        raise InputError(f"--input {sizes((shape.channels, *shape.size))}", error.reason, _remedy(error)) from None
    values: dict[str, Any] = {"models": [_values(found, known)]}
    lines = [name, *about(known), "", layers(found), "", memory(found.memory, found.batch)]
    if found.printed:
        lines += ["", printed(found.printed)]
    lost = failure(partial(_write, out, found, known, values)) if out is not None else None
    if out is not None and lost is None:
        values["out"] = str(out)
        lines += ["", f"written to {out}"]
    following = f"convworks train --model {name} --data FOLDER"
    lines += ["", f"next: {following}" if out is not None else f"next: convworks models {name} --out {name}.svg"]
    return Answer(values=values, text="\n".join(lines), error=lost)


def _remedy(error: InputError) -> str:
    """Leave out of a remedy how a training run is told the size."""
    return error.remedy.partition(": --set")[0]


def _values(found: Description, known: Facts) -> dict[str, Any]:
    def listed(rows: Sequence[Layer]) -> list[dict[str, Any]]:
        return [
            {
                "name": row.name,
                "kind": row.kind,
                "output": list(row.output),
                "kernel": list(row.kernel_size),
                "stride": list(row.stride),
                "parameters": row.parameters,
                "macs": row.macs,
                "activations": row.activations,
                "receptive_field": list(row.field),
                "receptive_stride": [_number(jump) for jump in row.jump],
            }
            for row in rows
        ]

    totals = {what: sum(getattr(row, what) for row in found.layers) for what in ("parameters", "macs", "activations")}
    return {
        "name": found.name,
        **{key: getattr(known, key) for key in ("year", "paper", "summary", "published_error", "differs", "training")},
        **totals,
        "total_parameters": found.total_parameters,
        "auxiliary_parameters": sum(row.parameters for row in found.auxiliary),
        "input": [found.shape.channels, *found.shape.size],
        "classes": found.shape.classes,
        "batch": found.batch,
        "layers": listed(found.layers),
        "auxiliary": listed(found.auxiliary),
        "memory": asdict(found.memory) | {"training": found.memory.training, "inference": found.memory.inference},
        "printed": [asdict(row) for row in found.printed],
    }


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _write(out: Path, found: Description, known: Facts, values: dict[str, Any]) -> None:
    kind = out.suffix.lower()
    if kind == ".csv":
        (entry,) = values["models"]
        write_text(out, as_csv(entry["layers"] + entry["auxiliary"]))
    elif kind == ".json":
        write_text(out, json.dumps(values, indent=2) + "\n")
    else:
        from convworks.charts.network.picture import network_picture
        from convworks.charts.raster import to_png
        from convworks.charts.svg import svg_file

        parameters, macs = (sum(getattr(row, what) for row in found.layers) for what in ("parameters", "macs"))
        remarks = f"{known.paper.partition(',')[0]}, {known.year}   {parameters:,} parameters   {short(macs)} MACs"
        given = sizes((found.shape.channels, *found.shape.size))
        drawing = network_picture(found.stages, title=found.name, remarks=remarks, given=given)
        if kind == ".svg":
            write_text(out, svg_file(drawing))
        else:
            write_bytes(out, to_png(drawing))
