from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import convworks
from convworks.bundle.bundle import Bundle, save_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig, Start
from convworks.models.transfer.adapted import adapt
from convworks.models.transfer.head_config import DenseHead, FCN16sHead, PixelHead, UNetHead
from convworks.recipes import recipe
from convworks.training.transfer import inspect_bundle
from convworks.training.warm_start import start_path, warm_start

THIN: dict[str, Any] = {"widths": (4, 8, 16, 16, 16), "hidden": (32, 32), "side": 1}
SHAPE = Shape(classes=3, channels=3, size=(32, 32))


def vgg(name: str, table: dict[str, Any] | None = None, shape: Shape = SHAPE) -> Network:
    return create(name, shape, table=THIN | (table or {}))


def saved(folder: Path, name: str, network: Network) -> str:
    preprocessing = Preprocessing(size=(32, 32), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)
    model = ModelConfig(name=name, table=THIN)
    classes = ("a", "b", "c")
    save_bundle(folder, Bundle(network=network, model=model, preprocessing=preprocessing, classes=classes, record={}))
    return str(folder)


@pytest.mark.parametrize("name", ["vgg_d", "vgg_e"])
def test_d_and_e_begin_with_the_layers_of_a_that_the_paper_names(tmp_path: Path, name: str) -> None:
    a = vgg("vgg_a")
    path = saved(tmp_path / "a", "vgg_a", a)
    start = recipe(f"imagenet/{name}").model.start
    assert start is not None
    torch.manual_seed(1)
    network = vgg(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    copied = warm_start(network, start.model_copy(update={"path": path}))
    layers = ("stem", "stages.stage2.conv1", "stages.stage3.conv1", "stages.stage3.conv2")
    head = ("head.hidden6", "head.hidden7", "head.logits")
    assert set(copied) == {f"{layer}.conv.{of}" for layer in layers for of in ("weight", "bias")} | {
        f"{layer}.{of}" for layer in head for of in ("weight", "bias")
    }
    a_state = a.state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, a_state[key] if key in copied else before[key]), key


def test_the_published_networks_fit() -> None:
    start = recipe("imagenet/vgg_d").model.start
    assert start is not None
    with torch.device("meta"):
        a, *others = (create(name).state_dict() for name in ("vgg_a", "vgg_d", "vgg_e"))
    for layer in start.layers:
        prefixes = (f"{layer}.", f"stages.{layer}.")
        shapes = {key: tensor.shape for key, tensor in a.items() if key.startswith(prefixes)}
        assert shapes
        for other in others:
            assert {key: tensor.shape for key, tensor in other.items() if key.startswith(prefixes)} == shapes


def test_running_statistics_come_along(tmp_path: Path) -> None:
    network = vgg("vgg_a_bn")
    network.get_buffer("stem.bn.running_mean").fill_(7.0)
    path = saved(tmp_path / "a", "vgg_a_bn", network)
    grown = vgg("vgg_d_bn")
    warm_start(grown, Start(path=path, layers=("stem",)))
    assert grown.get_buffer("stem.bn.running_mean").tolist() == [7.0] * 4


BAD = {
    "open": (None, ("stem",), "model.start.path | is missing | --set model.start.path=RUN | model.start=None"),
    "nothing there": ("nowhere", ("stem",), "nowhere | does not exist | give the folder"),
    "a tap that is unknown here": (
        "",
        ("stage2.conv3",),
        "model.start.layers | 'stage2.conv3' | the network does not have",
    ),
    "a tap that is unknown there": ("", ("stage2.conv2",), "'stage2.conv2' | a does not have | did you mean | taps:"),
    "a tap without weights": ("", ("stage2.pool",), "'stage2.pool' | no weights | leave it out"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_starts(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, layers, expected = BAD[name]
    saved(tmp_path / "a", "vgg_a", vgg("vgg_a"))
    network = vgg("vgg_d")
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(InputError) as caught:
        warm_start(network, Start(path="a" if path == "" else path, layers=layers))
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in expected.split(" | ") if word not in line] == [], line
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_a_place_is_known_before_any_weights_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", "vgg_a", vgg("vgg_a"))
    assert start_path(Start(path=path, layers=("stem",))) == tmp_path / "a"
    for wrong in (None, str(tmp_path)):
        with pytest.raises(InputError):
            start_path(Start(path=wrong, layers=("stem",)))


def test_layers_of_another_shape_are_all_named_and_none_is_copied(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", "vgg_a", vgg("vgg_a"))
    network = vgg("vgg_d", {"hidden": (32, 64)}, Shape(classes=5, channels=3, size=(32, 32)))
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(InputError) as caught:
        warm_start(network, Start(path=path, layers=("stem", "head.hidden7", "head.logits")))
    assert "head.hidden7.weight has 32x32 there, 64x32 here; head.hidden7.bias" in str(caught.value)
    assert "head.logits.weight has 3x32 there, 5x64 here" in str(caught.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_images_are_normalised_as_the_first_network_read_them(tmp_path: Path) -> None:
    first = convworks.train(data="digits", epochs=1, out=tmp_path / "a", overrides=["data.mean=(0.25,)"])
    begun = {"path": first["run"], "layers": ["stem"]}

    def data(name: str, *changes: str) -> dict[str, Any]:
        overrides = [f"model.start={begun}", *changes]
        results = convworks.train(data="digits", epochs=1, out=tmp_path / name, overrides=overrides)
        values: dict[str, Any] = json.loads((Path(results["run"]) / "run.json").read_text())["configuration"]["data"]
        return values

    std = json.loads((tmp_path / "a" / "run.json").read_text())["configuration"]["data"]["std"]
    chosen = data("b")
    assert (chosen["mean"], chosen["std"]) == ([0.25], std)
    assert data("c", "data.mean=(0.5,)")["mean"] == [0.5]


def test_a_start_names_at_least_one_layer() -> None:
    with pytest.raises(ValueError):
        Start(path="a", layers=())


@pytest.mark.parametrize("head", [FCN16sHead(), UNetHead(), PixelHead()], ids=lambda head: head.kind)
def test_networks_that_score_pixels_start_from_a_classifier(tmp_path: Path, head: DenseHead) -> None:
    classifier = create("vgg_a", SHAPE, table=THIN | {"side": 3, "hidden": (32, 20)})
    model = ModelConfig(name="vgg_a", table=THIN | {"side": 3, "hidden": (32, 20)})
    preprocessing = Preprocessing(size=(32, 32), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)
    bundle = Bundle(network=classifier, model=model, preprocessing=preprocessing, classes=("a", "b", "c"), record={})
    save_bundle(tmp_path / "bundle", bundle)
    base = inspect_bundle(tmp_path / "bundle", None, head.kind, masks=True)
    assert base.cut == ("stage5" if head.kind == "unet" else "head.dropout7")
    torch.manual_seed(1)
    network = adapt(create("vgg_a", SHAPE, table=model.table), base.cut, head, SHAPE)
    copied = warm_start(network, Start(path=str(tmp_path / "bundle"), layers=base.layers))
    state = classifier.state_dict()
    kept = {name for name in state if not name.startswith("head.") or ("hidden" in name and head.kind != "unet")}
    assert set(copied) == kept
    assert all(torch.equal(network.state_dict()[name].flatten(), state[name].flatten()) for name in copied)
    if head.kind != "unet":
        assert network.get_parameter("head.hidden6.weight").shape == (32, 16, 3, 3)
