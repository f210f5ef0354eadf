"""Images by gradient steps: preferred ones, and inversions; the plane of an embedding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from convworks.errors import InputError
from convworks.explain.features.embedding import principal, tsne
from convworks.explain.features.invert import invert
from convworks.explain.features.layer import layer_at
from convworks.explain.features.maximise import central, maximise
from convworks.explain.features.priors import Spectrum, total_variation
from convworks.layers.network import Network


def plain(images: torch.Tensor) -> torch.Tensor:
    return images - 0.5


@pytest.fixture
def network() -> Network:
    """Give a network with a detector of vertical edges, one of bright spots, and one that never fires."""
    conv = nn.Conv2d(1, 3, 5, padding=2)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, :, :2], conv.weight[0, 0, :, 3:] = -1.0, 1.0
        conv.weight[1, 0, 2, 2] = 1.0
        conv.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))  # type: ignore[union-attr]
    stem = nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU()))
    return Network(stem=stem, stages={"same": nn.Identity()}, head=nn.Flatten())


def test_preferred_images_and_a_unit_that_never_fires(network: Network) -> None:
    preferred = maximise(network, layer_at(network, "stem"), [0, 1, 2], plain, (1, 12, 12), steps=60)
    assert preferred.fires.tolist() == [True, True, False]
    assert preferred.responses[0] > 5 * preferred.before[0].clamp_min(0.01)
    assert preferred.responses[0] > 8  # of 10, with edges of full contrast
    assert preferred.images[0, 0, 4:9, 4:6].mean() < 0.2
    assert preferred.images[0, 0, 4:9, 7:9].mean() > 0.8
    assert preferred.images[1, 0, 6, 6] > 0.9
    again = maximise(network, layer_at(network, "stem"), [0, 1, 2], plain, (1, 12, 12), steps=60)
    assert torch.equal(preferred.images, again.images)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_a_unit_that_needs_contrast_is_reached(network: Network) -> None:
    """Faint noise leaves it below 0, where there is nothing to climb."""
    network.stem.conv.bias.data[0] = -2.0  # type: ignore[union-attr, operator]
    preferred = maximise(network, layer_at(network, "stem"), [0, 1], plain, (1, 12, 12), steps=30)
    assert preferred.fires.tolist() == [True, True]
    assert (preferred.responses > preferred.before).all()


def test_what_surrounds_the_pixels_of_a_unit_does_not_make_its_image_rougher() -> None:
    """The smoothing is over what the unit sees; as a mean over all, it lets the same unit's image be twice as rough."""
    kernel = torch.randn(1, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    conv = nn.Conv2d(1, 1, 7, padding=3, bias=False)
    conv.weight = nn.Parameter(kernel)  # of noise, with a faint edge
    with torch.no_grad():
        conv.weight[..., 4:] += 0.5
        conv.weight[..., :3] -= 0.5
    network = Network(stem=conv, stages={"same": nn.Identity()}, head=nn.Flatten())

    def roughness(side: int) -> float:
        images = maximise(network, layer_at(network, "stem"), [0], plain, (1, side, side), steps=100).images
        middle = images[:, :, side // 2 - 3 : side // 2 + 4, side // 2 - 3 : side // 2 + 4]
        return float(total_variation(middle))

    assert roughness(16) < 1.5 * roughness(8)


class Narrow(nn.Module):
    """Fires for images whose mean is within 0.01 of 0.5, strongest below it."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3), keepdim=True)
        return torch.where(mean.abs() < 0.01, 1 - 10 * mean, -1 - mean).relu()


def test_a_unit_that_fired_on_the_way_is_not_said_to_be_silent() -> None:
    """The first step of the climb leaves the slope, and beyond it there is no gradient."""
    network = Network(stem=Narrow(), stages={"same": nn.Identity()}, head=nn.Linear(1, 1))
    preferred = maximise(network, layer_at(network, "stem"), [0], lambda images: images - 0.5, (1, 8, 8), steps=30)
    assert preferred.before[0] > 0
    assert preferred.fires.tolist() == [True]
    torch.testing.assert_close(network.stem(preferred.images - 0.5).flatten(), preferred.responses)
    assert preferred.responses[0] > preferred.before[0]  # it went back, and climbed on by smaller steps


def test_the_central_unit_of_maps_and_of_vectors() -> None:
    outputs = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).float()
    assert torch.equal(central(outputs), outputs[:, :, 2, 2])
    assert torch.equal(central(outputs[..., 0, 0]), outputs[..., 0, 0])


def test_an_inversion_has_the_activations_and_lacks_what_the_layer_does_not_keep() -> None:
    """Below a layer that averages 4x4 pixels, the averages come back, and the noise within them does not."""
    coarse = torch.zeros(1, 1, 4, 4)
    coarse[..., 1:3, 1:3] = 0.6
    clean = nn.functional.interpolate(coarse + 0.2, scale_factor=4.0)
    image = clean + 0.15 * torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    network = Network(stem=nn.AvgPool2d(4), stages={"same": nn.Identity()}, head=nn.Flatten())
    image = image.clamp(0, 1)
    inverted = invert(network, layer_at(network, "stem"), image, plain, steps=150)
    assert inverted.errors[0] < 0.01
    torch.testing.assert_close(network.stem(inverted.images), network.stem(image), atol=0.05, rtol=0)
    assert total_variation(inverted.images) < 0.5 * total_variation(image)


def test_total_variation_is_the_definition() -> None:
    images = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = images.numpy()
    for beta in (2.0, 1.0):
        squares = np.zeros_like(x)
        squares[..., :-1, :] += (x[..., 1:, :] - x[..., :-1, :]) ** 2
        squares[..., :-1] += (x[..., 1:] - x[..., :-1]) ** 2
        expected = (squares ** (beta / 2)).reshape(2, -1).mean(1)
        np.testing.assert_allclose(total_variation(images, beta).numpy(), expected, atol=1e-3 if beta == 1 else 1e-12)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_a_spectrum_gives_images_of_its_size(size: tuple[int, int]) -> None:
    images = Spectrum((2, 3, *size), torch.Generator().manual_seed(0)).images()
    assert images.shape == (2, 3, *size)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_plane_of_principal_components_is_scikit_learn_s() -> None:
    features = np.random.default_rng(0).normal(size=(60, 7)) @ np.diag([5, 3, 1, 1, 1, 1, 1])
    embedded, model = principal(features), PCA(2).fit(features)
    np.testing.assert_allclose(np.abs(embedded.points), np.abs(model.transform(features)), atol=1e-9)
    np.testing.assert_allclose(embedded.variance, model.explained_variance_ratio_, atol=1e-12)


@pytest.mark.parametrize("method", [principal, partial(tsne, seed=0)])
def test_vectors_that_are_all_the_same_have_no_plane(method: Callable[[np.ndarray], Any]) -> None:
    with pytest.raises(InputError, match="the features of all images are the same"):
        method(np.ones((20, 5), np.float32))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e25])
def test_planes_of_one_feature_of_any_scale(scale: float) -> None:
    features = (scale * np.random.default_rng(0).normal(size=(20, 1))).astype(np.float32)
    embedded = principal(features)
    np.testing.assert_allclose(np.abs(embedded.points[:, 0]), np.abs(features[:, 0] - features.mean()), rtol=1e-5)
    assert embedded.variance == (1.0,)
    assert embedded.trust == 1.0
    assert np.isfinite(tsne(features, seed=0).points).all()


def test_tsne_separates_clusters_and_repeats() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(30, 10)) + 8 * rng.normal(size=10) for _ in range(3)])
    embedded = tsne(features, seed=0)
    assert embedded.trust > 0.9
    np.testing.assert_array_equal(embedded.points, tsne(features, seed=0).points)
    groups = embedded.points.reshape(3, 30, 2)
    spread, middles = groups.std(1).mean(), groups.mean(1)
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * spread
