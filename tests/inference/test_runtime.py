"""A runtime computes what the network does, in its precision, and leaves the network as it was."""

from __future__ import annotations

import pytest
import torch

from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.data.samples import Samples
from convworks.inference.answers import activated, answers
from convworks.inference.runtime import MULTIPLYING, TorchRuntime, cast_once
from convworks.models.catalogue import Shape, create
from convworks.tasks.classification import CLASSIFICATION

SIZE = (32, 32)
GIVEN = Preprocessing(size=SIZE, channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
IMAGES = torch.randint(0, 256, (5, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet20", "lenet5_modern", "googlenet"])
def test_weights_that_are_cast_once_give_the_numbers_of_those_that_are_cast_each_time(name: str) -> None:
    size = (224, 224) if name == "googlenet" else SIZE
    network = create(name, Shape(classes=7, channels=3, size=size)).eval()
    images = torch.nn.functional.interpolate(IMAGES.float(), size).to(torch.uint8)[:2]
    each_time = TorchRuntime(network=network, input=input_of(GIVEN), precision=torch.bfloat16)
    ready = cast_once(network, torch.bfloat16)
    once = TorchRuntime(network=ready, input=input_of(GIVEN), precision=torch.bfloat16)
    assert torch.equal(once(images), each_time(images))
    cast = [module for module in ready.modules() if type(module) in MULTIPLYING]
    assert cast
    assert all(parameter.dtype == torch.bfloat16 for module in cast for parameter in module.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_in_float32_nothing_is_copied() -> None:
    network = create("lenet5_modern", Shape(classes=7, channels=3, size=SIZE))
    assert cast_once(network, torch.float32) is network


def test_answers_come_in_order_with_their_places_and_the_mode_is_restored() -> None:
    network = create("lenet5_modern", Shape(classes=7, channels=3, size=SIZE)).train()
    runtime = TorchRuntime(network=network, input=input_of(GIVEN), precision=torch.float32)
    every = torch.cat([answered.outputs for answered in answers(runtime, Samples(images=IMAGES))])
    assert network.training
    (some,) = answers(runtime, Samples(images=IMAGES, targets=torch.arange(5)), which=[4, 1])
    assert (some.indices.tolist(), some.targets.tolist()) == ([4, 1], [4, 1])  # type: ignore[union-attr]
    torch.testing.assert_close(some.outputs, every[[4, 1]])
    probabilities = torch.from_numpy(activated(CLASSIFICATION, runtime, IMAGES))
    torch.testing.assert_close(probabilities, every.softmax(1))
