"""The VGG networks: Simonyan and Zisserman 2014, table 1 (lecture 001; lecture 003, VGG)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.branches import Conv, Convolution, rectified
from convworks.layers.draw import glorot_uniform
from convworks.layers.heads.classifier import classifier, drops_outputs
from convworks.layers.network import Network
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.published.peers import Keys, Peer


@dataclass(frozen=True, kw_only=True)
class VGG:
    """A column of table 1: the kernel sizes of the convolutions before each pooling, and their common widths.

    `response` is the normalisation after the first convolution.
    """

    kernels: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    response: str = "none"
    convolution: str = "rectified"
    side: int = 7
    hidden: tuple[int, ...] = (4096, 4096)
    rate: float = 0.5


def normalised(in_channels: int, step: Conv) -> nn.Sequential:
    """Return a convolution with bias, batch normalisation, ReLU."""
    conv, relu = rectified(in_channels, step)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(step.out_channels), relu=relu))


CONVOLUTION: dict[str, Convolution] = {"rectified": rectified, "normalised": normalised}
RESPONSE: dict[str, Callable[[], dict[str, nn.Module]]] = {
    "none": dict,
    "local": lambda: {"response": LocalResponseNormalisation()},
}

_A = VGG(kernels=((3,), (3,), (3, 3), (3, 3), (3, 3)))
_B = VGG(kernels=((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)))
_C = VGG(kernels=((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)))
_D = VGG(kernels=((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)))
_E = VGG(kernels=((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)))

ROWS = {
    "vgg_a": _A,
    "vgg_a_lrn": replace(_A, response="local"),
    "vgg_b": _B,
    "vgg_c": _C,
    "vgg_d": _D,
    "vgg_e": _E,
    **{
        f"vgg_{letter}_bn": replace(row, convolution="normalised")
        for letter, row in (("a", _A), ("b", _B), ("d", _D), ("e", _E))
    },
}

# Table 3: top-1 and top-5 on the validation images, one network, dense; S is the shorter side in training.
_ERRORS = {
    "vgg_a": "29.6 % top-1, 10.4 % top-5 on ImageNet (S = 256)",
    "vgg_a_lrn": "29.7 % top-1, 10.5 % top-5 on ImageNet (S = 256)",
    "vgg_b": "28.7 % top-1, 9.9 % top-5 on ImageNet (S = 256)",
    "vgg_c": "27.3 % top-1, 8.8 % top-5 on ImageNet (S from 256 to 512)",
    "vgg_d": "25.6 % top-1, 8.1 % top-5 on ImageNet (S from 256 to 512); with E, many crops: 23.7 %, 6.8 %; "
    "seven networks C to E of the challenge 24.7 %, 7.5 % (7.3 % on the test images)",
    "vgg_e": "25.5 % top-1, 8.0 % top-5 on ImageNet (S from 256 to 512); many crops: 24.4 %, 7.1 %",
}
_WEIGHTS = "First weights are those of Glorot and Bengio 2010, which the paper recommends instead of its own schedule"
_MILLIONS = {"vgg_a": 133, "vgg_a_lrn": 133, "vgg_b": 133, "vgg_c": 134, "vgg_d": 138, "vgg_e": 144}
_TRAINING = (
    "SGD, batch 256, momentum 0.9, weight decay 0.0005, learning rate 0.01 divided by 10 three times, 74 epochs. "
    "Random 224x224 crops of images whose shorter side S is 256, 384 or drawn from 256 to 512, mirrored, colours "
    "shifted. The deeper networks began with the first four convolutions and the fully connected layers of A."
)


# Lecture 001: the parameters of each layer of D, weights alone.
_LECTURE = {
    "stem": "1.7K", "stage1.conv2": "37K", "stage2.conv1": "74K", "stage2.conv2": "147K",
    "stage3.conv1": "295K", "stage3.conv2": "590K", "stage3.conv3": "590K",
    "stage4.conv1": "1.2M", "stage4.conv2": "2.4M", "stage4.conv3": "2.4M",
    "stage5.conv1": "2.4M", "stage5.conv2": "2.4M", "stage5.conv3": "2.4M",
    "head.hidden6": "103M", "head.hidden7": "16.7M", "head.logits": "4M",
}  # fmt: skip


def _printed(name: str, row: VGG) -> tuple[Printed, ...]:
    """Return table 2 (millions of parameters) and the sizes of lecture 001; the paper has no rows with _bn."""
    if name not in _MILLIONS:
        return ()
    sizes = {"stem": f"224x224x{row.widths[0]}"}
    for number, (width, kernels) in enumerate(zip(row.widths, row.kernels, strict=True), start=1):
        side = 224 >> number
        for index in range(1 if number > 1 else 2, len(kernels) + 1):
            sizes[f"stage{number}.conv{index}"] = f"{2 * side}x{2 * side}x{width}"
        sizes[f"stage{number}"] = f"{side}x{side}x{width}"
    sizes |= {"head.hidden6": "1x1x4096", "head.hidden7": "1x1x4096", "head.logits": "1x1x1000"}
    parameters = _LECTURE if name == "vgg_d" else {}
    notes = {"head.hidden7": "16.8M, which the lecture cuts off"} if parameters else {}
    return (
        Printed(tap="", parameters=f"{_MILLIONS[name]}M"),
        *(
            Printed(tap=tap, output=size, parameters=parameters.get(tap, ""), note=notes.get(tap, ""))
            for tap, size in sizes.items()
        ),
    )


def _facts(name: str, row: VGG) -> Facts:
    layers = sum(map(len, row.kernels)) + len(row.hidden) + 1
    ones = sum(kernels.count(1) for kernels in row.kernels)
    summary = f"{layers} layers, 3x3 convolutions throughout"
    if ones:
        summary = f"{layers} layers, {ones} of them 1x1 convolutions"
    if row.response == "local":
        summary += ", local response normalisation after the first"
    if row.convolution == "normalised":
        summary += ", batch normalisation after each"
    return Facts(
        year=2014,
        paper="Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition",
        summary=summary,
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        published_error=_ERRORS.get(name, ""),
        differs=_WEIGHTS
        if name in _MILLIONS
        else f"from the paper: batch normalisation, as torchvision ships it. {_WEIGHTS}",
        training=_TRAINING,
        printed=_printed(name, row),
    )


FACTS = {name: _facts(name, row) for name, row in ROWS.items()}

_NAMES = {"vgg11": "vgg_a", "vgg13": "vgg_b", "vgg16": "vgg_d", "vgg19": "vgg_e"}
_NAMES |= {f"{theirs}_bn": f"{ours}_bn" for theirs, ours in _NAMES.items()}


def _features(row: VGG) -> Keys:
    """Return the keys of the convolutions: peers number all modules from 0."""
    keys, index = [], 0
    step = 3 if row.convolution == "normalised" else 2
    for number, kernels in enumerate(row.kernels, start=1):
        for kernel_number in range(1, len(kernels) + 1):
            ours = "stem" if (number, kernel_number) == (1, 1) else f"stages.stage{number}.conv{kernel_number}"
            keys.append((re.escape(ours) + r"\.conv\.(\w+)", f"features.{index}.{{1}}"))
            keys.append((re.escape(ours) + r"\.bn\.(\w+)", f"features.{index + 1}.{{1}}"))
            index += step
        index += 1
    return tuple(keys)


def _peer(hidden6: str, hidden7: str, logits: str, kernels: Mapping[str, int]) -> Peer:
    head = {"hidden6": hidden6, "hidden7": hidden7, "logits": logits}
    keys = tuple((rf"head\.{ours}\.(\w+)", f"{theirs}.{{1}}") for ours, theirs in head.items())
    return Peer(names=_NAMES, keys={row: _features(ROWS[row]) + keys for row in _NAMES.values()}, kernels=kernels)


# timm's hidden layers are convolutions: the same weights in another shape. On images larger than 224x224 its networks
# average the scores of all positions.
PEERS = {
    "torchvision": _peer("classifier.0", "classifier.3", "classifier.6", {}),
    "timm": _peer("pre_logits.fc1", "pre_logits.fc2", "head.fc", {"head.hidden6.weight": 7, "head.hidden7.weight": 1}),
}


def build(row: VGG, shape: Shape) -> Network:
    """Build a row: the first convolution is the stem; each stage ends with pooling.

    Initial weights are those of Glorot and Bengio 2010, which the paper recommends instead of its own procedure.
    """
    with blank():
        network = _assembled(row, shape)
    glorot_uniform(network)
    return network


def _assembled(row: VGG, shape: Shape) -> Network:
    convolution, in_channels = CONVOLUTION[row.convolution], shape.channels
    stages: dict[str, nn.Module] = {}
    for number, (width, kernels) in enumerate(zip(row.widths, row.kernels, strict=True), start=1):
        parts: dict[str, nn.Module] = {}
        for index, kernel_size in enumerate(kernels, start=1):
            parts[f"conv{index}"] = convolution(in_channels, Conv(width, kernel_size))
            in_channels = width
            if (number, index) == (1, 1):
                stem, parts = parts["conv1"], RESPONSE[row.response]()
        stages[f"stage{number}"] = nn.Sequential(OrderedDict(**parts, pool=nn.MaxPool2d(2)))
    head = classifier(in_channels, row.side, row.hidden, shape.classes, hidden=drops_outputs, rate=row.rate)
    return Network(stem=stem, stages=stages, head=head)
