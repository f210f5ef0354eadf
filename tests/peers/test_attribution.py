"""Attributions as Captum and pytorch-grad-cam compute them, where those are right, and where they are not."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.explain.attribution import gradients
from convworks.explain.attribution.cam import weighted_maps
from convworks.explain.attribution.integrated import integrate
from convworks.explain.attribution.occlusion import occlusion
from convworks.explain.attribution.target import Target

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # Captum warns of what it sets by itself
CLOSE = 1e-4
CLASS = 3
TARGET = Target(name="class 3", channels=torch.tensor([CLASS]))


@pytest.fixture(params=["resnet50", "vgg16"])
def network(request: pytest.FixtureRequest, randomised: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Give a network of torchvision in which modules work in place, and ResNet's ReLU is called several times."""
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(0)
    made = randomised(getattr(models, request.param)(num_classes=10)).eval()
    return made


@pytest.fixture
def images() -> Tensor:
    return torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def last_layer(network: Any) -> str:
    return "layer4" if hasattr(network, "layer4") else "features.29"


def agree(ours: Tensor, theirs: Tensor) -> bool:
    """Say whether two attributions differ by no more than 1e-4 of the largest value."""
    return bool((ours - theirs).abs().max() <= CLOSE * theirs.abs().max())


def test_gradients(network: nn.Module, images: Tensor) -> None:
    captum = importlib.import_module("captum.attr")
    saliency = captum.Saliency(network).attribute(images, target=CLASS, abs=False)
    assert agree(gradients.gradient(network, images, TARGET), saliency)
    product = captum.InputXGradient(network).attribute(images.clone().requires_grad_(), target=CLASS)
    assert agree(gradients.gradient_times_input(network, images, TARGET), product)
    integral = captum.IntegratedGradients(network).attribute(images, target=CLASS, n_steps=16, method="riemann_middle")
    assert agree(integrate(network, images, TARGET, most=16).values, integral)


def test_occlusion(network: nn.Module, images: Tensor) -> None:
    theirs = (
        importlib.import_module("captum.attr")
        .Occlusion(network)
        .attribute(images, target=CLASS, sliding_window_shapes=(3, 16, 16), strides=(3, 16, 16), baselines=0)
    )
    assert agree(occlusion(network, images, TARGET, window=16, step=16), theirs[:, 0])


def test_grad_cam(network: nn.Module, images: Tensor) -> None:
    layer = network.get_submodule(last_layer(network))
    (weighted,) = weighted_maps(network, images, TARGET, [last_layer(network)])
    ours = weighted.relu()
    captum = importlib.import_module("captum.attr").LayerGradCam(network, layer)
    assert agree(ours, captum.attribute(images, target=CLASS, relu_attributions=True)[:, 0])
    library = importlib.import_module("pytorch_grad_cam")
    target = importlib.import_module("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget(CLASS)
    theirs = torch.from_numpy(library.GradCAM(network, [layer])(images, [target]))
    assert agree(scaled(F.interpolate(scaled(ours)[None], (64, 64), mode="bilinear")[0]), theirs)


def scaled(maps: Tensor) -> Tensor:
    """Return maps from 0 to 1, as pytorch-grad-cam gives them before and after enlarging."""
    return (maps - maps.amin()) / (1e-7 + (maps - maps.amin()).amax())


class Twice(nn.Module):
    """Two convolutions with ReLU, and logits; `relu` is called after each."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution1, self.convolution2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)
        self.relu1, self.relu2 = first, second
        self.logits = nn.Linear(64, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu2(self.convolution2(self.relu1(self.convolution1(images))))
        return self.logits(x.flatten(1))  # type: ignore[no-any-return]


class Function(nn.Module):
    """ReLU as a function, which no hook on modules of type nn.ReLU sees."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


def reused(**options: bool) -> nn.Module:
    module = nn.ReLU(**options)
    return Twice(module, module)


#: The same network, by how its ReLU is written, and which libraries explain it right by guided backpropagation.
WRITTEN: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "a module for each call": (lambda: Twice(nn.ReLU(), nn.ReLU()), ("captum", "pytorch-grad-cam")),
    "modules in place": (lambda: Twice(nn.ReLU(True), nn.ReLU(True)), ("captum", "pytorch-grad-cam")),
    "one module for all": (reused, ("captum", "pytorch-grad-cam")),
    "one module in place": (lambda: reused(inplace=True), ("captum", "pytorch-grad-cam")),
    "a function": (lambda: Twice(Function(), Function()), ()),
}


def captum(network: nn.Module, image: Tensor) -> Tensor:
    result: Tensor = importlib.import_module("captum.attr").GuidedBackprop(network).attribute(image, target=CLASS)
    return result


def pytorch_grad_cam(network: nn.Module, image: Tensor) -> Tensor:
    library = importlib.import_module("pytorch_grad_cam")
    model = library.GuidedBackpropReLUModel(model=network, device=torch.device("cpu"))
    result = model(image.float(), target_category=CLASS)
    return torch.from_numpy(result).permute(2, 0, 1)[None].double()


PEERS = {"captum": captum, "pytorch-grad-cam": pytorch_grad_cam}


@pytest.mark.parametrize("written", WRITTEN)
def test_guided_backpropagation_however_relu_is_written(written: str) -> None:
    """Ours is the same in every row: by the definition, which is in tests/explain/attribution/test_oracles.py."""
    make, right = WRITTEN[written]
    image = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = gradients.guided_backpropagation(WRITTEN["a function"][0]().double(), image, TARGET)
    assert torch.equal(gradients.guided_backpropagation(make().double(), image, TARGET), expected)
    agreeing = []
    for name, attribute in PEERS.items():
        network = make() if name == "pytorch-grad-cam" else make().double()
        try:
            if agree(expected, attribute(network, image)):
                agreeing.append(name)
        except Exception:  # a peer that refuses a network is not right either
            continue
    assert tuple(agreeing) == right


@pytest.mark.parametrize("name", PEERS)
def test_peers_give_the_plain_gradient_where_relu_is_a_function(name: str) -> None:
    network = WRITTEN["a function"][0]()
    image = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    actual = PEERS[name](network if name == "pytorch-grad-cam" else network.double(), image)
    assert agree(gradients.gradient(WRITTEN["a function"][0]().double(), image, TARGET), actual)
