"""Each method against its definition: written by hand, by brute force, or as another method that it must equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_bundles import small_bundle
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.attribution.cam import cam, class_maps, grad_cam, weighted_maps
from convworks.explain.attribution.gradients import (
    deconvnet,
    gradient,
    gradient_times_input,
    guided_backpropagation,
    smoothgrad,
)
from convworks.explain.attribution.integrated import integrate
from convworks.explain.attribution.occlusion import occlusion, windows
from convworks.explain.attribution.passes import outputs_of
from convworks.explain.attribution.promises import completeness, map_completeness, sensitivity
from convworks.explain.attribution.target import Target, class_target, unit_target
from convworks.explain.attribution.verdict import Verdict


def double(network: nn.Module) -> nn.Module:
    return network.double().eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(1)


def classes(*numbers: int) -> Target:
    return Target(name="classes", channels=torch.tensor(numbers))


class Small(nn.Module):
    """Convolution, ReLU, max pooling, convolution, ReLU, logits; all ReLUs are the same module or function."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 2)
        self.pool, self.logits = nn.MaxPool2d(2), nn.Linear(12, 3)
        self.relu = relu

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images [b 2 8 8]."""
        x = self.pool(self.relu(self.first(images)))
        x = self.relu(self.second(x))
        logits: Tensor = self.logits(x.flatten(1))
        return logits


def by_hand(network: Small, images: Tensor, number: int, *, own_gate: bool) -> Tensor:
    """Go back through `Small` step by step: positive numbers only, also where the input was if `own_gate`."""
    first = F.conv2d(images, network.first.weight, network.first.bias)
    pooled, switches = F.max_pool2d(first.clamp(min=0), 2, return_indices=True)
    second = F.conv2d(pooled, network.second.weight, network.second.bias)
    message = network.logits.weight[number].expand(len(images), -1).reshape(second.shape)

    def rectified(message: Tensor, before: Tensor) -> Tensor:
        positive = message.clamp(min=0)
        return positive * (before > 0) if own_gate else positive

    message = F.conv_transpose2d(rectified(message, second), network.second.weight)
    places = torch.zeros_like(first).flatten(2)  # max_unpool2d has no deterministic form
    message = places.scatter_(2, switches.flatten(2), message.flatten(2)).reshape(first.shape)
    return F.conv_transpose2d(rectified(message, first), network.first.weight)


ReLUs: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "one module for all": nn.ReLU,
    "one module, in place": lambda: nn.ReLU(inplace=True),
    "a function": lambda: F.relu,
    "a function in place": lambda: torch.relu_,
    "a method": lambda: Tensor.relu,
}


@pytest.mark.parametrize("relu", ReLUs.values(), ids=ReLUs)
@pytest.mark.parametrize(("method", "own_gate"), [(guided_backpropagation, True), (deconvnet, False)])
def test_rectifiers_pass_back_what_the_papers_say(
    relu: Callable[[], Callable[[Tensor], Tensor]], method: Callable[..., Tensor], own_gate: bool
) -> None:
    network = double(Small(relu()))
    images = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = by_hand(network, images, 1, own_gate=own_gate)  # type: ignore[arg-type]  # it is a Small
    actual = method(network, images, classes(1, 1, 1))
    assert float((actual - expected).abs().max()) < 1e-12
    assert float((actual - gradient(network, images, classes(1, 1, 1))).abs().max()) > 1e-3


def test_without_rectifiers_both_are_the_gradient() -> None:
    network = double(Small(nn.Identity()))
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    expected = gradient(network, images, classes(0, 2))
    assert torch.equal(deconvnet(network, images, classes(0, 2)), expected)
    assert torch.equal(guided_backpropagation(network, images, classes(0, 2)), expected)


def test_the_gradient_is_autograd_s_image_by_image() -> None:
    network = double(Small(nn.ReLU(inplace=True)))
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    for index, number in enumerate((2, 0)):
        pixels = images[index : index + 1].clone().requires_grad_()
        (expected,) = torch.autograd.grad(network(pixels)[0, number], pixels)
        assert torch.allclose(gradient(network, images, classes(2, 0))[index], expected[0], atol=1e-14)
    plain = gradient(network, images, classes(2, 0))
    assert torch.allclose(smoothgrad(network, images, classes(2, 0), spread=0.0), plain)
    assert float(sensitivity(network, images, classes(2, 0), plain).max()) < 1e-6


def test_gradient_times_input_adds_up_where_there_is_no_bias() -> None:
    network = double(Small(nn.ReLU()))
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    values = gradient_times_input(network, images, classes(1, 2))
    assert float(completeness(network, images, classes(1, 2), values).max()) < 1e-9


def test_integrated_gradients_are_complete() -> None:
    """Where the score bends on the path, and in one step where it is linear, from any baseline."""
    network, images = double(Small(nn.ReLU())), torch.randn(3, 2, 8, 8, dtype=torch.float64)
    integral = integrate(network, images, classes(0, 1, 2))
    errors = completeness(network, images, classes(0, 1, 2), integral.values)
    assert float(errors.max()) <= 1e-3
    assert max(integral.points) > 32
    few = integrate(network, images, classes(0, 1, 2), most=8)
    assert few.points == (8, 8, 8)
    assert torch.allclose(few.values, integral.values, atol=0.1)
    linear = double(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    image, baseline = torch.randn(2, 1, 3, 3, 4, dtype=torch.float64)[:, :, 0]
    exact = integrate(linear, image[:, None], classes(1), baseline=baseline[:, None])
    weights = linear[1].weight[1].reshape(3, 4)  # type: ignore[index]  # the linear layer
    assert torch.allclose(exact.values[0, 0], weights * (image - baseline)[0])
    assert exact.points == (32,)


def test_occlusion_is_what_brute_force_finds() -> None:
    network = double(Small(nn.ReLU()))
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    actual = occlusion(network, images, classes(1, 2), window=3, step=2)
    with torch.no_grad():
        for index, number in enumerate((1, 2)):
            falls, counts = np.zeros((8, 8)), np.zeros((8, 8))
            before = float(network(images[index : index + 1])[0, number])
            for top in (0, 2, 4, 5):
                for left in (0, 2, 4, 5):
                    occluded = images[index : index + 1].clone()
                    occluded[..., top : top + 3, left : left + 3] = 0
                    fall = before - float(network(occluded)[0, number])
                    falls[top : top + 3, left : left + 3] += fall
                    counts[top : top + 3, left : left + 3] += 1
            np.testing.assert_allclose(actual[index].numpy(), falls / counts, atol=1e-12)
    assert windows((5,), 9, 4) == [(slice(0, 9),)]


@pytest.mark.parametrize("name", ["resnet20", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_grad_cam_is_cam_where_the_head_is_linear(name: str) -> None:
    network = small_bundle(name, 64).network.double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    target = classes(1, 3)
    linear = class_maps(network, images, target)
    last = list(network.stages._modules)[-1]  # type: ignore[union-attr]
    (weighted,) = weighted_maps(network, images, target, [last])
    positions = linear.maps[0].numel()
    assert positions > 1
    assert torch.allclose(weighted * positions, linear.maps, atol=1e-9)
    enlarged = grad_cam(network, images, target, taps=[last])
    expected = F.interpolate(linear.maps[:, None], (64, 64), mode="bilinear")[:, 0]
    assert torch.allclose(cam(network, images, target), expected)
    assert torch.allclose(
        enlarged * positions, F.interpolate(linear.maps[:, None].relu(), (64, 64), mode="bilinear")[:, 0], atol=1e-9
    )
    assert float(map_completeness(network, images, target, expected).max()) < 1e-6


@pytest.mark.parametrize(
    ("name", "why"), [("lenet5", "120x1x1 values"), ("airbench94", "mean"), ("ensemble_best", "maps")]
)
def test_cam_needs_a_linear_head(name: str, why: str) -> None:
    from convworks.models.catalogue import create, facts

    shape = facts(name).shape
    with pytest.raises(InputError, match=f"needs a head that is linear in the mean.*{why}.*use grad-cam"):
        cam(create(name).eval(), torch.randn(1, shape.channels, *shape.size), classes(1))


def test_units_and_pixels() -> None:
    """A unit is one number of an activation, of one call where a module has several; a pixel one logit of a map."""
    network = double(Small(nn.ReLU(inplace=True)))
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    values = outputs_of(network, images, "second")
    assert float(values.min()) < 0  # as they were before the rectifier wrote over them
    target = unit_target("unit", (2, 1, 0), values, tap="second")
    assert torch.equal(target.score(values), values[:, 2, 1, 0])
    assert torch.equal(unit_target("map", (2,), values, tap="second").score(values), values[:, 2].mean((1, 2)))
    seen = gradient(network, images, target)
    assert seen[..., 0:6, 0:4].any()
    assert not seen[..., 6:].any()  # outside the receptive field
    with pytest.raises(InputError, match=r"relu is called 2 times; name one call, for example relu\[2\]"):
        outputs_of(network, images, "relu")
    assert torch.equal(outputs_of(network, images, "relu[2]"), values.clamp(min=0))
    logits = torch.tensor([[[[1.0, 5.0], [0.0, 0.0]], [[0.0, 6.0], [3.0, 4.0]]]])
    assert class_target("class b", 1, logits).score(logits).item() == pytest.approx(13 / 3)
    with pytest.raises(InputError, match=r"class a is predicted at no pixel of it\.png"):
        class_target("class a", 0, logits - 10 * torch.eye(2)[0].view(1, 2, 1, 1), ["it.png"])


def test_the_slope_of_a_small_logit_among_large_ones_is_measured() -> None:
    """In float32, the change of the small one would be of the size of the rounding."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 2)).eval()
    images = torch.randn(4, 3, 4, 4)
    target = classes(0, 0, 0, 0)
    with torch.no_grad():
        network.get_parameter("3.bias")[0] = 0
        network.get_parameter("1.bias").add_(1000)
        network.get_parameter("3.weight")[0] -= network.get_parameter("3.weight")[0].mean()
    values = gradient(network, images, target)
    assert float(outputs_of(network, images).abs().max()) > 100
    assert float(sensitivity(network, images, target, values).max()) < 1e-4
    assert float(sensitivity(network, images, target, 1.1 * values).min()) > 0.05


def test_a_broken_promise_is_not_kept() -> None:
    """A score that is not a number, one that returns to where it began, a gradient that is not there."""

    class There(nn.Module):
        """The sum of the pixels, but 0 where it is above 1: the path of an image climbs, and falls without a slope."""

        def forward(self, images: Tensor) -> Tensor:
            total = images.flatten(1).sum(1, keepdim=True)
            return total * (total <= 1)

    images = torch.ones(2, 1, 2, 2)
    values = integrate(There(), images, classes(0, 0)).values
    assert float(values.sum()) > 0
    assert completeness(There(), images, classes(0, 0), values).tolist() == [float("inf")] * 2
    assert completeness(There(), images, classes(0, 0), 0 * values).tolist() == [0, 0]
    broken = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    nn.init.constant_(broken.get_parameter("1.bias"), float("nan"))
    for promise in (completeness, sensitivity):
        assert bool(promise(broken, images, classes(0, 0), values).isnan().all())
    nn.init.zeros_(broken.get_parameter("1.bias"))
    nn.init.zeros_(broken.get_parameter("1.weight"))
    assert sensitivity(broken, images, classes(0, 0), 0 * values).tolist() == [0, 0]
    for error in (float("nan"), float("inf")):
        assert not Verdict(promised="completeness", error=error).kept
