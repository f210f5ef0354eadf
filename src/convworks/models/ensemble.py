"""Ensembles of this project: small networks trained together, whose logits are averaged."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.members import Mean, Member, Members
from convworks.layers.network import Auxiliary, Network
from convworks.models import convnet
from convworks.models.catalogue import Facts, Shape
from convworks.models.convnet import Block, Convnet


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A row: the tables of the members, which have separate weights and may differ."""

    members: tuple[Convnet, ...]


def _member(*blocks: Block, head_size: int = 3) -> Convnet:
    return Convnet(blocks=blocks, head_size=head_size, dropout=0.2)


def _pooled(width: int, kernel_size: int = 3) -> Block:
    return Block(width=width, kernel_size=kernel_size, pool=2)


# Different strides and kernel sizes make the errors of the members differ.
ROWS = {
    "ensemble_best": Ensemble(
        members=(
            _member(
                *(Block(width=16, padding=0), Block(width=32, padding=0, pool=2), Block(width=64), _pooled(64)),
                *(Block(width=128), Block(width=128, padding=0)),
                head_size=4,
            ),
            _member(Block(width=32, padding=0, pool=2), Block(width=64), _pooled(64), Block(width=128), _pooled(128)),
            _member(
                *(Block(width=32, kernel_size=5, stride=2, padding=0), Block(width=48, kernel_size=5), _pooled(48, 5)),
                *(Block(width=96), _pooled(96)),
            ),
        )
    )
}

FACTS = {
    "ensemble_best": Facts(
        year=2026,
        paper="this project",
        summary="half an hour to 99.7 % on MNIST: the mean of three convnets",
        shape=Shape(classes=10, channels=1, size=(28, 28)),
    )
}


def build(row: Ensemble, shape: Shape) -> Network:
    """Build a row: the stem is the identity, the only stage holds the members, the head averages their logits.

    In training, the loss is the mean of the members' own losses, so they are independent.
    """
    members = [convnet.build(member, shape) for member in row.members]
    weight = 1 / len(members)
    return Network(
        stem=nn.Identity(),
        stages={"members": Members(members)},
        head=nn.Sequential(OrderedDict(mean=Mean())),
        auxiliary={
            f"member{number + 1}": Auxiliary("members", weight, Member(number)) for number in range(len(members))
        },
        head_weight=0.0,
    )
