"""Inspection of a bundle for transfer learning."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from convworks.bundle.bundle import Bundle, load_bundle
from convworks.data.inputs.kinds import input_of
from convworks.errors import InputError
from convworks.layers.cut import body, check_cut, default_cut, end_of_encoder
from convworks.layers.network import Network
from convworks.models.catalogue import facts
from convworks.models.transfer.adapted import default_head, kept_parts, layers_kept, makes_logits


class InspectedBundle(NamedTuple):
    """A bundle, its new head, the tap to cut it at, the layers that are kept, the number of outputs of its network."""

    bundle: Bundle
    head: str
    cut: str
    layers: tuple[str, ...]
    outputs: int

    def accepts(self, size: tuple[int, int]) -> bool:
        """Return whether what is kept of the network takes images of a size (height, width)."""
        network = self.bundle.network
        assert isinstance(network, Network)
        trunk = body(network, self.cut).eval() if self.cut else network.eval()
        device = next(network.parameters()).device
        try:
            with torch.no_grad():
                trunk(input_of(self.bundle.preprocessing).example(size=size, device=device))
        except (RuntimeError, ValueError, InputError):
            return False
        return True


def inspect_bundle(path: Path, cut: str | None, head: str | None, *, masks: bool) -> InspectedBundle:
    """Load a bundle and return where it is cut for a head: at the tap `cut`, by default before the last layer.

    The default head depends on whether the targets are `masks` (`default_head`). Below that of a U-Net, the default cut
    is the end of the encoder. With the head `keep` it is not cut, and all layers are kept. Raises InputError for a
    network that does not read images, and for a tap at which it cannot be cut.
    """
    bundle = load_bundle(path)
    network, model = bundle.network, bundle.model
    assert isinstance(network, Network)  # as every bundle from the disk
    if facts(model.name).reads != "images":
        raise InputError(path, f"its network {model.name} reads {facts(model.name).reads}", "give one for images")
    answers = makes_logits(model)
    outputs = len(bundle.classes) if answers else bundle.input.channels
    head = head or default_head(model, masks=masks)
    if head == "keep":
        return InspectedBundle(bundle, head, "", kept_parts(network, None), outputs)
    if cut is None:
        cut = end_of_encoder(network) if head == "unet" else default_cut(network, encoder=not answers)
    parts = [tap for tap in network.taps if tap.startswith("head.")]
    if cut == "head" and parts:  # the same as its last part
        cut = parts[-1]
    check_cut(network, cut, "--cut")
    return InspectedBundle(bundle, head, cut, layers_kept(network, cut), outputs)
