"""The terms of a unit add up to the number in the tensor: forward, backward, parameters; on real networks."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.observe import Observation, observe
from convworks.explain.unit import Explanation, explain_gradient, explain_message, explain_unit
from convworks.layers.pooling.pool import PoolTo
from convworks.models.catalogue import create, facts

TOLERANCE = 1e-5


def close(actual: Explanation) -> None:
    """Check the sum against the tensor, to 1e-5 of the size of its terms (single precision adds in another order)."""
    scale = float(np.abs(actual.terms.products).sum()) + abs(actual.terms.bias) + abs(actual.value)
    assert abs(actual.terms.sum - actual.value) <= TOLERANCE * scale, actual


def indices(shape: tuple[int, ...], count: int = 6) -> list[tuple[int, ...]]:
    """Give the corners of the first and last entry, and some indices between them."""
    rng = np.random.default_rng(0)
    corners = [tuple(0 for _ in shape), tuple(n - 1 for n in shape)]
    return corners + [tuple(int(rng.integers(n)) for n in shape) for _ in range(count - 2)]


def check(observation: Observation, name: str, kind: str | None = None) -> None:
    """Explain units, messages and gradients of one layer."""
    layer = observation.layers[name]
    for unit in indices(tuple(layer.output.shape)):
        explanation = explain_unit(observation, name, unit)
        close(explanation)
        if kind:
            assert explanation.kind == kind
    for position in indices(tuple(layer.input.shape)):
        close(explain_message(observation, name, position))
    for parameter, values in layer.module.named_parameters(recurse=False):
        if values.requires_grad:
            for index in indices(tuple(values.shape)):
                close(explain_gradient(observation, name, parameter, index))


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "stride 2": (nn.Conv2d(3, 4, 3, stride=2), (2, 3, 9, 8), "cross_correlation"),
    "dilation 2": (nn.Conv2d(3, 4, 3, dilation=2), (2, 3, 9, 8), "cross_correlation"),
    "groups 2": (nn.Conv2d(4, 6, 3, groups=2), (2, 4, 7, 8), "cross_correlation"),
    "padded border": (nn.Conv2d(3, 4, 5, padding=2), (2, 3, 6, 7), "cross_correlation"),
    "same, no bias": (nn.Conv2d(3, 4, (3, 5), padding="same", bias=False), (2, 3, 6, 7), "cross_correlation"),
    "1D": (nn.Conv1d(3, 4, 4, stride=3, padding=1), (2, 3, 11), "cross_correlation"),
    "3D": (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (2, 2, 4, 5, 4), "cross_correlation"),
    "max pooling": (nn.MaxPool2d(3, 2, padding=1), (2, 3, 7, 8), "max_pooling"),
    "max pooling, dilated, ceil": (nn.MaxPool2d(2, 3, dilation=2, ceil_mode=True), (2, 3, 8, 9), "max_pooling"),
    "average pooling": (nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), (2, 3, 7, 8), "average_pooling"),
    "average without padding": (
        nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
        (2, 3, 5, 5),
        "average_pooling",
    ),
    "batch norm": (nn.BatchNorm2d(3), (4, 3, 5, 6), "batch_normalisation"),
    "batch norm of features": (nn.BatchNorm1d(5), (6, 5), "batch_normalisation"),
    "up-convolution": (nn.ConvTranspose2d(3, 4, 2, stride=2), (2, 3, 4, 5), "up_convolution"),
    "up-convolution, all options": (
        nn.ConvTranspose2d(4, 6, 3, stride=3, padding=1, output_padding=2, dilation=2, groups=2),
        (2, 4, 4, 5),
        "up_convolution",
    ),
    "fully connected": (nn.Linear(7, 5), (3, 7), "fully_connected"),
    "ReLU": (nn.ReLU(inplace=True), (2, 3, 4, 4), "relu"),
    "dropout": (nn.Dropout(0.4), (2, 3, 4, 4), "dropout"),
    "sigmoid": (nn.Sigmoid(), (2, 3, 4, 4), "tangent"),
    "softmax": (nn.Softmax(1), (3, 5), "tangent"),
    "layer norm": (nn.LayerNorm(6), (3, 6), "tangent"),
    "local response": (nn.LocalResponseNorm(3), (2, 5, 3, 3), "tangent"),
    "adaptive": (PoolTo(2), (2, 3, 5, 7), "tangent"),
    "reflected border": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 5, 5), "tangent"),
    "flatten": (nn.Flatten(), (2, 3, 2, 2), "tangent"),
}


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(("module", "shape", "kind"), LAYERS.values(), ids=LAYERS)
def test_every_kind_of_layer(module: nn.Module, shape: tuple[int, ...], kind: str, training: bool) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(OrderedDict(before=nn.Identity(), layer=module)).train(training)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        assert module.running_mean is not None
        assert module.running_var is not None
        module.running_mean.normal_()
        module.running_var.uniform_(0.5, 2)
    coefficients = torch.randn(tuple(network(torch.randn(shape)).shape))
    observation = observe(network, torch.randn(shape), lambda output: (output * coefficients).sum())
    check(observation, "layer", kind)


def test_terms_are_the_lecture_s() -> None:
    """Lecture 002: (1 x 1) + (.5 x 0) + (0 x 0) + (.25 x 2) = 1.5, with the place of each number."""
    layer = nn.Conv2d(1, 1, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    image = torch.tensor([[1, 0.5, 1, 0], [0, 0.25, 0.5, 1], [1, 0.25, 0, 1], [0.5, 0, 1, 1]])
    observation = observe(nn.Sequential(OrderedDict(conv=layer)), image[None, None])
    explanation = explain_unit(observation, "conv", (0, 0, 0, 0))
    assert explanation.terms.values.tolist() == [1, 0.5, 0, 0.25]
    assert explanation.terms.weights.tolist() == [1, 0, 0, 2]
    assert explanation.terms.products.tolist() == [1, 0, 0, 0.5]
    assert explanation.terms.positions.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert explanation.terms.weight_positions.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert (explanation.terms.sum, explanation.value, explanation.terms.bias) == (1.5, 1.5, 0.0)


def test_padding_is_a_term_of_value_zero_outside_the_image() -> None:
    observation = observe(nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 1, 3, padding=1))), torch.ones(1, 1, 4, 4))
    terms = explain_unit(observation, "conv", (0, 0, 0, 0)).terms
    assert len(terms.values) == 9
    assert terms.positions[0].tolist() == [0, 0, -1, -1]
    assert terms.values.tolist() == [0, 0, 0, 0, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "resnet20",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("lenet5_modern", "convnet_digits", "convnet_accurate", "plain20")
        ),
    ],
)
def test_every_layer_of_the_networks(name: str, training: bool) -> None:
    torch.manual_seed(0)
    network, shape = create(name).train(training), facts(name).shape
    images, labels = torch.randn(3, shape.channels, *shape.size), torch.tensor([1, 2, 3])
    observation = observe(network, images, lambda logits: F.cross_entropy(logits, labels))
    layers = list(observation.layers)
    chosen = layers if len(layers) < 30 else [*layers[:12], *layers[-14:]]
    for layer in chosen:
        if layer and not isinstance(observation.layers[layer].module, nn.Sequential):
            check(observation, layer)
    if not training:
        logits = network(images)
        np.testing.assert_allclose(observation.layers["head.logits"].output.numpy(), logits.detach().numpy(), rtol=1e-5)


def test_a_trained_network(data: Path) -> None:
    """ResNet-20 with weights that others trained, on photographs: every kind of its layers, forward and backward."""
    network = create("resnet20").eval()
    state = torch.load(data / "weights" / "resnet20-12fca82f.th", map_location="cpu", weights_only=True)["state_dict"]
    targets = [name for name in network.state_dict() if "num_batches" not in name]
    sources = [name for name in state if "num_batches" not in name]
    network.load_state_dict(dict(zip(targets, (state[name] for name in sources), strict=True)), strict=False)
    from convworks.data.decode.decode import decode

    photos = sorted((data / "photos").iterdir())[:2]
    pixels = np.stack([decode(path, channels=3)[:32, :32] for path in photos])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5
    observation = observe(network, images, lambda logits: F.cross_entropy(logits, torch.tensor([3, 5])))
    for name in (
        "stem.0",
        "stem.1",
        "stages.stage2.block1",
        "stages.stage2.block1.body.0",
        "stages.stage3",
        "head.logits",
    ):
        layer = observation.layers[name]
        for unit in indices(tuple(layer.output.shape)):
            close(explain_unit(observation, name, unit))
        for position in indices(tuple(layer.input.shape)):
            close(explain_message(observation, name, position))
    for index in indices((16, 3, 3, 3)):
        close(explain_gradient(observation, "stem.0", "weight", index))


def test_messages_and_gradients_are_autograd_s() -> None:
    torch.manual_seed(0)
    network = create("resnet20").eval()
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    loss = F.cross_entropy(network(images), torch.tensor([1, 2]))
    expected = torch.autograd.grad(loss, [images, *network.parameters()])
    observation = observe(network, images.detach(), lambda logits: F.cross_entropy(logits, torch.tensor([1, 2])))
    assert observation.loss == pytest.approx(float(loss.detach()))
    assert observation.layers["stem.0"].input_message is not None
    assert torch.allclose(observation.layers["stem.0"].input_message, expected[0], atol=1e-7)
    for name, gradient in zip(dict(network.named_parameters()), expected[1:], strict=True):
        assert torch.allclose(observation.gradients[name], gradient, atol=1e-6)


def test_observing_leaves_the_network_alone() -> None:
    network = create("convnet_accurate").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(7)
    observe(network, torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0)), lambda logits: logits.sum())
    drawn = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_network_of_one_s_own() -> None:
    """Any module will do: branches, several readers of one value, modules without a rule."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
            self.act = nn.GELU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.left(x) * self.right(x)).mean((2, 3))  # type: ignore[no-any-return]

    torch.manual_seed(0)
    observation = observe(Own(), torch.randn(2, 2, 4, 4), lambda output: output.square().sum())
    for name in ("left", "right", "act"):
        check(observation, name)


def test_a_module_called_twice_and_a_weight_used_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.left, self.right = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(4, 4), nn.Linear(4, 4)
            self.right.weight = self.left.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.right(self.left(self.conv(self.conv(x)).mean(2)))  # type: ignore[no-any-return]

    torch.manual_seed(0)
    observation = observe(Twice(), torch.randn(2, 2, 4, 4), lambda output: output.square().sum())
    for name in ("conv[1]", "conv[2]"):
        close(explain_unit(observation, name, (0, 1, 2, 2)))
        close(explain_message(observation, name, (0, 1, 2, 2)))
    close(explain_gradient(observation, "conv", "weight", (0, 1, 1, 1)))
    assert len(explain_gradient(observation, "conv", "bias", 0).terms.values) == 2 * 2 * 16
    for name in ("left", "right"):
        close(explain_gradient(observation, name, "weight", (0, 1)))
    with pytest.raises(
        InputError, match=r"layer: 'conv' was called several times; name one call, for example conv\[1\]"
    ):
        explain_unit(observation, "conv", (0, 0, 0, 0))


def test_a_sequential_with_one_module_in_two_places() -> None:
    torch.manual_seed(0)
    relu = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(1, 2, 3), relu, nn.Conv2d(2, 2, 3), relu)
    observation = observe(
        nn.Sequential(OrderedDict(body=network)), torch.randn(1, 1, 7, 7), lambda output: output.sum()
    )
    for row in range(3):
        explanation = explain_unit(observation, "body", (0, 0, row, row))
        assert explanation.value == observation.layers["body"].output[0, 0, row, row]
        close(explanation)


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised when it computes: none of the plain kind."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, (self.weight - self.weight.mean()) / self.weight.std(), self.bias)


class Doubled(nn.Sequential):
    """A Sequential that is none."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Standardised(2, 3, 3), (1, 2, 5, 5)),
        (Doubled(nn.Conv2d(2, 3, 3), nn.ReLU()), (1, 2, 5, 5)),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.Dropout(0.5)).train(), (1, 2, 5, 5)),
        (nn.RReLU().train(), (2, 3, 4)),
        (nn.AlphaDropout(0.3).train(), (2, 6)),
        (nn.Linear(4, 3), (2, 5, 4)),
        (nn.AvgPool2d(2, divisor_override=3), (1, 2, 4, 4)),
        (nn.PReLU(), (2, 1, 3)),
        (nn.GRUCell(3, 3), (2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_modules_that_are_not_what_they_seem(module: nn.Module, shape: tuple[int, ...]) -> None:
    """They are explained by their derivatives, random numbers drawn again included."""
    torch.manual_seed(3)
    network = nn.Sequential(OrderedDict(before=nn.Identity(), layer=module))
    network.train(module.training)
    observation = observe(network, torch.randn(shape), lambda output: output.square().sum())
    check(observation, "layer")


def test_unbatched_images_are_not_taken_for_one_axis() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(OrderedDict(pool=nn.MaxPool2d(2), flat=nn.Flatten(0)))
    observation = observe(network, torch.randn(3, 6, 6))
    close(explain_unit(observation, "pool", (1, 2, 2)))


def test_weights_are_those_of_the_moment() -> None:
    layer = nn.Linear(3, 2).double()
    observation = observe(nn.Sequential(OrderedDict(fc=layer)), torch.randn(1, 3).double())
    before = explain_unit(observation, "fc", (0, 0))
    with torch.no_grad():
        layer.weight.mul_(2)
    after = explain_unit(observation, "fc", (0, 0))
    assert before.terms.weights.tolist() == after.terms.weights.tolist()
    assert after.terms.sum == pytest.approx(after.value)


def test_a_network_that_writes_into_what_it_still_reads_is_refused() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return y + self.relu(y)  # type: ignore[no-any-return]

    network = Shared()
    with torch.no_grad():
        network.conv.weight.fill_(1.0)
        network.conv.bias.zero_()  # type: ignore[union-attr]
    with pytest.raises(InputError, match="network: gives something else when observed"):
        observe(network, torch.linspace(-1, 1, 16).view(1, 1, 4, 4))


def test_what_values_and_weights_are_is_said() -> None:
    torch.manual_seed(0)
    network = create("resnet20").eval()
    observation = observe(network, torch.randn(2, 3, 32, 32), lambda logits: logits.square().sum())
    explanation = explain_unit(observation, "stages.stage1.block1", (0, 0, 3, 3))
    assert (explanation.kind, explanation.values_from, len(explanation.terms.values)) == (
        "residual",
        "outputs of body, shortcut",
        2,
    )
    explanation = explain_gradient(observation, "stem.1", "weight", 3)
    assert (explanation.values_from, explanation.weights_from) == ("message", "normalised input")
    assert explanation.terms.values[0] == pytest.approx(float(observation.layers["stem.1"].message[0, 3, 0, 0]))  # type: ignore[index]
    explanation = explain_gradient(observation, "stem.0", "weight", (0, 0, 0, 0))
    assert (explanation.values_from, explanation.weights_from) == ("input", "message")
    explanation = explain_unit(observation, "stem", (0, 0, 0, 0))
    assert (explanation.layer, explanation.kind, explanation.weights_from) == ("stem.2", "relu", "gate")
    assert explanation.value == float(observation.layers["stem"].output[0, 0, 0, 0])


def test_tokens_have_no_messages() -> None:
    network = nn.Sequential(OrderedDict(words=nn.Embedding(7, 4), conv=nn.Conv1d(5, 2, 3)))
    observation = observe(network, torch.tensor([[1, 2, 3, 4, 5]]), lambda output: output.square().sum())
    close(explain_unit(observation, "conv", (0, 1, 1)))
    close(explain_message(observation, "conv", (0, 1, 1)))
    close(explain_unit(observation, "words", (0, 1, 1)))
    close(explain_gradient(observation, "words", "weight", (2, 1)))
    with pytest.raises(InputError, match="loss: no message reaches words"):
        explain_message(observation, "words", (0, 1))


BAD: list[tuple[Any, str]] = [
    (
        lambda o: explain_unit(o, "stem.0", (0, 16, 0, 0)),
        "unit: (0, 16, 0, 0) is not an index of a tensor of shape (1, 16,",
    ),
    (lambda o: explain_unit(o, "stem.0", (0, 0)), "unit: (0, 0) is not an index of a tensor of shape (1, 16, 32, 32)"),
    (lambda o: explain_unit(o, "stem.00", (0,)), "layer: there is no layer 'stem.00' (did you mean 'stem.0'"),
    (lambda o: explain_message(o, "stem.0", (0, 0, 0, 0)), "loss: the network was observed without a loss"),
    (lambda o: explain_gradient(o, "stem.0", "weight", (0, 0, 0, 0)), "loss: the network was observed without a loss"),
    (lambda o: explain_gradient(o, "stem.0", "bias", (0,)), "parameter: stem.0 has no parameter 'bias' of its own"),
]


@pytest.mark.parametrize(("ask", "line"), BAD, ids=itertools.count())
def test_bad_input_is_told_in_one_line(ask: Any, line: str) -> None:
    observation = observe(create("resnet20").eval(), torch.zeros(1, 3, 32, 32))
    with pytest.raises(InputError) as caught:
        ask(observation)
    assert str(caught.value).startswith(line)


def test_a_loss_is_one_number() -> None:
    network, images = create("resnet20").eval(), torch.zeros(1, 3, 32, 32)
    with pytest.raises(InputError, match=r"loss: must be one number, got shape \(1, 10\)"):
        observe(network, images, lambda logits: logits)
    with pytest.raises(InputError, match="loss: must be computed from the output, with its gradient"):
        observe(network, images, lambda logits: logits.detach().sum())
    observation = observe(network, images, lambda logits: logits[0, 0])
    assert explain_message(observation, "head.logits", (0, 0)).value == pytest.approx(
        float(network.head.logits.weight[0, 0].detach())  # type: ignore[union-attr,index]
    )
