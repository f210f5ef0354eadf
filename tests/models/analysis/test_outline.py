"""What a picture shows of a network: rows, branches, shortcuts, repeats."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convworks.layers.branches import Branches
from convworks.layers.network import Network
from convworks.layers.residual import PadShortcut, Plain, Residual
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.outline import Chain, Fork, Part, Repeat, Stage, outline
from convworks.models.analysis.steps import Step
from convworks.models.analysis.trace import trace
from convworks.models.catalogue import create, example


def published(name: str) -> list[Stage]:
    with without_values():
        return outline(trace(create(name), example(name)))


def stage(module: nn.Module, channels: int = 4) -> tuple[Part, ...]:
    """Return the outline of one module on 8x8 images."""
    with torch.device("meta"):
        head = nn.Flatten()
        network = Network(stem=nn.Conv2d(channels, channels, 1), stages={"one": module.to("meta")}, head=head)
        stages = outline(trace(network, torch.empty(1, channels, 8, 8)))
    assert [entry.name for entry in stages] == ["stem", "one", "head"]
    assert stages[1].reads == (0,)
    return stages[1].part.parts


def words(part: Part) -> object:
    """Write a part with the titles of its steps."""
    match part:
        case Step():
            return part.title
        case Chain():
            return [words(inner) for inner in part.parts]
        case Repeat():
            return (part.times, words(part.part))
        case Fork():
            return {part.join: [words(branch) for branch in part.branches]}


def conv(kernel_size: int = 3, width: int = 4) -> nn.Module:
    return nn.Conv2d(4, width, kernel_size, padding=kernel_size // 2)


def test_what_follows_a_layer_is_noted_there() -> None:
    (step,) = stage(nn.Sequential(conv(), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.25), nn.Identity()))
    assert isinstance(step, Step)
    assert (step.title, step.notes) == ("3x3 conv, 4", ("batch norm", "ReLU", "dropout 0.25"))
    assert (step.kind, step.output) == ("convolution", (4, 8, 8))


def test_shortcuts_of_every_kind() -> None:
    (same,) = stage(Residual(nn.Sequential(conv(), nn.ReLU(), conv()), nn.Identity()))
    assert words(same) == {"sum": [["3x3 conv, 4", "3x3 conv, 4"], []]}
    assert isinstance(same, Fork)
    assert same.notes == ("ReLU",)
    (projected,) = stage(Residual(conv(), conv(1)))
    assert words(projected) == {"sum": [["3x3 conv, 4"], ["1x1 conv, 4"]]}
    (padded,) = stage(Residual(nn.Conv2d(4, 6, 3, 2, 1), PadShortcut(4, 6, 2)))
    assert words(padded) == {"sum": [["3x3 conv, 6 /2"], ["zero channels /2"]]}
    assert [words(part) for part in stage(Plain(conv()))] == ["3x3 conv, 4"]


class Added(nn.Module):
    """A shortcut that no module stands for, around two layers of which the second is skipped once more."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv(), conv(5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        both: Tensor = x + (y + self.second(y))
        return both


class Crossed(nn.Module):
    """Neither a row nor branches: the second layer reads what the fourth reads, the third what the fourth makes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(), conv(1), conv(5)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        b = self.b(x + a)
        both: Tensor = self.c(a + b) + b
        return both


def test_what_reads_what_is_found_without_modules() -> None:
    assert [words(part) for part in stage(Added())] == [{"sum": [["3x3 conv, 4", {"sum": [["5x5 conv, 4"], []]}], []]}]
    flat = [word for part in stage(Crossed()) for word in str(words(part)).split("'") if "conv" in word]
    assert sorted(flat) == ["1x1 conv, 4", "3x3 conv, 4", "5x5 conv, 4"]


def test_branches_side_by_side() -> None:
    branches = Branches({"a": conv(1), "b": nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(5)), "c": nn.Identity()})
    (fork,) = stage(branches)
    assert words(fork) == {"concatenation": [["1x1 conv, 4"], ["3x3 max pool", "5x5 conv, 4"], []]}
    assert isinstance(fork, Fork)
    assert fork.output == (12, 8, 8)


def test_repeats_are_folded_but_not_a_few_layers() -> None:
    blocks = [Residual(conv(), nn.Identity()) for _ in range(5)]
    assert words(stage(nn.Sequential(*blocks))[0]) == (5, {"sum": [["3x3 conv, 4"], []]})
    assert len(stage(nn.Sequential(*(conv() for _ in range(4))))) == 4
    assert words(stage(nn.Sequential(*(conv() for _ in range(7))))[0]) == (7, "3x3 conv, 4")
    pairs = nn.Sequential(*(layer for _ in range(3) for layer in (conv(), nn.MaxPool2d(3, 1, 1))))
    assert words(stage(pairs)[0]) == (3, ["3x3 conv, 4", "3x3 max pool"])


def test_layers_in_words() -> None:
    layers = [
        nn.Conv2d(4, 6, (1, 7), padding=(0, 3), groups=2),
        nn.Conv2d(6, 4, 3, dilation=2, padding=2),
        nn.ConvTranspose2d(4, 4, 2, 2),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d((2, 4)),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
        nn.Softmax(1),
    ]
    assert [words(part) for part in stage(nn.Sequential(*layers))] == [
        "1x7 conv, 6, 2 groups",
        "3x3 conv, 4, dilation 2",
        "2x2 up-conv, 4 x2",
        "2x2 average pool /2",
        "bilinear upsampling x2",
        "average pool to 2x4",
        "global max pool",
        "fully connected, 3",
    ]


def test_published_networks() -> None:
    resnet = {entry.name: entry for entry in published("resnet20")}
    assert words(resnet["stage1"].part) == [(3, {"sum": [["3x3 conv, 16", "3x3 conv, 16"], []]})]
    assert words(resnet["head"].part) == ["global average pool", "fully connected, 10"]
    google = {entry.name: entry for entry in published("googlenet")}
    (module,) = google["inception3a"].part.parts
    assert isinstance(module, Fork)
    assert [len(branch.parts) for branch in module.branches] == [1, 2, 2, 2]
    places = list(google)
    assert google["auxiliary.aux1"].reads == (places.index("inception4a"),)
    assert google["inception4b"].reads == (places.index("inception4a"),)


def test_skip_connections_across_stages_are_forks() -> None:
    """Each scale is inside the fork of the next finer one; what only gives its size is not read."""
    (network,) = published("unet_vgg16")
    *_, fork, first, second, logits = network.part.parts
    assert [words(part) for part in (first, second, logits)] == ["3x3 conv, 16", "3x3 conv, 16", "1x1 conv, 21"]
    for width in (32, 64, 128, 256):
        assert isinstance(fork, Fork)
        assert (fork.join, fork.branches[1].parts) == ("concatenation", ())
        *_, inner, first, second = fork.branches[0].parts
        assert [words(part) for part in (first, second)] == [f"3x3 conv, {width}"] * 2
        fork = inner
    assert words(fork) == {"concatenation": [["2x2 max pool /2"], []]}
    (fcn,) = published("fcn16s")
    *_, fork, enlarge = fcn.part.parts
    assert isinstance(fork, Fork)
    assert words(enlarge) == "bilinear upsampling x16"
    deep, across = fork.branches
    assert [words(part) for part in deep.parts[-2:]] == ["1x1 conv, 21", "4x4 up-conv, 21 x2"]
    assert (fork.join, words(across)) == ("sum", ["1x1 conv, 21"])
