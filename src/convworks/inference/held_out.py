"""The validation split that a run made itself, made again: its source has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convworks.bundle.bundle import Described
from convworks.config import build, to_json
from convworks.data.config import DIVIDING, DataConfig
from convworks.data.decode.damaged import leave_out
from convworks.data.identity import images_digest
from convworks.data.source import Source
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.split_names import VALIDATION
from convworks.errors import InputError
from convworks.inference.seen import IMAGES

#: Key in a bundle's record for how its run made a validation split; absent where the source has one.
DIVISION = "division"


def division_of(data: DataConfig, seed: int) -> dict[str, Any]:
    """Return what decides which samples a run holds out, as plain values."""
    return {"seed": seed, **{name: value for name, value in to_json(data).items() if name in DIVIDING}}


def with_held_out(source: Source, split: str | None, networks: Sequence[Described]) -> Source:
    """Return a source with the validation split that the runs of networks made, if `split` names it and there is none.

    Raises InputError if the source does not hold these images, and for networks whose runs held out different ones.
    """
    records = [network.record for network in networks]
    if split != VALIDATION or VALIDATION in source.splits or not records:
        return source
    if not all(DIVISION in record for record in records):
        return source
    held_out = {record[IMAGES][VALIDATION] for record in records}
    if len(held_out) > 1:
        reason = f"validation is not one split of {source.name}: the runs of these bundles held out different images"
        raise InputError("--split", reason, "give one bundle, or another split")
    first, values = networks[0], dict(records[0][DIVISION])
    seed = int(values.pop("seed"))
    data = build(DataConfig, {"source": source.name, **values}, where=f"record {DIVISION}")
    target = first.task.target
    whole = leave_out(target.read(ignoring(source, first.ignore)), data.skip_damaged, first.preprocessing.decoding)
    divided = target.divide(whole.source, data, seed)
    if images_digest(divided, [VALIDATION]) not in held_out:
        reason = f"validation: {source.name} has no such split, nor the images that the run held out"
        raise InputError("--split", reason, f"give the images of the run, or a split: {', '.join(source.splits)}")
    return divided
