"""Support vector machines as heads, fitted in one step to the features of a frozen network."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import nn

from convworks.config import to_json
from convworks.console import say
from convworks.data.config import AugmentConfig
from convworks.data.source import Source, require_single_labels
from convworks.errors import InputError
from convworks.inference.features import features
from convworks.layers.heads.kernel_machine import KernelMachine
from convworks.layers.network import Network
from convworks.models.config import ModelConfig
from convworks.models.transfer.adapted import new_parts
from convworks.models.transfer.head_config import MACHINES, RBFHead, SVMHead
from convworks.training.checkpoints.resume import differences
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.readings import Reading
from convworks.training.setup import Setup
from convworks.training.svm.config import OPEN, machine_training
from convworks.training.svm.fit import LINEAR, RBF, Linear, Pairs, best_of, calibrated, fit_linear, fit_rbf, kernel
from convworks.training.validation import validate
from convworks.training.world import World


def is_svm(model: ModelConfig) -> bool:
    """Return whether the head of a network is a support vector machine."""
    return model.head is not None and model.head.kind in MACHINES


def check_svm(config: RunConfig, source: Source, world: World) -> None:
    """Raise InputError for what a head fitted in one step cannot do: fine-tune the layers below, or train by steps."""
    model, training = config.model, config.training
    if not is_svm(model):
        return
    assert model.head is not None
    assert model.cut is not None
    name = f"head {model.head.kind}"
    other = "take --head linear, which is trained by steps"
    require_single_labels(source, f"a {name}", other)  # first: the default configuration for others fits no machine
    if training.freeze != model.cut or training.thaw is not None or training.epochs != 1:
        reason = "is fitted once to frozen features: it cannot fine-tune the layers below"
        raise InputError(name, reason, f"leave out --freeze, --epochs and training.thaw, or {other}")
    expected = to_json(machine_training(training.batch_size, model.cut))
    differing = [line for field, line in differences(expected, to_json(training), "training") if field[9:] not in OPEN]
    if config.augment != AugmentConfig() or config.data.stored is not None:
        differing.append("augment varies images from epoch to epoch")
    if differing:
        reason = f"is fitted once, which leaves no use for {differing[0].partition(', in the run')[0]}"
        raise InputError(name, reason, f"leave that out, or {other}")
    if world.size > 1:
        raise InputError("torchrun", f"a {name} is fitted in one process, not {world.size}", "leave torchrun out")


def fit_svm(setup: Setup, progress: Progress, events: Events) -> None:
    """Fit the head as the only step of the only epoch of a run; it is then evaluated and recorded like any other."""
    if progress.epoch:
        return
    started = time.perf_counter()
    network, model = setup.network, setup.config.model
    assert isinstance(network, Network)
    assert model.cut is not None
    last = new_parts(network, model.cut)[-1]
    before, layer = network.taps[network.taps.index(last) - 1], network.tapped(last)
    network.eval()
    _check_classes(setup)
    sample = _sample(setup, before)
    match model.head, layer:
        case SVMHead() as head, nn.Linear():
            cost = fit_linear_layer(layer, head, sample, seed=setup.config.seed)
        case RBFHead() as head, KernelMachine():
            cost = fit_kernel_layer(layer, head, sample)
    with torch.no_grad():
        logits = layer(torch.from_numpy(sample.train).to(setup.device))
    targets = setup.train.classes.to(setup.device)
    sums = torch.stack([setup.loss(logits, targets), setup.task.scored(logits, targets).sum()]).to(setup.world.double)
    progress.end_step(Reading(sums, len(targets), 0.0), time.perf_counter() - started)
    progress.mark(0.0, 1.0)
    events.step_ended(setup, progress)
    validation = validate(setup)
    progress.end_epoch(validation, 0.0)
    progress.history[-1]["svm_cost"] = cost
    events.epoch_ended(setup, progress)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Features and labels of the images for fitting (train) and for choosing the cost (validation)."""

    train: Float32[np.ndarray, "n f"]
    labels: Int64[np.ndarray, " n"]
    validation: Float32[np.ndarray, "m f"]
    validation_labels: Int64[np.ndarray, " m"]

    def standard(self) -> tuple[Float64[np.ndarray, " f"], Float64[np.ndarray, " f"]]:
        """Return mean and standard deviation of the features; 1 for the deviation of constant ones."""
        std = self.train.std(0, dtype=np.float64)
        return self.train.mean(0, dtype=np.float64), np.where(std == 0, 1.0, std)

    def accuracy(self, decisions: Float[np.ndarray, "m k"]) -> float:
        """Return the accuracy on validation."""
        return float((decisions.argmax(1) == self.validation_labels).mean())


@torch.no_grad()
def fit_linear_layer(layer: nn.Linear, head: SVMHead, sample: Sample, *, seed: int) -> float:
    """Fit a linear layer in place, its logits calibrated on validation; return the cost."""
    mean, std = sample.standard()
    x, validation = (sample.train - mean) / std, (sample.validation - mean) / std
    machines: dict[float, Linear] = {}

    def fitted(cost: float) -> Linear:
        if cost not in machines:
            machines[cost] = fit_linear(x, sample.labels, cost=cost, seed=seed)
        return machines[cost]

    cost = head.cost or best_of(LINEAR, lambda cost: sample.accuracy(fitted(cost).decisions(validation)))
    scale = calibrated(fitted(cost).decisions(validation), sample.validation_labels)
    weight = scale * fitted(cost).weight / std
    layer.weight.copy_(torch.from_numpy(weight))
    layer.bias.copy_(torch.from_numpy(scale * fitted(cost).bias - weight @ mean))
    say(f"support vector machine: cost {cost:g}")
    return cost


@torch.no_grad()
def fit_kernel_layer(layer: KernelMachine, head: RBFHead, sample: Sample) -> float:
    """Fit a kernel machine in place, its logits calibrated on validation; return the cost."""
    mean, std = sample.standard()
    x = (sample.train - mean) / std
    gamma = head.gamma or 1 / x.shape[1]
    products, validation = kernel(x, x, gamma), torch.from_numpy(sample.validation).to(layer.mean)

    def decisions_of(cost: float) -> Float[np.ndarray, "m k"]:
        _fill(layer, fit_rbf(x, sample.labels, cost=cost, gamma=gamma, products=products), mean, std)
        decisions: np.ndarray = layer(validation).cpu().numpy()
        return decisions

    cost = head.cost or best_of(RBF, lambda cost: sample.accuracy(decisions_of(cost)))
    scale = calibrated(decisions_of(cost), sample.validation_labels)
    layer.scale.fill_(scale)
    say(f"support vector machine: cost {cost:g}, gamma {gamma:.3g}, {len(layer.vectors):,} support vectors")
    return cost


def _fill(layer: KernelMachine, machine: Pairs, mean: Float[np.ndarray, " f"], std: Float[np.ndarray, " f"]) -> None:
    """Set the support vectors of a kernel machine, which are standardised already."""
    reference = layer.mean
    for name, value in (*zip(Pairs._fields, machine, strict=True), ("mean", mean), ("std", std), ("scale", 1.0)):
        setattr(layer, name, torch.as_tensor(value).to(reference))


def _sample(setup: Setup, tap: str) -> Sample:
    """Return the features at a tap for the training and validation images."""
    features_and_labels = []
    for samples in (setup.train, setup.validation):
        assert isinstance(setup.network, Network)
        read = features(setup.network, samples.images, setup.input, setup.precision, [tap])
        features_and_labels.append((read[tap], samples.classes.cpu().numpy()))
    (train, labels), (validation, validation_labels) = features_and_labels
    return Sample(train=train, labels=labels, validation=validation, validation_labels=validation_labels)


def _check_classes(setup: Setup) -> None:
    """Raise InputError for a class without training images."""
    counts = torch.bincount(setup.train.classes, minlength=setup.classes).tolist()
    if 0 in counts:
        reason = f"has no training image of class number {counts.index(0) + 1}, which a support vector machine needs"
        raise InputError(setup.config.data.source, reason, "add some, or leave the class out")
