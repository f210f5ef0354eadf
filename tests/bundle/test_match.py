"""Files as training programs write them: wrapped, prefixed, with averaged weights beside; and whose names they have."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from convworks.bundle.bundle import Bundle
from convworks.bundle.foreign import import_bundle
from convworks.bundle.match import candidates
from convworks.errors import InputError
from convworks.models.analysis.meta import without_values
from convworks.models.catalogue import create, facts
from convworks.models.published.peers import _tables, find_peer, libraries, translation

State = dict[str, Tensor]


class Body(nn.Module):
    """A ResNet-20 under the names of its public training script, as far as wrappers need it: modules, not a forward."""

    def __init__(self, state: State) -> None:
        super().__init__()
        for name, tensor in state.items():
            module: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module._modules[part]  # type: ignore[assignment]
            if last.startswith(("running", "num")):
                module.register_buffer(last, tensor)
            else:
                module.register_parameter(last, nn.Parameter(tensor))


def state(seed: int = 0, peer: str = "cifar", name: str = "resnet20") -> State:
    """Return weights under a library's names."""
    torch.manual_seed(seed)
    entry, row = find_peer(peer, name)
    weights = create(row).state_dict()
    return {peer_name: weights[key] for key, peer_name in translation(weights, entry.table(row)).items()}


def prefixed(prefix: str, tensors: State) -> State:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def optimizer(tensors: State) -> dict[str, Any]:
    """Return the state of an optimiser that has stepped."""
    parameters = [nn.Parameter(tensor.clone()) for name, tensor in tensors.items() if name.endswith("weight")]
    adam = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    adam.step()
    return adam.state_dict()


def taken(bundle: Bundle) -> Tensor:
    """Return the first weights of a bundle."""
    return bundle.network.get_parameter("stem.0.weight")


FIRST, SECOND = state(0), state(1)
PREFIXES = ("", "module.", "_orig_mod.", "model.", "network.", "net.", "module._orig_mod.", "model.encoder.")
WRAPPERS = ("", "state_dict", "model", "model_state", "model_state_dict", "ema", "net", "state_dict_ema", "model_ema")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".SAFETENSORS", ".bin"])
def test_prefixes_are_taken_off(prefix: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else save_file)(prefixed(prefix, FIRST), path)
    bundle = import_bundle(path, "resnet20")
    assert torch.equal(taken(bundle), FIRST["conv1.weight"])
    assert bundle.record["imported"]["prefix"] == prefix.replace("_orig_mod.", "")
    assert bundle.record["imported"]["from"] == "cifar"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_lies_beside_the_weights_is_passed_over(wrapper: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    more = {"epoch": 3, "best": 0.5, "args": argparse.Namespace(lr=0.1), "optimizer": optimizer(FIRST), "none": None}
    torch.save({wrapper: OrderedDict(FIRST), **more} if wrapper else {**FIRST, **more}, path)
    bundle = import_bundle(path, "resnet20", peer="cifar")
    assert torch.equal(taken(bundle), FIRST["conv1.weight"])
    assert bundle.record["imported"]["key"] == (wrapper or None)


def compiled(tensors: State) -> State:
    body = Body(tensors)
    body.add_module("layer1", torch.compile(body.get_submodule("layer1"), backend="eager"))  # type: ignore[arg-type]
    return body.state_dict()


def averaged(tensors: State) -> State:
    return AveragedModel(Body(tensors)).state_dict()


@pytest.mark.parametrize("wrap", [compiled, averaged, lambda t: averaged(compiled(t))])
def test_what_pytorch_wraps_around_a_network(wrap: Callable[[State], State], tmp_path: Path) -> None:
    path, tensors = tmp_path / "weights.pth", wrap(FIRST)
    assert set(tensors) != set(FIRST)
    torch.save(tensors, path)
    imported = import_bundle(path, "resnet20").network.state_dict()
    entry, row = find_peer("cifar", "resnet20")
    assert all(torch.equal(imported[key], FIRST[name]) for key, name in translation(imported, entry.table(row)).items())


@pytest.mark.parametrize(
    ("content", "key", "others"),
    [
        ({"state_dict": FIRST, "state_dict_ema": SECOND}, "state_dict_ema", ["state_dict"]),
        ({"model": FIRST, "model_ema": averaged(SECOND)}, "model_ema", ["model"]),
        ({"ema": {"module": SECOND}, "model": FIRST}, "ema.module", ["model"]),
        ({**prefixed("ema_model.", SECOND), **prefixed("online_model.", FIRST)}, "ema_model", ["online_model"]),
    ],
)
def test_averaged_weights_are_taken_and_the_others_are_there_by_key(
    content: dict[str, Any], key: str, others: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    bundle = import_bundle(path, "resnet20", peer="cifar")
    assert torch.equal(taken(bundle), SECOND["conv1.weight"])
    assert (bundle.record["imported"]["key"], bundle.record["imported"]["others"]) == (key, others)
    assert torch.equal(taken(import_bundle(path, "resnet20", key=others[0])), FIRST["conv1.weight"])


@pytest.mark.parametrize("key", [None, "ema", "student"])
def test_several_weights_of_equal_right_are_for_the_user_to_choose(key: str | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"student": FIRST, "teacher": SECOND, "mean": {"value": torch.zeros(3)}}, path)
    if key == "student":
        assert torch.equal(taken(import_bundle(path, "resnet20", key=key)), FIRST["conv1.weight"])
        return
    line = (
        r"holds more than one matching set of weights: student, teacher; choose with --key"
        if key is None
        else "--key: .* 'ema'"
    )
    with pytest.raises(InputError, match=line):
        import_bundle(path, "resnet20", key=key)


def test_tensors_outside_the_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {**prefixed("model.", FIRST), "criterion.weight": torch.ones(10)}}, path)
    with pytest.raises(InputError, match=r"1 unknown: criterion\.weight"):
        import_bundle(path, "resnet20")


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "inception_v3", "googlenet", "alexnet", "resnet20"])
def test_names_say_whose_they_are(name: str) -> None:
    """With a library's names, import without --from gives the same network as with it; with ours, ours."""
    for peer, entry, row in libraries(name):
        with without_values():
            weights = create(row).state_dict()
        peer_names = set(translation(weights, entry.table(row)).values())
        fitting = [each for each in candidates(name, None) if set(each.names.values()) <= peer_names]
        assert peer in [each.peer for each in fitting]
        assert {each.row for each in fitting} == {row}
        assert all(each.same(fitting[0]) for each in fitting)


ROWS = [(peer, row) for peer, entries in _tables().items() for entry in entries for row in entry.names.values()]


@pytest.mark.parametrize(("peer", "row"), [pair for pair in ROWS if pair[1] != "resnet1202"])
def test_every_tensor_of_ours_has_a_name_of_its_own_there(peer: str, row: str) -> None:
    entry, _ = find_peer(peer, row)
    with without_values():
        weights = create(row).state_dict()
    names = translation(weights, entry.table(row))
    assert list(names) == list(weights)
    assert len(set(names.values())) == len(names)


def test_another_library_than_the_one_given_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state(peer="timm", name="resnet18"), path)
    torch.save(create("resnet20").state_dict(), tmp_path / "own.pth")
    with pytest.raises(InputError, match="its names are those of convworks: leave out --from"):
        import_bundle(tmp_path / "own.pth", "resnet20", peer="cifar")
    bundle = import_bundle(path, "resnet18")
    assert bundle.record["imported"]["alike"] == ["timm"]
    assert bundle.preprocessing.mean == (0.485, 0.456, 0.406)


def test_the_papers_network_by_our_names_and_the_librarys_by_theirs(tmp_path: Path) -> None:
    """resnet50 is two networks whose tensors have the same shapes: the names decide."""
    assert facts("resnet50") != facts("resnet50_v1_5")
    torch.save(create("resnet50").state_dict(), tmp_path / "ours.pth")
    torch.save(state(name="resnet50", peer="torchvision"), tmp_path / "theirs.pth")
    assert import_bundle(tmp_path / "ours.pth", "resnet50").model.name == "resnet50"
    assert import_bundle(tmp_path / "theirs.pth", "resnet50").model.name == "resnet50_v1_5"
