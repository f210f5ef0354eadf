"""Frozen layers, gradual unfreezing, and learning rates by depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from convworks.errors import InputError, nearest
from convworks.layers.network import Network, module_name
from convworks.models.transfer.adapted import kept_parts
from convworks.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """The frozen modules: `always`, or `until` an epoch, from which on they are trained.

    `parameters` is the number of parameter values that are never trained because of this.
    """

    always: tuple[nn.Module, ...] = ()
    until: tuple[tuple[int, nn.Module], ...] = ()
    parameters: int = 0

    def frozen(self, epoch: int) -> tuple[nn.Module, ...]:
        """Return the modules that are frozen in an epoch (counted from 0)."""
        return (*self.always, *(module for end, module in self.until if epoch < end))


NOTHING = Freezing()


def freezing(
    network: Network,
    training: TrainingConfig,
    cut: str | None,
    *,
    machine: bool = False,
    others: tuple[nn.Module, ...] = (),
    processes: int = 1,
) -> Freezing:
    """Return which modules are frozen, and turn off the gradients of those that are never trained.

    All modules are frozen if the head is a support vector `machine`; `others` are frozen in addition to those up to the
    tap `training.freeze`. Raises InputError for an unknown tap, if nothing is left to train, and for gradual unfreezing
    in several processes.
    """
    always = (network,) if machine else (*frozen(network, training.freeze), *others)
    if training.thaw is not None and processes > 1:
        reason = "is for single-process training"
        raise InputError("training.thaw", reason, "train in one process, or leave it out")
    trained_before = _trained(network)
    for module in always:
        module.requires_grad_(False)
    if not machine and not any(parameter.requires_grad for parameter in network.parameters()):
        reason = f"{training.freeze} leaves nothing to train"
        raise InputError("training.freeze", reason, "freeze up to a tap before the last layer with weights")
    return Freezing(
        always=always, until=_thawing(network, training, cut), parameters=trained_before - _trained(network)
    )


def frozen(network: Network, tap: str | None) -> tuple[nn.Module, ...]:
    """Return the modules of all taps up to and including one."""
    if tap is None:
        return ()
    if tap not in network.taps:
        reason = f"there is no tap {tap!r}{nearest(tap, network.taps)}"
        raise InputError("training.freeze", reason, f"taps: {', '.join(network.taps)}")
    return tuple(network.tapped(name) for name in network.taps[: network.taps.index(tap) + 1])


def hold(network: nn.Module, parameters: Mapping[str, Tensor], freezing: Freezing, epoch: int) -> None:
    """Prepare a network for an epoch: training mode and gradients, except for frozen modules.

    Frozen modules are in evaluation mode: batch normalisation keeps its statistics, dropout is off.
    """
    network.train()
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    for module in freezing.frozen(epoch):
        module.eval()
        for value in module.parameters():
            value.requires_grad_(False)
            value.grad = None


def rate_factors(network: Network, decay: float, cut: str | None) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter: `decay` to the power of its stage from the end."""
    if decay == 1:
        return {}
    factors: dict[str, float] = {}
    for depth, part in enumerate(reversed(_stages(network, cut)), start=1):
        for name, _ in network.tapped(part).named_parameters(prefix=module_name(part)):
            factors[name] = decay**depth
    return factors


def _thawing(network: Network, training: TrainingConfig, cut: str | None) -> tuple[tuple[int, nn.Module], ...]:
    if training.thaw is None:
        return ()
    stages = _stages(network, cut)
    epochs_needed = training.thaw * len([name for name in stages if _has_gradient(network.tapped(name))])
    if training.epochs <= epochs_needed:
        reason = (
            f"{training.thaw} thaws the last stage after {epochs_needed} epochs, but training has {training.epochs}"
        )
        raise InputError(
            "training.thaw", reason, f"train longer: --set training.epochs={epochs_needed + training.thaw}"
        )
    order = [network.tapped(name) for name in reversed(stages)]
    return tuple(((number + 1) * training.thaw, module) for number, module in enumerate(order))


def _trained(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters() if value.requires_grad)


def _has_gradient(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _stages(network: Network, cut: str | None) -> tuple[str, ...]:
    """Return the taps of the stages with weights, in order, without the part that makes the output."""
    parts = kept_parts(network, cut)
    return parts if cut is not None else parts[:-1]
