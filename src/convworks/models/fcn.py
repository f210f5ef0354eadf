"""FCN: Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015 (lecture 002)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Printed, Shape, create, facts
from convworks.models.transfer.adapted import adapt
from convworks.models.transfer.dense import dense_cut
from convworks.models.transfer.head_config import FCN8sHead, FCN16sHead, FCN32sHead


@dataclass(frozen=True, kw_only=True)
class FCN:
    """A row: the classifier, fields of its table, and how many finer scales add their scores."""

    encoder: str = "vgg_d"
    encoder_table: Mapping[str, Any] = field(default_factory=dict)
    skips: int


HEADS: dict[int, type[FCN8sHead | FCN16sHead | FCN32sHead]] = {0: FCN32sHead, 1: FCN16sHead, 2: FCN8sHead}

ROWS = {
    "fcn32s": FCN(skips=0),
    "fcn16s": FCN(skips=1),
    "fcn8s": FCN(skips=2),
    "fcn8s_resnet18": FCN(encoder="resnet18", skips=2),
}

# Table 3: mean IoU on a subset of the validation images of PASCAL VOC 2011.
_ERRORS = {"fcn32s": "59.4", "fcn16s": "62.4", "fcn8s": "62.7"}
_SKIPS = ("none", "one skip connection", "two skip connections")


def _facts(name: str, row: FCN) -> Facts:
    vgg = row.encoder == "vgg_d"
    return Facts(
        year=2015,
        paper="Long et al., Fully Convolutional Networks for Semantic Segmentation",
        summary=f"{'VGG-16' if vgg else row.encoder} with convolutions for fully connected layers, "
        f"{_SKIPS[row.skips] if row.skips else 'no skip connections'}",
        shape=Shape(classes=21, channels=3, size=(500, 500)),
        makes="map of logits",
        published_error=f"mean IoU {_ERRORS[name]} % (PASCAL VOC 2011)" if name in _ERRORS else "",
        differs="from the released network: the first fully connected layer pads its map by 3, instead of the image by "
        "100, which is cut off again; pooling rounds odd sizes up, and what is beyond the image is cut at its end; "
        "layers of scores start near zero, not at zero",
        training="SGD with momentum 0.9, weight decay 5e-4, batches of 20, learning rate 1e-4 for VGG-16, from an "
        "ImageNet classifier; each finer network starts from the coarser one. The last interpolation is fixed.",
        printed=(Printed(tap="", parameters="134M", note="table 1, FCN-32s"),) if name == "fcn32s" else (),
    )


FACTS = {name: _facts(name, row) for name, row in ROWS.items()}


def build(row: FCN, shape: Shape) -> Network:
    """Build a row: the classifier at its own size, cut before its logits, as convolutions that score every pixel."""
    own = facts(row.encoder).shape
    classifier = create(row.encoder, Shape(classes=2, channels=shape.channels, size=own.size), table=row.encoder_table)
    head = HEADS[row.skips]()
    return adapt(classifier, dense_cut(classifier, head), head, shape)
