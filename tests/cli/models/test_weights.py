"""`convworks import` and `convworks export` say what they took, left out and normalise with; JSON stays JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_bad_weights import signed
from torch import Tensor
from workplace import Place

from convworks import __version__
from convworks.cli.main import run
from convworks.models.catalogue import create
from convworks.models.published.peers import find_peer, translation


def theirs(peer: str, name: str) -> dict[str, Tensor]:
    """Return a network's full state under a library's names."""
    entry, row = find_peer(peer, name)
    state = create(row).state_dict()
    return {key: state[ours] for ours, key in translation(state, entry.table(row)).items()}


def values(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    """Run a command plain, then with --json; return what the latter prints, which must be JSON in the strict sense."""
    assert run([*words, "--json"]) == status

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    answer: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return answer


def test_import_says_what_it_took(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    state = {f"module.{key}": tensor for key, tensor in theirs("cifar", "resnet20").items()}
    torch.save({"state_dict": state, "state_dict_ema": state, "epoch": 9}, place.root / "w.pth")
    assert run(["import", "w.pth", "--model", "resnet20"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "from: cifar, recognised by its tensor names",
        "weights: state_dict_ema; the file also has --key state_dict",
        "removed name prefix: module.",
        "normalisation: mean 0.485, 0.456, 0.406, standard deviation 0.229, 0.224, 0.225",
        "bundle: w-bundle",
        "next: convworks export w-bundle --format cifar",
    ]
    card = (place.root / "w-bundle" / "README.md").read_text()
    assert f"imported with convworks {__version__}." in card
    assert "Weights of resnet20 of cifar from w.pth, its state_dict_ema (SHA-256 " in card
    more = ("--key", "state_dict", "--mean", "0.5", "--std", "0.25", "--out", "other")
    found = values(capsys, "import", "w.pth", "--model", "resnet20", *more)
    assert (found["key"], found["others"], found["prefix"]) == ("state_dict", [], "module.")
    assert (found["mean"], found["std"]) == ([0.5] * 3, [0.25] * 3)


def test_export_says_what_the_file_lacks(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(theirs("torchvision", "googlenet"), place.root / "w.safetensors")
    found = values(capsys, "import", "w.safetensors", "--model", "googlenet")
    assert (found["from"], found["left_out"], found["mean"]) == ("torchvision", ["aux1", "aux2"], [0.5] * 3)
    assert run(["export", "w-bundle", "--format", "torchvision"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "normalisation: mean 0.5, 0.5, 0.5, standard deviation 0.5, 0.5, 0.5"
    assert lines[2] == "left out: aux1, aux2 (auxiliary, for training only); build googlenet with aux_logits=False"
    assert not any(key.startswith("aux") for key in load_file(place.root / "w-bundle-torchvision.safetensors"))


def overflowing(place: Place) -> str:
    """Make a bundle of finite weights whose answers are not."""
    bundle = place.bundle()
    weights = place.root / bundle / "weights.safetensors"
    state = load_file(weights)
    for name, tensor in state.items():
        if name.endswith(("conv.weight", "logits.weight", "norm.weight")):
            tensor.fill_(1e30)
    save_file(state, weights)
    return signed(place, bundle, weights)


@pytest.mark.parametrize("out", [None, "out.jsonl", "out.csv"])
def test_answers_that_overflow_are_told_in_one_line(
    out: str | None, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--out", out] if out else []
    found = values(capsys, "predict", overflowing(place), place.images("x"), *more, status=1)
    assert found["error"]["where"] == str(Path("x", "0.png"))
    assert "is NaN or infinite: its values overflow (and 5 more" in found["error"]["reason"]
    assert not list(place.root.glob("out*"))
    found = values(capsys, "evaluate", "bundle", "--data", place.folder(), status=1)
    assert "overflow" in found["error"]["reason"]
    found = values(capsys, "features", "bundle", "--data", "data", "--out", "f.npz", status=1)
    assert "overflow" in found["error"]["reason"]
