"""The structure of every network: stem -> stages -> head, with named taps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from convworks.errors import InputError, nearest
from convworks.layers.hourglass import Hourglass
from convworks.layers.linked import IMAGES, Links, kept_taps, linked, run
from convworks.layers.members import Members
from convworks.layers.mode import not_in_place


class Auxiliary(NamedTuple):
    """A classifier that reads the output of a stage during training; its loss counts `weight` times."""

    stage: str
    weight: float
    head: nn.Module


class Network(nn.Module):
    """A network as stem -> stages -> head.

    A tap is the name of an activation: `stem`, a stage (`stage2`), a block of it (`stage2.block1`; a part, where the
    stage is an hourglass; a member, where it is an ensemble), or a part of the head (`head.features`). `taps` lists
    them in the order of computation. Auxiliary classifiers have their own weights and are not part of `forward`. The
    loss of the head's logits is weighted by `head_weight`, which is 0 in an ensemble, whose members have losses.

    `links` are skip connections across stages: by tap, the taps whose outputs it reads besides its input (`images`: the
    input of the network). Both are in sequences; a network with links has no auxiliary classifiers.
    """

    def __init__(
        self,
        *,
        stem: nn.Module,
        stages: Mapping[str, nn.Module],
        head: nn.Module,
        auxiliary: Mapping[str, Auxiliary] | None = None,
        head_weight: float = 1.0,
        links: Links | None = None,
    ) -> None:
        super().__init__()
        self.head_weight = head_weight
        self.links = dict(links or {})
        self.stem = stem
        chain = nn.Sequential()
        for name, stage in stages.items():
            chain.add_module(name, linked(stage, f"{name}.", self.links))
        self.stages = linked(chain, "", self.links)
        self.head = linked(head, "head.", self.links)
        if auxiliary:
            self.auxiliary = nn.ModuleDict({name: entry.head for name, entry in auxiliary.items()})
        self.auxiliary_stages = {name: entry.stage for name, entry in (auxiliary or {}).items()}
        self.auxiliary_weights = {name: entry.weight for name, entry in (auxiliary or {}).items()}

    def forward(self, images: Num[Tensor, "b *input"]) -> Float[Tensor, "b k *map"]:
        """Return the logits of a batch of normalised images; for a fully convolutional network, a map of logits.

        Networks for text take token indices [b n]; those that output images return [b c h w].
        """
        if self.links:
            return self._linked(images)
        logits: Tensor = self.head(self.stages(self.stem(images)))
        return logits

    def outputs(self, images: Num[Tensor, "b *input"]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the logits, and those of each auxiliary classifier by name."""
        if self.links:
            return self._linked(images), {}
        x, auxiliary_logits = self.stem(images), {}
        for stage, module in self.stages.named_children():
            x = module(x)
            for name, tap in self.auxiliary_stages.items():
                if tap == stage:
                    auxiliary_logits[name] = self.auxiliary[name](x)
        return self.head(x), auxiliary_logits

    def _linked(self, images: Tensor) -> Tensor:
        """Return the logits of a network with links."""
        x, read = self.stem(images), kept_taps(self.links)
        kept = {tap: value for tap, value in ((IMAGES, images), ("stem", x)) if tap in read}
        return run(self.head, run(self.stages, x, kept), kept)

    def channels_last(self) -> Network:
        """Convert the weights of convolutions to channels last, as fast kernels expect them."""
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.ndim in formats:
                tensor.data = tensor.data.contiguous(memory_format=formats[tensor.ndim])
        return self

    @property
    def taps(self) -> tuple[str, ...]:
        """Return the names of all taps, in the order of computation."""
        return tuple(self._tapped())

    def activations(self, images: Num[Tensor, "b *input"], taps: Iterable[str]) -> dict[str, Tensor]:
        """Return the named activations of a batch; an unknown tap raises an InputError that lists them.

        They are the outputs of the tapped modules, even if the next module would overwrite them in place.
        """
        outputs: dict[str, Tensor] = {}
        handles = []
        for tap in taps:

            def keep(_module: nn.Module, _inputs: object, output: Tensor, tap: str = tap) -> None:
                outputs[tap] = output

            handles.append(self.tapped(tap).register_forward_hook(keep))
        try:
            with not_in_place(self):
                self(images)
        finally:
            for handle in handles:
                handle.remove()
        return {tap: outputs[tap] for tap in taps}

    def tapped(self, tap: str) -> nn.Module:
        """Return the module at a tap; an unknown tap raises an InputError that lists them."""
        modules = self._tapped()
        if tap not in modules:
            raise InputError("tap", f"there is no tap {tap!r}{nearest(tap, modules)}", f"taps: {', '.join(modules)}")
        return modules[tap]

    def _tapped(self) -> dict[str, nn.Module]:
        modules = {"stem": self.stem}
        for name, stage in self.stages.named_children():
            if isinstance(stage, nn.Sequential | Hourglass | Members):
                modules |= {f"{name}.{block}": module for block, module in stage.named_children()}
            modules[name] = stage
        modules |= {f"head.{name}": module for name, module in self.head.named_children()}
        return modules | {"head": self.head}


def module_name(tap: str) -> str:
    """Return the name of the module at a tap, as in `named_modules`: stages are in `stages`."""
    return tap if tap.partition(".")[0] in ("stem", "head") else f"stages.{tap}"


def without_auxiliary(network: Network) -> Network:
    """Remove the auxiliary classifiers, which are for training only; return the same network."""
    if network.auxiliary_stages:
        del network.auxiliary
        network.auxiliary_stages, network.auxiliary_weights, network.head_weight = {}, {}, 1.0
    return network
