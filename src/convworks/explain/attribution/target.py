"""What is explained: one number of each image, read from the output of a network or at a tap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convworks.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Target:
    """A channel of each image, averaged over some positions of its map.

    `tap` names the activation that it is read from (None: the output of the network), `channels` has an entry for each
    image, `where` are the positions (None: all, or there are none). `name` says it in words.
    """

    name: str
    channels: Int64[Tensor, " b"]
    where: Bool[Tensor, "b *map"] | None = None
    tap: str | None = None

    def score(self, values: Float[Tensor, "b k *map"]) -> Float[Tensor, " b"]:
        """Return the number of each image, from the output or the activation."""
        chosen = values[torch.arange(len(values), device=values.device), self.channels.to(values.device)]
        return self._averaged(chosen[:, None])[:, 0]

    def in_place_of(self, values: Float[Tensor, "b k *map"], others: Float[Tensor, "b k *map"]) -> Target:
        """Return what stands in another network, whose values are `others`, where this stands among the `values`.

        That is the channel of the same rank at the same positions: for the class that a network predicts, the one that
        the other predicts.
        """
        means, order = self._averaged(values), self._averaged(others).argsort(dim=1, descending=True, stable=True)
        own = means.gather(1, self.channels.to(means.device)[:, None])  # `score` may round otherwise
        return replace(self, channels=order.gather(1, (means > own).sum(1, keepdim=True))[:, 0])

    def _averaged(self, values: Float[Tensor, "b c *map"]) -> Float[Tensor, "b c"]:
        """Return channels averaged over the positions."""
        if values.ndim == 2:
            return values
        flat = values.flatten(2)
        if self.where is None:
            return flat.mean(2)
        weights = self.where.to(values).flatten(1)[:, None]
        return (flat * weights).sum(2) / weights.sum(2)

    def rows(self, index: Int64[Tensor, " n"]) -> Target:
        """Return the target of some images, by their index; one may be repeated."""
        where = None if self.where is None else self.where[index.to(self.where.device)]
        return replace(self, channels=self.channels[index.to(self.channels.device)], where=where)


def class_target(
    name: str, number: int | Int64[Tensor, " b"], outputs: Float[Tensor, "b k *map"], names: Sequence[str] = ()
) -> Target:
    """Return the score of a class: its logit, for a map of logits averaged over the pixels that are predicted as it.

    `number` is that of the class, or one for each image; `names` stand for the images in errors. Raises InputError for
    an image without such a pixel.
    """
    channels = torch.as_tensor(number).expand(len(outputs)).long()
    if outputs.ndim == 2:
        return Target(name=name, channels=channels)
    where = outputs.argmax(1) == channels.to(outputs.device).view(-1, *(1,) * (outputs.ndim - 2))
    for index, pixels in enumerate(where.flatten(1).any(1).tolist()):
        if not pixels:
            image = names[index] if names else f"image {index}"
            reason = f"{name} is predicted at no pixel of {image}"
            raise InputError("--class", reason, "choose another class, or one pixel with --pixel")
    return Target(name=f"{name}, where it is predicted", channels=channels, where=where)


def predicted(outputs: Float[Tensor, "b k *map"]) -> Int64[Tensor, " b"]:
    """Return the class of each image with the largest logit; for a map of logits, that of the most pixels."""
    if outputs.ndim == 2:
        return outputs.argmax(1)
    each = outputs.argmax(1).flatten(1)
    counts = torch.stack([row.bincount(minlength=outputs.shape[1]) for row in each])
    return counts.argmax(1)


def unit_target(
    name: str, index: Sequence[int], values: Float[Tensor, "b k *map"], *, tap: str | None = None
) -> Target:
    """Return one unit of a tap: (channel, *position), or a channel alone, which is averaged over its map.

    `values` is the activation at the tap, or the output without one. Raises InputError for an index outside it.
    """
    shape = tuple(values.shape[1:])
    written, within = ",".join(map(str, index)), "x".join(map(str, shape))
    if len(index) not in (1, len(shape)):
        needs = f"needs {len(shape)} indices, or the channel alone, got {len(index)}: {written}"
        raise InputError("--unit", f"the units of {tap or 'the output'} are {within}, which {needs}", "count from 0")
    if any(not 0 <= entry < side for entry, side in zip(index, shape, strict=False)):
        reason = f"{written} is outside {tap or 'the output'}, whose shape is {within}"
        raise InputError("--unit", reason, "count from 0")
    channels = torch.full((len(values),), index[0])
    if len(index) == 1:
        return Target(name=name, channels=channels, tap=tap)
    where = torch.zeros(len(values), *shape[1:], dtype=torch.bool)
    where.movedim(0, -1)[tuple(index[1:])] = True
    return Target(name=name, channels=channels, where=where if shape[1:] else None, tap=tap)
