"""`convworks explain --unit` without a method: the terms that add up to one number of a network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convworks.api.work import description_of
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, table
from convworks.commands import repeated
from convworks.console import downloading, say
from convworks.data.listing.find import find, plain_files
from convworks.errors import InputError, counted
from convworks.explain.attribution.named import parse_unit

if TYPE_CHECKING:
    from convworks.explain.arithmetic import Number
    from convworks.explain.unit import Explanation

SHOWN = 12  # terms in the answer for people


def run(
    bundle: str,
    paths: Sequence[str],
    *,
    unit: str,
    message: bool,
    gradient: bool,
    class_name: str | None,
    idle: Mapping[str, object],
    max_pixels: int | None,
    device: str,
) -> Answer:
    """Print the terms of a number, the largest first, and their sum beside the number in the tensor."""
    began = time.perf_counter()
    if useless := next((option for option, value in idle.items() if value), None):
        raise InputError(useless, "is for maps", "add --method, or leave it out")
    if message and gradient:
        raise InputError("--message", "cannot be combined with --gradient", "leave out one of them")
    if class_name is not None and not (message or gradient):
        raise InputError("--class", "chooses the loss of --message and --gradient", "add one of them, or leave it out")
    layer, index = parse_unit(unit)
    folder = locate(bundle, downloading())
    description_of(folder)
    files = plain_files(find(paths), "an explanation")
    if len(files) > 1:
        reason = f"explains a single image, {len(files)} were given"
        raise InputError("--unit", reason, "name one image, or add --method for maps")
    from convworks.explain.arithmetic import explain_number
    from convworks.explain.attribution.explained import read_subject
    from convworks.inference.load import load

    predictor = load(folder, device=device, max_pixels=max_pixels)
    subject = read_subject(predictor, [str(files[0])])
    for note in subject.notes:
        say(note)
    what = "message" if message else "gradient" if gradient else "output"
    number = explain_number(predictor, subject, layer, index, what=what, class_name=class_name)
    values = _values(number) | {"seconds": round(time.perf_counter() - began, 3)}
    lines = _lines(number.explanation)
    lines += [f"loss: {number.loss:.6g}, {number.loss_of}"] if number.loss is not None else []
    # Messages are those of inputs, gradients those of weights: neither has a map.
    mapped = {"--unit": unit} if what == "output" else {"--class": class_name}
    lines.append(f"next: {repeated(['explain', bundle, *paths], {**mapped, '--method': 'gradient'})}")
    return Answer(values=values, text="\n".join(lines))


def _values(number: Number) -> dict[str, Any]:
    explanation, terms = number.explanation, number.explanation.terms
    rows = zip(terms.values, terms.weights, terms.products, terms.positions, terms.weight_positions, strict=True)
    return {
        "layer": explanation.layer,
        "what": explanation.what,
        "index": list(explanation.index),
        "kind": explanation.kind,
        "value": explanation.value,
        "sum": terms.sum,
        "bias": terms.bias,
        "loss": number.loss,
        "loss_of": number.loss_of,
        "terms": [
            {
                "value": float(value),
                "weight": float(weight),
                "product": float(product),
                "position": position.tolist(),
                "weight_position": weight_position.tolist(),
            }
            for value, weight, product, position, weight_position in rows
        ],
    }


def _lines(explanation: Explanation) -> list[str]:
    terms = explanation.terms
    shown = min(SHOWN, int(np.count_nonzero(terms.products)))
    strongest = np.argsort(-np.abs(terms.products), kind="stable")[:shown]
    rows = [
        [
            f"{terms.values[n]:+.6g}",
            f"{terms.weights[n]:+.6g}",
            f"{terms.products[n]:+.6g}",
            _place(terms.positions[n]),
            _place(terms.weight_positions[n]),
        ]
        for n in strongest
    ]
    count = len(terms.values)
    index = ",".join(map(str, explanation.index))
    named = "" if explanation.what == "output" else f" {explanation.what}"
    lines = [f"{explanation.layer}{named} [{index}] by {explanation.kind}: {count:,} terms"]
    sources = [explanation.values_from, explanation.weights_from]
    header = [*sources, "product", *(f"{source} index" for source in sources)]
    lines += ["", table(header, rows)] if rows else []
    if count > shown:
        rest = terms.products.sum() - terms.products[strongest].sum()
        smaller = (
            f"and {count - shown:,} smaller ones, which add up to {rest:+.6g}"
            if shown == SHOWN
            else (f"and {counted(count - shown, 'term')} of 0")
        )
        lines.append(f"{smaller} (--json lists them)")
    return [*lines, "", f"bias {terms.bias:+.6g}, sum {terms.sum:+.9g}; in the tensor {explanation.value:+.9g}"]


def _place(index: np.ndarray) -> str:
    return ",".join(map(str, index))
