"""One contract for every network of the catalogue."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from thorough import shallow_first

from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models import FAMILIES, NAMES
from convworks.models.analysis.count import count, count_published
from convworks.models.analysis.describe import describe
from convworks.models.analysis.meta import without_values
from convworks.models.catalogue import Shape, create, example, facts, row
from convworks.models.config import ModelConfig

#: Classifiers of images; the others have their contract in test_tasks.py.
IMAGES = [name for name in NAMES if facts(name).makes == "logits" and facts(name).reads == "images"]
#: Quick to run with real values; the rest differ in depth or width only, and are run by `make test-slow`.
SMALL = [
    *("lenet5", "lenet5_modern", "airbench94", "ensemble_best"),
    *("convnet_digits", "convnet_fast", "convnet_accurate", "convnet_color", "convnet_photo"),
    *("resnet18", "resnet20", "plain20", "googlenet", "bn_inception"),
]
EVERY = [pytest.param(name, marks=[] if name in SMALL else [pytest.mark.slow]) for name in IMAGES]
BATCH = 2
counted = cache(count_published)

#: Parameters, and multiply-adds: exact, or in units of 10^6 where only so many digits are known.
PUBLISHED: dict[str, tuple[int, int | None]] = {
    "lenet5": (60_000, None),
    "alexnet": (60_965_224, 724_406_816),
    "alexnet_torchvision": (61_100_840, 714_188_480),
    "vgg_a": (132_863_336, 7_609),
    "vgg_b": (133_047_848, 11_308),
    "vgg_c": (133_638_952, 11_771),
    "vgg_d": (138_357_544, 15_470),
    "vgg_e": (143_667_240, 19_632),
    "googlenet": (6_998_552, 1_583),
    "googlenet_torchvision": (6_624_904, 1_498),
    "inception_v3": (23_834_568, 5_713),
    "resnet18": (11_689_512, 1_814),
    "resnet34": (21_797_672, 3_664),
    "resnet50": (25_557_032, 3_858),
    "resnet101": (44_549_160, 7_570),
    "resnet152": (60_192_808, 11_282),
    "resnet50_v1_5": (25_557_032, 4_089),
    "resnet101_v1_5": (44_549_160, 7_801),
    "resnet152_v1_5": (60_192_808, 11_514),
    "resnet20": (269_722, 40_551_040),
    "resnet32": (464_154, None),
    "resnet44": (658_586, None),
    "resnet56": (853_018, 125_485_696),
    "resnet110": (1_727_962, None),
    "resnet1202": (19_421_274, None),
    "unet": (31_030_658, None),
    "prior_denoise": (2_217_831, None),
    "prior_inpaint": (3_002_627, None),
    "prior_jpeg": (572_827, None),
}


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("lenet5", 10 * 84),
        ("textcnn_static", 18_766 * 300),
        ("textcnn_multichannel", 18_766 * 300),
        ("airbench94", 24 * 3 * 2 * 2 + 1152),
        ("googlenet", 0),
        ("resnet20", 0),
    ],
)
def test_what_is_not_trained_counts_in_the_total(name: str, fixed: int) -> None:
    count_result = counted(name)
    assert count_result.total - count_result.parameters == fixed
    assert describe(name).total_parameters == count_result.total


def settled(name: str) -> Network:
    """Return a network; one of 1202 layers with the statistics of a batch, without which its maps overflow."""
    network = create(name)
    if "1202" in name:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            network.train()(example(name, batch=8))
    return network


def test_names_are_the_rows_of_the_tables() -> None:
    for family, names in FAMILIES.items():
        module = importlib.import_module(f"convworks.models.{family}")
        assert tuple(module.ROWS) == tuple(module.FACTS) == names


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_equal_the_published_ones(name: str) -> None:
    parameters, macs = PUBLISHED[name]
    count_result = counted(name)
    assert count_result.parameters == parameters
    if macs is not None:
        assert (count_result.macs if macs > 100_000 else round(count_result.macs / 1e6)) == macs


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_plain_twins_have_the_parameters_of_their_residual_network(depth: int) -> None:
    assert counted(f"plain{depth}") == counted(f"resnet{depth}")


@pytest.mark.parametrize("name", [each for each in EVERY if "1202" not in str(each.values)])
def test_layers_add_up(name: str) -> None:
    rows, total = describe(name, batch=2).layers, counted(name)
    assert sum(layer.parameters for layer in rows) == total.parameters
    assert sum(layer.macs for layer in rows) == total.macs


@pytest.mark.parametrize("name", shallow_first(IMAGES))
def test_logits_for_any_classes_channels_and_larger_or_oblong_images(name: str) -> None:
    height, width = facts(name).shape.size
    for classes, channels, size in ((2, 1, (height, width)), (37, 5, (height + 7, width + 2))):
        shape = Shape(classes=classes, channels=channels, size=size)
        with without_values():
            assert create(name, shape).eval()(example(name, shape)).shape == (1, classes)


@pytest.mark.parametrize("name", EVERY)
def test_real_values(name: str) -> None:
    """Training, gradients for every parameter, repeatable evaluation, a batch of one, bfloat16, channels last."""
    torch.manual_seed(0)
    network, images = settled(name), example(name, batch=BATCH)
    if name == "plain1202":  # beyond single precision: what residual connections are for
        network, images = network.double(), images.double()
    logits, auxiliary = network.train().outputs(images)
    loss = torch.stack([F.cross_entropy(each, torch.tensor([0, 1])) for each in (logits, *auxiliary.values())]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter, value in network.named_parameters():
        assert (value.grad is not None) is value.requires_grad, parameter
        assert value.grad is None or value.grad.abs().sum() > 0, parameter
        value.grad = None
    # Its logits, too, depend on the last bit of what it computes: only that they can be computed is checked.
    tolerance = float("inf") if name == "plain1202" else 1e-3
    with torch.no_grad():
        expected = network.eval()(images)
        assert torch.equal(network(images), expected)
        scale = float(expected.abs().max())
        torch.testing.assert_close(network(images[:1]), expected[:1], rtol=1e-3, atol=tolerance * scale)
        last = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(network.channels_last()(last), expected, rtol=1e-3, atol=tolerance * scale)
        with torch.autocast("cpu", torch.bfloat16):
            assert network(last).isfinite().all()
        activations = network.activations(images, network.taps)
    assert list(activations) == list(network.taps)
    torch.testing.assert_close(activations["head"], expected, rtol=1e-3, atol=tolerance * scale)


@pytest.mark.parametrize("name", EVERY)
def test_a_bundle_gives_the_same_network(name: str, tmp_path: Path) -> None:
    shape = facts(name).shape
    network, images = settled(name).eval().channels_last(), example(name)
    half = (0.5,) * shape.channels
    size = (shape.size[0], shape.size[1])
    given = Preprocessing(size=size, channels=shape.channels, fit="crop", mean=half, std=half)
    names = tuple(map(str, range(shape.classes)))
    model = ModelConfig(name=name)
    save_bundle(tmp_path / "b", Bundle(network=network, model=model, preprocessing=given, classes=names, record={}))
    with torch.no_grad():
        torch.testing.assert_close(load_bundle(tmp_path / "b").network(images), network(images))


@pytest.mark.parametrize("name", EVERY)
def test_export(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter warns about itself
        network, images = settled(name).eval(), example(name)
        exported = torch.export.export(network, (images,)).module()
        torch.testing.assert_close(exported(images), network(images))


def test_the_same_seed_gives_the_same_network() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create("resnet20").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_unknown_tap_lists_the_taps() -> None:
    network = create("lenet5")
    with pytest.raises(InputError, match=r"'c4'.*s2"):
        network.activations(torch.randn(1, 1, 32, 32), ["c4"])


def test_a_batch_of_one_that_cannot_be_trained_says_so() -> None:
    with pytest.raises(InputError, match=r"batch: inception_v3 .* one image.*2 or more"):
        describe("inception_v3", batch=1)


def test_an_image_too_small_says_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"20x20.*at least 32x32"):
        create("lenet5", Shape(classes=10, channels=1, size=(20, 20)))


def test_a_table_field_can_be_replaced_and_an_unknown_one_is_refused() -> None:
    assert row("resnet20", {"widths": (8, 16, 32)}).widths == (8, 16, 32)
    thin = create("resnet20", table={"widths": (8, 16, 32)})
    assert count(thin, torch.zeros(1, 3, 32, 32)).parameters < 100_000
    with pytest.raises(InputError, match=r"model\.table\.width.*widths"):
        create("resnet20", table={"width": 3})


def test_an_unknown_network_names_its_neighbours() -> None:
    with pytest.raises(InputError, match=r"resnet21.*resnet20"):
        create("resnet21")
