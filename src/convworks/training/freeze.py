"""Which parts of a network are trained, when, and how fast: frozen layers, gradual unfreezing, rates by depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from convworks.errors import InputError, nearest
from convworks.layers.network import Network
from convworks.models.transfer.adapted import kept_parts
from convworks.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """What is held still: `always` modules, and `until` an epoch others, which are trained from then on.

    `parameters` is how many numbers are never trained that otherwise would be.
    """

    always: tuple[nn.Module, ...] = ()
    until: tuple[tuple[int, nn.Module], ...] = ()
    parameters: int = 0

    def still(self, epoch: int) -> tuple[nn.Module, ...]:
        """Return the modules that are not trained in an epoch, which are counted from 0."""
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
    """Say which modules are held still, and take what is never trained out of the parameters that have gradients.

    All are, where the head is a `machine` that is fitted at once; `others` are besides those up to a tap. Raises
    InputError for a tap that there is not, where nothing is left to train, and for several processes that would have
    to thaw together.
    """
    always = (network,) if machine else (*frozen(network, training.freeze), *others)
    if training.thaw is not None and processes > 1:
        reason = "changes what is trained, which several processes agree upon but once"
        raise InputError("training.thaw", reason, "train in one process, or leave it out")
    before = _trained(network)
    for module in always:
        module.requires_grad_(False)
    if not machine and not any(parameter.requires_grad for parameter in network.parameters()):
        reason = f"{training.freeze} leaves nothing to train"
        raise InputError("training.freeze", reason, "freeze up to a tap before the last layer with weights")
    return Freezing(always=always, until=_thawing(network, training, cut), parameters=before - _trained(network))


def frozen(network: Network, tap: str | None) -> tuple[nn.Module, ...]:
    """Return the modules of all taps up to one: what is computed before it, and itself."""
    if tap is None:
        return ()
    if tap not in network.taps:
        reason = f"there is no tap {tap!r}{nearest(tap, network.taps)}"
        raise InputError("training.freeze", reason, f"taps: {', '.join(network.taps)}")
    return tuple(network.tapped(name) for name in network.taps[: network.taps.index(tap) + 1])


def hold(network: nn.Module, parameters: Mapping[str, Tensor], freezing: Freezing, epoch: int) -> None:
    """Make a network ready for an epoch: in training mode, with gradients, but for what is held still.

    Frozen modules compute as in evaluation: batch normalisation keeps its statistics, dropout leaves nothing out.
    """
    network.train()
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    for module in freezing.still(epoch):
        module.eval()
        for value in module.parameters():
            value.requires_grad_(False)
            value.grad = None


def rate_factors(network: Network, decay: float, cut: str | None) -> dict[str, float]:
    """Return by what the learning rate of each parameter is multiplied: `decay` once for each stage from the end."""
    if decay == 1:
        return {}
    found: dict[str, float] = {}
    for depth, part in enumerate(reversed(_stages(network, cut)), start=1):
        for name, _ in network.tapped(part).named_parameters(prefix=_module(part)):
            found[name] = decay**depth
    return found


def _thawing(network: Network, training: TrainingConfig, cut: str | None) -> tuple[tuple[int, nn.Module], ...]:
    if training.thaw is None:
        return ()
    stages = _stages(network, cut)
    needed = training.thaw * len([name for name in stages if _has_gradient(network.tapped(name))])
    if training.epochs <= needed:
        reason = f"{training.thaw} thaws the last stage after {needed} epochs, but training has {training.epochs}"
        raise InputError("training.thaw", reason, f"train longer: --set training.epochs={needed + training.thaw}")
    order = [network.tapped(name) for name in reversed(stages)]
    return tuple(((number + 1) * training.thaw, module) for number, module in enumerate(order))


def _trained(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters() if value.requires_grad)


def _has_gradient(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _stages(network: Network, cut: str | None) -> tuple[str, ...]:
    """Name the parts behind which training begins, the first one first: all with weights but what makes the answer."""
    parts = kept_parts(network, cut)
    return parts if cut is not None else parts[:-1]


def _module(tap: str) -> str:
    return tap if tap.partition(".")[0] in ("stem", "head") else f"stages.{tap}"
