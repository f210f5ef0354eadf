"""The network of a bundle, looked at for what a transfer asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from convworks.bundle.bundle import Bundle, load_bundle
from convworks.errors import InputError
from convworks.layers.cut import check_cut, default_cut
from convworks.layers.network import Network
from convworks.models.catalogue import facts
from convworks.models.transfer.adapted import kept_parts, layers_kept, makes_logits


class Found(NamedTuple):
    """A bundle, the tap to cut it at, the layers that stay, and how many outputs its network has."""

    bundle: Bundle
    cut: str
    layers: tuple[str, ...]
    outputs: int


def look(place: Path, cut: str | None, *, keep: bool = False) -> Found:
    """Load a bundle and say where it is cut: at the tap named, or before its last layer.

    With `keep`, it is not cut, and all its layers stay. Raises InputError for a network that reads no images, and for a
    tap at which it cannot be cut.
    """
    bundle = load_bundle(place)
    network, model = bundle.network, bundle.model
    assert isinstance(network, Network)  # as every bundle from the disk
    if facts(model.name).reads != "images":
        raise InputError(place, f"its network {model.name} reads {facts(model.name).reads}", "give one for images")
    answers = makes_logits(model)
    outputs = len(bundle.classes) if answers else bundle.preprocessing.channels
    if keep:
        return Found(bundle, "", kept_parts(network, None), outputs)
    if cut is None:
        cut = default_cut(network, encoder=not answers)
    parts = [tap for tap in network.taps if tap.startswith("head.")]
    if cut == "head" and parts:  # the same as its last part
        cut = parts[-1]
    check_cut(network, cut, "--cut")
    return Found(bundle, cut, layers_kept(network, cut), outputs)
