from __future__ import annotations

import torch
from torch import nn

from convworks.layers.heads.classifier import classifier, drops_inputs, drops_outputs


def test_layers_are_numbered_and_dropout_stands_where_it_is_asked_for() -> None:
    outputs = classifier(4, 3, (8, 7), 5, hidden=drops_outputs, rate=0.5)
    inputs = classifier(4, 3, (8, 7), 5, hidden=drops_inputs, rate=0.5, first=2)
    hidden = ["hidden6", "relu6", "dropout6", "hidden7", "relu7", "dropout7"]
    assert [name for name, _ in outputs.named_children()] == ["pool", "flat", *hidden, "logits"]
    hidden = ["dropout2", "hidden2", "relu2", "dropout3", "hidden3", "relu3"]
    assert [name for name, _ in inputs.named_children()] == ["pool", "flat", *hidden, "logits"]
    assert [m.p for m in inputs.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert [tuple(m.weight.shape) for m in outputs.modules() if isinstance(m, nn.Linear)] == [(8, 36), (7, 8), (5, 7)]


def test_maps_of_any_size() -> None:
    head = classifier(4, 3, (8,), 5, hidden=drops_outputs, rate=0.5).eval()
    for size in ((3, 3), (9, 6), (2, 7)):
        assert head(torch.randn(2, 4, *size)).shape == (2, 5)
