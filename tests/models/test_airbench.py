from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from convworks.models.catalogue import create


def test_the_published_row_has_the_parameters_of_the_paper() -> None:
    network = create("airbench94")
    trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
    # Six convolutions without bias, a shift behind each, the bias of the whitening, a matrix of 256 by 10.
    convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    assert trained == convolutions + 2 * (64 + 256 + 256) + 24 + 2560


def test_narrow_first_convolutions_pass_their_input_on_and_cost_less() -> None:
    narrow = create("airbench94", table={"first": (32, 128, 256)})
    shapes = [tuple(value.shape[:2]) for value in narrow.parameters() if value.ndim == 4]
    assert shapes == [(24, 3), (32, 24), (64, 32), (128, 64), (256, 128), (256, 256), (256, 256)]
    second = narrow.get_parameter("stages.group2.conv2.weight")
    torch.testing.assert_close(second[:128, :, 1, 1], torch.eye(128))
    with FlopCounterMode(display=False) as whole:
        create("airbench94").eval()(torch.ones(1, 3, 32, 32))
    with FlopCounterMode(display=False) as less:
        narrow.eval()(torch.ones(1, 3, 32, 32))
    assert less.get_total_flops() < 0.75 * whole.get_total_flops()


def test_without_a_trained_bias_no_gradient_reaches_the_whitening() -> None:
    network = create("airbench94", table={"trained_bias": False})
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    idle = {name for name, value in network.named_parameters() if value.grad is None and value.ndim != 1}
    assert idle == {"stem.conv.weight"}
    assert network.get_parameter("stem.conv.bias").grad is None
