"""Networks trained side by side: their answer, their losses, and what leaves the run."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.data.batches import Batch
from convworks.losses.functions import batch_loss, outputs
from convworks.models.catalogue import Shape, create
from convworks.training.optimizers.update import last_weights, trainable

SHAPE = Shape(classes=5, channels=1, size=(28, 28))
BLOCKS = [{"width": 4, "kernel_size": 5, "stride": 2}, {"width": 6, "pool": 2}]
SMALL = {"members": [{"blocks": BLOCKS, "head_size": 2}, {"blocks": BLOCKS[:1], "head_size": 3}]}


def members_of(network: torch.nn.Module) -> dict[str, torch.nn.Module]:
    return dict(network.get_submodule("stages.members").named_children())


def loss_of(network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    _, answers = outputs(network, images)
    return batch_loss(F.cross_entropy, answers, Batch(images.byte(), labels, len(labels)))


def test_the_answer_is_the_mean_of_the_members_logits() -> None:
    network = create("ensemble_best").eval()
    images = torch.randn(3, 1, 28, 28)
    taps = [tap for tap in network.taps if tap.startswith("members.")]
    with torch.no_grad():
        activations = network.activations(images, taps)
        torch.testing.assert_close(network(images), sum(activations.values()) / len(taps))
    assert len(taps) == len(members_of(network)) > 1
    one, other, *_ = activations.values()
    assert not torch.allclose(one, other)


def test_each_member_learns_as_it_would_alone() -> None:
    network = create("ensemble_best", SHAPE, table=SMALL)
    images, labels = torch.randn(8, 1, 28, 28), torch.arange(8) % 5
    network.train()
    loss = loss_of(network, images, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    members = members_of(network)
    alone = {name: F.cross_entropy(member(images), labels) for name, member in members.items()}
    torch.testing.assert_close(loss, torch.stack(list(alone.values())).mean())
    for name, member in members.items():
        parameters = list(member.parameters())
        wanted = torch.autograd.grad(alone[name], parameters)
        for parameter, gradient in zip(parameters, wanted, strict=True):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0
            torch.testing.assert_close(parameter.grad, gradient / len(members))


def test_muon_knows_the_logits_of_every_member() -> None:
    network = create("ensemble_best", SHAPE, table=SMALL)
    assert last_weights(trainable(network)) == {f"stages.members.member{n}.head.logits.weight" for n in (1, 2)}


def test_a_run_leaves_a_bundle_that_answers_as_one_network(tmp_path: Path) -> None:
    changes = ["training.batch_size=64", f"model.table={SMALL}"]
    run = convworks.train(model="ensemble_best", epochs=2, out=tmp_path / "run", overrides=changes)
    network = load_bundle(Path(run["bundle"])).network
    images = torch.randn(2, 1, 8, 8)
    answers = [member(images) for member in members_of(network).values()]
    torch.testing.assert_close(network(images), torch.stack(answers).mean(0))
    assert run["validation"]["top1"] > 0.3  # of ten digits, after two epochs
    # Trained further, a bundle learns from its answer: the members' losses belong to the run.
    torch.testing.assert_close(
        loss_of(network, images, torch.tensor([1, 2])), F.cross_entropy(network(images), torch.tensor([1, 2]))
    )
