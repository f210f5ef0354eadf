"""Terms of a layer that `convworks.ops` does not define: its derivatives at the observed point."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from convworks.explain.observe import Layer
from convworks.ops.unit.terms import Terms, terms


def forward(layer: Layer, unit: tuple[int, ...]) -> Terms:
    """Return input * derivative for every input that the unit depends on; the bias is the remainder of its value."""
    _, x, output = _run(layer)
    if not (output.requires_grad and x.requires_grad):  # no dependence on the input, or an integer input
        return terms(np.empty(0), np.empty(0), np.empty((0, x.ndim), np.int64), bias=float(output[unit].detach()))
    (row,) = torch.autograd.grad(output[unit], x, allow_unused=True)
    row = torch.zeros_like(x) if row is None else row
    reads = row != 0
    values, weights = _numpy(x[reads]), _numpy(row[reads])
    rest = float(output[unit].detach()) - float(values @ weights)
    return terms(values, weights, np.argwhere(reads.numpy()), bias=rest)


def backward(layer: Layer, position: tuple[int, ...]) -> Terms:
    """Return message * derivative for every output that depends on the input value."""
    _, x, output = _run(layer)
    return _column(layer, output, x, position)


def gradient(layer: Layer, parameter: str, index: tuple[int, ...]) -> Terms:
    """Return message * derivative for every output that depends on the entry of the parameter."""
    module, _, output = _run(layer)
    return _column(layer, output, dict(module.named_parameters())[parameter], index)


def _run(layer: Layer) -> tuple[nn.Module, Tensor, Tensor]:
    """Run a copy of the layer in float64; return the copy, its input and output."""
    module = deepcopy(layer.module).double().cpu()
    for part in module.modules():
        if hasattr(part, "inplace"):
            part.__dict__["inplace"] = False
    x = layer.input.double() if layer.input.is_floating_point() else layer.input
    if x.is_floating_point():
        x.requires_grad_()
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(layer.random)  # the same units are dropped again
        output: Tensor = module(x)
    return module, x, output


def _column(layer: Layer, output: Tensor, source: Tensor, index: tuple[int, ...]) -> Terms:
    """Return the terms of the message at one entry of `source`.

    The message is linear in the messages u at the output, and its derivative by u is the derivative of every output by
    the entry: differentiating backward twice gives the Jacobian column, where once gives only the sum.
    """
    assert layer.message is not None
    messages = torch.zeros_like(output, requires_grad=True)
    with torch.enable_grad():
        (back,) = torch.autograd.grad(output, source, messages, create_graph=True)
        (column,) = torch.autograd.grad(back[index], messages, allow_unused=True)
    column = torch.zeros_like(output) if column is None else column
    reached = column.detach() != 0
    return terms(_numpy(layer.message.double()[reached]), _numpy(column[reached]), np.argwhere(reached.numpy()))


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().numpy())
