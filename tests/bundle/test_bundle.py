"""A bundle of every task is saved, loaded and saved again without a change; what is not its own is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_digits import few_digits
from PIL import Image
from safetensors.torch import load_file

import convworks
from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.errors import InputError
from convworks.signed import write_signed

FILES = {"README.md", "bundle.json", "weights.safetensors"}
Prepare = Callable[[Path], dict[str, Any]]


def multi_label(root: Path) -> dict[str, Any]:
    """Train on images that show any number of two classes."""
    rng, rows = np.random.default_rng(0), ["path,labels"]
    for index in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(root / f"{index}.png")
        rows.append(f"{index}.png,{('', 'a', 'b', 'a;b')[index % 4]}")
    (root / "table.csv").write_text("\n".join(rows))
    return convworks.train(data=root / "table.csv", model="convnet_digits", epochs=1, out=root / "run", device="cpu")


def kernel_machine(root: Path) -> dict[str, Any]:
    """Put a support vector machine on a trained network."""
    first = convworks.train("digits/default", epochs=1, out=root / "first", device="cpu")
    return convworks.transfer(first["bundle"], data="digits", head="rbf-svm", out=root / "run", device="cpu")


PREPARE: dict[str, Prepare] = {
    "classification": lambda root: convworks.train("digits/default", epochs=1, out=root / "run", device="cpu"),
    "multi-label": multi_label,
    "reconstruction": lambda root: convworks.train(
        "autoencoder/fc",
        data="digits",
        epochs=1,
        out=root / "run",
        device="cpu",
        overrides=["data.corruption.kind=masking", "data.corruption.rate=0.25"],
    ),
    "kernel machine": kernel_machine,
    "ensemble": lambda root: convworks.train(
        "digits/default",
        model="ensemble_best",
        epochs=1,
        out=root / "run",
        device="cpu",
        overrides=["data.size=(16, 16)"],
    ),
}


@pytest.fixture(scope="module", params=PREPARE)
def bundle_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bundle of a short run of each task."""
    with few_digits():
        return Path(PREPARE[request.param](tmp_path_factory.mktemp("made"))["bundle"])


def inputs(bundle: Bundle) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(3, bundle.preprocessing.channels, *bundle.preprocessing.size)


def test_what_is_loaded_is_saved_the_same(bundle_folder: Path, tmp_path: Path) -> None:
    first = load_bundle(bundle_folder)
    save_bundle(tmp_path / "again", first)
    second = load_bundle(tmp_path / "again")
    for field in fields(Bundle):
        if field.name != "network":
            assert getattr(first, field.name) == getattr(second, field.name), field.name
    assert {path.name for path in (tmp_path / "again").iterdir()} == FILES
    for name in ("bundle.json", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (bundle_folder / name).read_bytes()
    original, saved = (
        load_file(bundle_folder / "weights.safetensors"),
        load_file(tmp_path / "again" / "weights.safetensors"),
    )
    assert original.keys() == saved.keys()
    assert all(torch.equal(value, saved[name]) for name, value in original.items())
    with torch.no_grad():
        assert torch.equal(first.network(inputs(first)), second.network(inputs(first)))


def test_a_run_folder_stands_for_its_bundle(bundle_folder: Path) -> None:
    first, second = load_bundle(bundle_folder), load_bundle(bundle_folder.parent)
    with torch.no_grad():
        assert torch.equal(first.network(inputs(first)), second.network(inputs(first)))


def test_the_network_is_ready_for_use(bundle_folder: Path) -> None:
    network = load_bundle(bundle_folder).network
    assert not any(module.training for module in network.modules())
    assert not any(name.startswith("auxiliary.") for name in network.state_dict())


def test_one_in_the_place_of_another_leaves_nothing_of_it(bundle_folder: Path, tmp_path: Path) -> None:
    """Whoever loads meanwhile is tested in test_replaced.py."""
    bundle = load_bundle(bundle_folder)
    save_bundle(tmp_path, bundle)
    with torch.no_grad():
        for parameter in bundle.network.parameters():
            parameter.mul_(0.5)
    save_bundle(tmp_path, bundle)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    after = load_bundle(tmp_path).network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in bundle.network.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_cannot_compute_are_neither_saved_nor_loaded(
    value: float, bundle_folder: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(bundle_folder)
    tensor = next(tensor for tensor in bundle.network.state_dict().values() if tensor.is_floating_point())
    tensor.flatten()[0] = value
    with pytest.raises(InputError, match="keep the weights from before they diverged"):
        save_bundle(tmp_path / "b", bundle)
    assert not (tmp_path / "b").exists()


def test_a_description_of_a_later_version_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    save_bundle(tmp_path, load_bundle(bundle_folder))
    description = json.loads((tmp_path / "bundle.json").read_text())
    write_signed(tmp_path / "bundle.json", {**description, "format": 99})
    with pytest.raises(InputError, match=r"bundle\.json: .*99"):
        load_bundle(tmp_path)
