"""Stochastic depth (Huang et al. 2016): residual bodies that are dropped at random in training."""

from __future__ import annotations

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from convworks.layers.residual import Residual


class Survival(nn.Module):
    """Keep a body's output with probability `survival` per sample in training; scale it by `survival` in evaluation.

    The paper drops whole batches; per sample, every parameter has a gradient in every step on every process.
    """

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival

    def forward(self, x: Float[Tensor, "b *map"]) -> Float[Tensor, "b *map"]:
        """Drop or keep whole samples."""
        if not self.training:
            return x * self.survival
        mask = x.new_empty((len(x), *(1,) * (x.ndim - 1))).bernoulli_(self.survival)
        return x * mask

    def extra_repr(self) -> str:
        """Show the probability in the repr."""
        return f"survival={self.survival:.4g}"


def stochastic_depth(stages: Iterable[nn.Module], rate: float) -> None:
    """Let the bodies of all residual blocks be dropped, in place: the last with probability `rate`.

    The others follow linearly (section 3, p_l = 1 - l / L (1 - p_L)); with a rate of 0 nothing changes.
    """
    blocks = [module for stage in stages for module in stage.modules() if isinstance(module, Residual)]
    for number, block in enumerate(blocks if rate else (), start=1):
        assert isinstance(block.body, nn.Sequential)
        block.body.append(Survival(1 - rate * number / len(blocks)))


def with_survival(network: nn.Module) -> dict[str, Tensor]:
    """Return the state with which the same network without `Survival` makes the same predictions.

    The preceding layer is linear in its weights and bias, so these absorb the factor.
    """
    state = dict(network.state_dict())
    for name, module in network.named_modules():
        if isinstance(module, Residual) and isinstance(module.body, nn.Sequential):
            *_, (before, _), (_, last) = module.body.named_children()
            if isinstance(last, Survival):
                for part in ("weight", "bias"):
                    key = f"{name}.body.{before}.{part}"
                    state[key] = state[key] * last.survival
    return state
