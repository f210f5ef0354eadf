"""Layer by layer: what is trained, on what, and that a stack goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import convworks
from convworks.data.config import Gaussian, Masking, SaltAndPepper
from convworks.errors import InputError
from convworks.models.catalogue import Shape, create
from convworks.signed import write_signed
from convworks.tasks.codes import codes, corrupted, outer

UNITS = "model.table.units=(12, 10, 6)"


def weights(found: Any) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = load_file(Path(found) / "bundle" / "weights.safetensors")
    return tensors


def stack(out: Path, **options: Any) -> dict[str, Any]:
    changes = [UNITS, "training.pretraining.epochs=1"]
    given = {"data": "digits", "epochs": 1, "deterministic": True, "overrides": changes, **options}
    return convworks.train("autoencoder/stacked", out=out, **given)


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return stack(tmp_path_factory.mktemp("runs") / "stack")


def test_codes_are_the_innermost_layer_on_those_below() -> None:
    network = create("autoencoder_fc_deep", Shape(classes=1, channels=1, size=(4, 4)), table={"units": (5, 3)})
    images = torch.rand(7, 1, 4, 4)
    given, code = codes(network, images)
    tensors = network.state_dict()

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, tensors[f"stages.{name}.linear.weight"], tensors[f"stages.{name}.linear.bias"])

    wanted = torch.sigmoid(linear("encoder.layer1", images.flatten(1)))
    torch.testing.assert_close(code, wanted)
    torch.testing.assert_close(given, torch.sigmoid(linear("decoder.layer2", linear("encoder.layer2", wanted))))
    assert not code.requires_grad or given.grad_fn is not None
    for module in outer(network):
        module.requires_grad_(False)
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert {name.rsplit(".", 2)[0] for name in trained} == {"stages.encoder.layer2", "stages.decoder.layer2"}


def test_codes_are_corrupted_at_their_rates() -> None:
    code, generator = torch.full((200, 500), 0.5), torch.Generator().manual_seed(0)
    masked = corrupted(code, Masking(rate=0.25), generator)
    assert abs(float((masked == 0).float().mean()) - 0.25) < 0.005
    assert set(masked.flatten().tolist()) == {0.0, 0.5}
    salted = corrupted(code, SaltAndPepper(rate=0.2), generator)
    for value in (0.0, 1.0):
        assert abs(float((salted == value).float().mean()) - 0.1) < 0.005
    assert abs(float((corrupted(code, Gaussian(deviation=0.3), generator) - code).std()) - 0.3) < 0.005


def test_each_layer_keeps_those_below_and_the_whole_begins_with_all(stacked: dict[str, Any]) -> None:
    place = Path(stacked["experiment"])
    layers = [weights(place / f"layer{number}") for number in (1, 2, 3)]
    for depth in (1, 2):
        below = [name for name in layers[depth - 1] if name.startswith(("stages.encoder", "stages.decoder"))]
        assert below
        assert all(torch.equal(layers[depth - 1][name], layers[depth][name]) for name in below)
    assert not torch.equal(weights(place / "whole")["stages.encoder.layer1.linear.weight"], layers[0][below[0]])
    rows = (place / "layer2" / "metrics.jsonl").read_text().splitlines()
    assert {"train_code_mse", "validation_loss", "validation_psnr"} <= set(json.loads(rows[0]))
    assert stacked["bundle"] == str(place / "whole" / "bundle")
    assert [layer["epochs"] for layer in stacked["layers"]] == [1, 1, 1]


def test_a_stopped_stack_goes_on_and_is_the_same(stacked: dict[str, Any], tmp_path: Path) -> None:
    place = tmp_path / "stack"
    shutil.copytree(stacked["experiment"], place)
    for name in ("layer3", "whole"):
        shutil.rmtree(place / name)
    record = json.loads((place / "experiment.json").read_text())
    write_signed(place / "experiment.json", {**record, "status": "stopped"})
    convworks.train(resume=place)
    for name in ("layer3", "whole"):
        ours, theirs = weights(place / name), weights(Path(stacked["experiment"]) / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    with pytest.raises(InputError, match="all its layers are trained"):
        convworks.train(resume=place)


def test_the_encoder_begins_a_classifier(stacked: dict[str, Any], tmp_path: Path) -> None:
    path = Path(stacked["experiment"]) / "layer3"
    frozen = "training.schedule={'kind': 'constant', 'rate': 1e-12}"
    changes = [UNITS, f"model.start.path={path}", frozen]
    found = convworks.train("autoencoder/classifier", data="digits", epochs=1, out=tmp_path / "run", overrides=changes)
    theirs = weights(path)
    for name, tensor in weights(found["run"]).items():
        if "encoder" in name:
            torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=1e-6)
