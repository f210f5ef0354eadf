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
from convworks.cli.models import BUILT
from convworks.cli.models.layer_text import about, layers, memory, printed, sizes
from convworks.cli.models.text import as_csv, short
from convworks.cli.output_path import failure
from convworks.errors import InputError
from convworks.files import write_bytes, write_text
from convworks.models.analysis.describe import Description, describe
from convworks.models.analysis.layer_table import Layer
from convworks.models.catalogue import Facts, facts
from convworks.models.config import ModelConfig
from convworks.recipes import RECIPES
from convworks.recipes import recipe as load_recipe
from convworks.tasks.registry import is_trained

#: The default batch for which memory is counted.
BATCH = 32


def run(
    name: str, *, input_size: tuple[int, ...] | None, classes: int | None, batch: int | None, out: Path | None
) -> Answer:
    """Show one network: layers, totals, memory, and the table that its paper prints."""
    published = facts(name)
    shape = published.shape
    if input_size is not None:
        if len(input_size) != 1 + len(shape.size):
            reason = f"has {len(input_size)} numbers, {name} takes {1 + len(shape.size)}"
            like = sizes((shape.channels, *shape.size))
            raise InputError(
                f"--input {sizes(input_size)}", reason, f"give channels and size, such as the published {like}"
            )
        # What gives back the images that it reads gives back as many channels.
        same = shape.classes == shape.channels
        shape = replace(
            shape, channels=input_size[0], size=input_size[1:], classes=input_size[0] if same else shape.classes
        )
    if classes is not None:
        shape = replace(shape, classes=classes)
    try:
        network = describe(name, shape, batch=batch or BATCH)
    except InputError as error:
        if error.where not in ("data.size", "images", "input"):
            raise
        raise InputError(f"--input {sizes((shape.channels, *shape.size))}", error.reason, _remedy(error)) from None
    values: dict[str, Any] = {"models": [_values(network, published)]}
    values["models"][0]["trains"] = trains = is_trained(ModelConfig(name=name))
    use = f"trains on images, with --model {name}" if trains else BUILT
    lines = [name, *about(published), use, "", layers(network), "", memory(network.memory, network.batch)]
    if network.printed:
        lines += ["", printed(network.printed)]
    lost = failure(partial(_write, out, network, published, values)) if out is not None else None
    if out is not None and lost is None:
        values["out"] = str(out)
        lines += ["", f"written to {out}"]
    recipe = next((each for each in RECIPES if load_recipe(each).model.name == name), None)
    following = f"convworks recipes {recipe}" if recipe is not None else "convworks models"
    lines += ["", f"next: {following}" if out is not None else f"next: convworks models {name} --out {name}.svg"]
    return Answer(values=values, text="\n".join(lines), error=lost)


def _remedy(error: InputError) -> str:
    """Return the remedy without the option of `convworks train` that it names."""
    return error.remedy.partition(": --set")[0]


def _values(network: Description, published: Facts) -> dict[str, Any]:
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

    totals = {what: sum(getattr(row, what) for row in network.layers) for what in ("parameters", "macs", "activations")}
    return {
        "name": network.name,
        **{
            key: getattr(published, key)
            for key in ("year", "paper", "summary", "published_error", "differs", "training")
        },
        **totals,
        "total_parameters": network.total_parameters,
        "auxiliary_parameters": sum(row.parameters for row in network.auxiliary),
        "input": [network.shape.channels, *network.shape.size],
        "classes": network.shape.classes,
        "batch": network.batch,
        "layers": listed(network.layers),
        "auxiliary": listed(network.auxiliary),
        "memory": asdict(network.memory) | {"training": network.memory.training, "inference": network.memory.inference},
        "printed": [asdict(row) for row in network.printed],
    }


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _write(out: Path, network: Description, published: Facts, values: dict[str, Any]) -> None:
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

        parameters, macs = (sum(getattr(row, what) for row in network.layers) for what in ("parameters", "macs"))
        remarks = (
            f"{published.paper.partition(',')[0]}, {published.year} · {parameters:,} parameters · {short(macs)} MACs"
        )
        input_size = sizes((network.shape.channels, *network.shape.size))
        drawing = network_picture(network.stages, title=network.name, remarks=remarks, given=input_size)
        if kind == ".svg":
            write_text(out, svg_file(drawing))
        else:
            write_bytes(out, to_png(drawing))
