"""U-Nets whose contracting path is a classifier, which may be trained (Iglovikov and Shvets 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Shape, create, facts
from convworks.models.transfer.adapted import adapt
from convworks.models.transfer.dense import dense_cut
from convworks.models.transfer.head_config import UNetHead


@dataclass(frozen=True, kw_only=True)
class EncoderUNet:
    """A row: the classifier, fields of its table, and the channels on the way up, the finest scale first.

    The classifier is cut behind its last stage; the last map of each scale is the skip connection.
    """

    encoder: str
    encoder_table: Mapping[str, Any] = field(default_factory=dict)
    widths: tuple[int, ...] = (16, 32, 64, 128, 256)


#: The fully connected layers of a VGG are not used: none are built.
_WITHOUT_HIDDEN = {"hidden": (), "side": 1}

ROWS = {
    "unet_resnet18": EncoderUNet(encoder="resnet18"),
    "unet_resnet34": EncoderUNet(encoder="resnet34"),
    "unet_resnet50_v1_5": EncoderUNet(encoder="resnet50_v1_5"),
    "unet_vgg16": EncoderUNet(encoder="vgg_d", encoder_table=_WITHOUT_HIDDEN),
    "unet_vgg16_bn": EncoderUNet(encoder="vgg_d_bn", encoder_table=_WITHOUT_HIDDEN),
}

_TRAINING = (
    "Adam at learning rate 0.001, cross-entropy plus the logarithm of IoU; the encoder starts from the weights of an "
    "ImageNet classifier."
)


def _facts(row: EncoderUNet) -> Facts:
    return Facts(
        year=2018,
        paper="Iglovikov and Shvets, TernausNet: U-Net with VGG11 Encoder Pre-Trained on ImageNet",
        summary=f"U-Net on {row.encoder}: scores for every pixel of images of any size",
        shape=Shape(classes=21, channels=3, size=(256, 256)),
        makes="map of logits",
        differs="from TernausNet: another encoder; maps rise by nearest neighbour, and two 3x3 convolutions with batch "
        "normalisation follow at each scale. Odd sizes are rounded up on the way down and cut on the way up",
        training=_TRAINING,
    )


FACTS = {name: _facts(row) for name, row in ROWS.items()}


def build(row: EncoderUNet, shape: Shape) -> Network:
    """Build a row: the classifier with its own initial weights, new layers with N(0, 2 / fan in), logits near zero."""
    own = facts(row.encoder).shape
    classifier = create(row.encoder, Shape(classes=2, channels=shape.channels, size=own.size), table=row.encoder_table)
    head = UNetHead(widths=row.widths)
    return adapt(classifier, dense_cut(classifier, head), head, shape)
