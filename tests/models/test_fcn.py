"""Fully convolutional networks: counts by hand, and the classifier that is still in them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from convworks.errors import InputError
from convworks.layers.fully_convolutional import fully_convolutional
from convworks.layers.network import Network
from convworks.layers.rise import Fuse
from convworks.models.analysis.count import count_published
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create
from convworks.models.transfer.adapted import adapt
from convworks.models.transfer.dense import dense_cut
from convworks.models.transfer.head_config import DenseHead, FCN8sHead, FCN16sHead, FCN32sHead, PixelHead, UNetHead

#: Convolutions, the two hidden layers, 21 scores of each; of each further scale its scores and an up-convolution.
CONVOLUTIONS, HIDDEN6, HIDDEN7 = 14_714_688, 512 * 7 * 7 * 4096 + 4096, 4096 * 4096 + 4096
SCORES, UP = {4096: 4096 * 21 + 21, 512: 512 * 21 + 21, 256: 256 * 21 + 21}, 21 * 21 * 4 * 4
FCN32S = CONVOLUTIONS + HIDDEN6 + HIDDEN7 + SCORES[4096]
PARAMETERS = {
    "fcn32s": FCN32S,
    "fcn16s": FCN32S + SCORES[512] + UP,
    "fcn8s": FCN32S + SCORES[512] + SCORES[256] + 2 * UP,
}
THIN: dict[str, Any] = {"widths": (4, 6, 8, 10, 12), "hidden": (16, 14)}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_vgg16(name: str) -> None:
    assert count_published(name).parameters == PARAMETERS[name]
    assert PARAMETERS["fcn32s"] == 134_346_581


def test_the_receptive_field_and_stride_of_table_1() -> None:
    with torch.device("meta"):
        fields = receptive_fields(create("fcn32s"), 3, (500, 500))
    assert [(field.size, int(field.stride)) for field in fields["head.hidden7"]] == [(404, 32)] * 2


def vgg() -> Network:
    torch.manual_seed(0)
    return create("vgg_a", Shape(classes=5, channels=3, size=(224, 224)), table=THIN).eval()


@pytest.mark.parametrize("head", [FCN32sHead(), FCN16sHead(), FCN8sHead(), PixelHead()])
def test_the_scores_of_the_coarsest_map_are_the_hidden_layers_of_the_classifier(head: DenseHead) -> None:
    classifier, images = vgg(), torch.randn(2, 3, 224, 224)
    dense = adapt(classifier, dense_cut(classifier, head), head, Shape(classes=5, channels=3, size=(224, 224))).eval()
    with torch.no_grad():
        expected = classifier.activations(images, ["head.dropout7"])["head.dropout7"]
        actual = dense.activations(images, ["head.dropout7"])["head.dropout7"]
        assert actual.shape[2:] == (7, 7), "the map is padded"
        torch.testing.assert_close(actual[:, :, 3, 3], expected)
        # With the classifier's own logits, too, the centre of the map is what the classifier answers.
        dense.get_parameter("head.logits.weight").copy_(
            classifier.get_parameter("head.logits.weight")[:, :, None, None]
        )
        dense.get_parameter("head.logits.bias").copy_(classifier.get_parameter("head.logits.bias"))
        logits = dense.activations(images, ["head.logits"])["head.logits"]
        torch.testing.assert_close(logits[:, :, 3, 3], classifier(images))
        assert fully_convolutional(classifier, 3, (224, 224))(torch.randn(1, 3, 288, 224)).shape[2:] == (3, 1)
    with pytest.raises(InputError, match="network: scores every pixel already"):
        fully_convolutional(dense, 3, (224, 224))


def test_fcn8s_is_what_the_paper_draws() -> None:
    head, size = FCN8sHead(), (70, 101)  # no multiples of 32: rounded up, and cut at the end
    classifier = vgg()
    network = adapt(classifier, dense_cut(classifier, head), head, Shape(classes=5, channels=3, size=size)).eval()
    images = torch.randn(1, 3, *size)
    taps = ["stage3", "stage4", "head.logits"]
    with torch.no_grad():
        weights = dict(network.head.named_parameters())
        weights["fuse16.up.weight"].normal_()
        weights["fuse8.up.weight"].normal_()
        pool3, pool4, scores = network.activations(images, taps).values()
        assert (pool3.shape[2:], pool4.shape[2:], scores.shape[2:]) == ((9, 13), (5, 7), (3, 4))
        for part, finer in (("fuse16", pool4), ("fuse8", pool3)):
            up = F.conv_transpose2d(scores, weights[f"{part}.up.weight"], stride=2, padding=1)
            own = F.conv2d(finer, weights[f"{part}.score.weight"], weights[f"{part}.score.bias"])
            scores = up[:, :, : finer.shape[2], : finer.shape[3]] + own
        expected = F.interpolate(scores, scale_factor=8, mode="bilinear")[:, :, :70, :101]
        torch.testing.assert_close(network(images), expected)


def test_an_up_convolution_starts_as_bilinear_interpolation() -> None:
    fuse, x = Fuse(3, 2), torch.randn(1, 3, 6, 5)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(fuse.up(x)[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])


def test_a_classifier_keeps_its_own_pooling_and_its_weights_are_shared() -> None:
    classifier = vgg()
    before = copy.deepcopy(classifier)
    shape = Shape(classes=2, channels=3, size=(224, 224))
    network = adapt(classifier, "stage5", UNetHead(widths=(4, 4)), shape)
    assert not any(getattr(module, "ceil_mode", False) for module in classifier.modules())
    assert network.get_parameter("stem.conv.weight") is classifier.get_parameter("stem.conv.weight")
    images = torch.randn(1, 3, 230, 225)
    torch.testing.assert_close(classifier(images), before(images))


@pytest.mark.parametrize(("name", "side"), [("resnet20", 32), ("lenet5", 32), ("airbench94", 32), ("alexnet", 67)])
def test_any_classifier_scores_every_pixel(name: str, side: int) -> None:
    channels = 1 if name == "lenet5" else 3
    shape = Shape(classes=3, channels=channels, size=(side, side))
    images = torch.randn(1, channels, side + 5, side + 2)
    table = {"hidden": (8, 8)} if name == "alexnet" else None
    for head in (PixelHead(), UNetHead(widths=(4,)), FCN32sHead(), FCN16sHead()):
        classifier = create(name, shape, table=table)
        network = adapt(classifier, dense_cut(classifier, head), head, shape).eval()
        assert network(images).shape == (1, 3, *images.shape[2:]), head


def test_a_head_that_does_not_fit_says_why() -> None:
    shape = Shape(classes=3, channels=1, size=(8, 8))
    few = create("convnet_digits", shape)
    with pytest.raises(InputError, match=r"--head: fcn8s adds scores of 2 finer scales, but the strides"):
        adapt(few, dense_cut(few, FCN8sHead()), FCN8sHead(), shape)
    code = create("autoencoder_fc_deep", Shape(classes=1, channels=1, size=(12, 12)))
    with pytest.raises(InputError, match=r"model.cut: .*: it is made for one size"):
        adapt(code, "encoder", UNetHead(), shape)
