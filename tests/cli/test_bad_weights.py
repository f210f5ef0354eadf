"""Weights that nothing can be computed with, that do not fit, or of which there are several: one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from workplace import Place, Rows, check_row, evaluate, predict

from convworks.files import sha256
from convworks.models.catalogue import create
from convworks.signed import write_signed

State = dict[str, Tensor]
Change = Callable[[State], object]
NAN, INFINITE = float("nan"), float("inf")


@cache
def resnet() -> State:
    return create("resnet20").state_dict()


def file(
    place: Place, change: Change = lambda s: None, *, of: Callable[[], State] = resnet, name: str = "w.pth"
) -> str:
    """Write the weights of a network under our names, changed."""
    state = {key: tensor.clone() for key, tensor in of().items()}
    change(state)
    save_file(state, place.root / name) if name.endswith("safetensors") else torch.save(state, place.root / name)
    return name


def imported(place: Place, change: Change = lambda s: None, *more: str, name: str = "w.pth") -> list[str]:
    return ["import", file(place, change, name=name), "--model", "resnet20", "--out", "out", *more]


def several(place: Place, content: dict[str, object], *more: str) -> list[str]:
    torch.save(content, place.root / "w.pth")
    return ["import", "w.pth", "--model", "resnet20", "--out", "out", *more]


def put(name: str, value: float) -> Change:
    """Put a value in the first place of a tensor."""
    return lambda state: state[name].view(-1)[0].fill_(value)


def spoilt(place: Place, name: str, value: float) -> str:
    """Make a bundle with a value in one of its weights, and its checksum made right again."""
    bundle = place.bundle()
    weights = place.root / bundle / "weights.safetensors"
    state = load_file(weights)
    put(name, value)(state)
    save_file(state, weights)
    return signed(place, bundle, weights)


def diverged(place: Place) -> list[str]:
    """Make a run whose last checkpoint holds NaN, with its checksum made right again."""
    folder = place.root / place.run() / "checkpoints"
    weights = sorted(folder.glob("*.safetensors"))[-1]
    state = load_file(weights)
    put("network.head.logits.bias", NAN)(state)
    save_file(state, weights)
    description = json.loads(weights.with_suffix(".json").read_text())
    description["tensors_sha256"] = sha256(weights)
    write_signed(weights.with_suffix(".json"), description)
    return ["train", "--resume", "run"]


def signed(place: Place, bundle: str, weights: Path) -> str:
    description = json.loads((place.root / bundle / "bundle.json").read_text())
    description["weights_sha256"] = sha256(weights)
    write_signed(place.root / bundle / "bundle.json", description)
    return bundle


FIRST = "stem.0.weight"
ROWS: Rows = {
    "import: NaN": (
        lambda p: imported(p, put(FIRST, NAN)),
        "w.pth: stem.0.weight holds 1 NaN or infinite value of 432 | its training diverged",
    ),
    "import: NaN in safetensors": (
        lambda p: imported(p, put("stem.1.running_mean", NAN), name="w.safetensors"),
        "w.safetensors: stem.1.running_mean holds 1 NaN or infinite value of 16",
    ),
    "import: infinity": (
        lambda p: imported(p, put("head.logits.bias", -INFINITE)),
        "w.pth: head.logits.bias holds 1 NaN or infinite value of 10",
    ),
    "import: negative variances": (
        lambda p: imported(p, lambda s: s["stem.1.running_var"].sub_(1.5)),
        "w.pth: stem.1.running_var holds 16 negative variances (down to -0.5)",
    ),
    "import: a number that is too large for float32": (
        lambda p: imported(p, lambda s: s.update({FIRST: s[FIRST].double() * 1e300})),
        "stem.0.weight holds | infinite",
    ),
    "import: whole numbers": (
        lambda p: imported(p, lambda s: s.update({FIRST: s[FIRST].to(torch.int8)})),
        "w.pth: 1 not floating-point: stem.0.weight of int8",
    ),
    "import: numbers in place of tensors": (
        lambda p: imported(p, lambda s: s.update({key: t.sum() for key, t in s.items() if key.endswith("weight")})),
        "w.pth: 39 with another shape: stem.0.weight one number instead of 16x3x3x3",
    ),
    "import: no channels": (
        lambda p: imported(p, lambda s: s.update({FIRST: s[FIRST][:, :0]})),
        "w.pth: 1 with another shape: stem.0.weight 16x0x3x3 instead of 16x3x3x3",
    ),
    "import: one output": (
        lambda p: imported(p, lambda s: s.update({key: t[:1] for key, t in s.items() if "logits" in key})),
        "w.pth: has 1 outputs, a bundle has two classes or more",
    ),
    "import: bad values under a prefix": (
        lambda p: several(p, {f"module.{k}": t if k != FIRST else t * NAN for k, t in resnet().items()}),
        "w.pth: module.stem.0.weight holds 432 NaN or infinite values of 432",
    ),
    "import: several weights": (
        lambda p: several(p, {"best": resnet(), "last": resnet()}),
        "w.pth: holds more than one matching set of weights: best, last; choose with --key best",
    ),
    "import: a key that is not there": (
        lambda p: several(p, {"model": resnet(), "model_ema": resnet()}, "--key", "ema"),
        "--key: w.pth has no weights 'ema' | it has: model, model_ema",
    ),
    "import: the key of something else": (
        lambda p: several(p, {"model": resnet(), "mean": {"value": torch.ones(3)}}, "--key", "mean"),
        "w.pth: has no stem.0.weight; it has value",
    ),
    "import: a key of a file without": (
        lambda p: imported(p, lambda s: None, "--key", "model"),
        "--key: w.pth has no weights 'model' | without a key",
    ),
    "import: another library": (
        lambda p: imported(p, lambda s: None, "--from", "cifar"),
        "its names are those of convworks: leave out --from",
    ),
    "import: an unknown library": (
        lambda p: imported(p, lambda s: None, "--from", "torchvison"),
        "--from: 'torchvison' is not known (did you mean 'torchvision'?)",
    ),
    "import: a network of nobody": (
        lambda p: ["import", file(p), "--model", "resnet21", "--out", "out"],
        "there is no network 'resnet21' | did you mean | resnet20",
    ),
    "import: text": (
        lambda p: ["import", file(p), "--model", "textcnn", "--out", "out"],
        "--model: textcnn does not take images",
    ),
    "import: no tensors": (
        lambda p: several(p, {"epoch": 3, "args": {"lr": 0.1}}),
        "w.pth: does not hold named tensors only | model.state_dict()",
    ),
    "import: a folder": (
        lambda p: ["import", p.images("w"), "--model", "resnet20", "--out", "out"],
        "w: is a folder, not a file",
    ),
    "import: no such file": (
        lambda p: ["import", "w.pth", "--model", "resnet20", "--out", "out"],
        "w.pth: cannot be read (No such file or directory)",
    ),
    "import: mean in words": (
        lambda p: imported(p, lambda s: None, "--mean", "half"),
        "--mean: is 'half' | 0.485,0.456,0.406",
    ),
    "import: mean of bytes": (
        lambda p: imported(p, lambda s: None, "--mean", "123.7,116.3,103.5"),
        "--mean: is 123.7, 116.3, 103.5: no mean of pixels in 0..1 | by 255",
    ),
    "import: mean of two channels": (
        lambda p: imported(p, lambda s: None, "--mean", "0.5,0.5"),
        "--mean: gives 2 numbers, the weights have 3 channels",
    ),
    "import: mean that is none": (
        lambda p: imported(p, lambda s: None, "--mean", "nan"),
        "--mean: is nan: no mean of pixels",
    ),
    "import: a deviation of 0": (
        lambda p: imported(p, lambda s: None, "--std", "0.2,0,0.2"),
        "--std: is 0.2, 0.0, 0.2: no deviation of pixels",
    ),
    "predict: NaN": (
        lambda p: predict(spoilt(p, "head.logits.weight", NAN), p.images("x")),
        "bundle/weights.safetensors: head.logits.weight holds 1 NaN or infinite value",
    ),
    "predict: a negative variance": (
        lambda p: predict(spoilt(p, "stem.norm.running_var", -1.0), p.images("x")),
        "bundle/weights.safetensors: stem.norm.running_var holds 1 negative variance (down to -1)",
    ),
    "evaluate: infinity": (
        lambda p: evaluate(spoilt(p, "head.logits.bias", INFINITE), p.folder()),
        "bundle/weights.safetensors: head.logits.bias holds 1 NaN or infinite value",
    ),
    "resume: NaN": (
        diverged,
        "safetensors: network.head.logits.bias holds 1 NaN or infinite value of 2 | delete step-",
    ),
    "export: NaN": (
        lambda p: ["export", spoilt(p, "head.logits.bias", NAN), "--format", "cifar"],
        "bundle/weights.safetensors: head.logits.bias holds 1 NaN or infinite value",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
