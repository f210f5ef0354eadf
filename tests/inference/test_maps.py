"""Maps of many images: computed in batches, they are those of each alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convworks.data.config import Fit
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.errors import InputError, RunError
from convworks.inference.maps import Mapper, Scaled
from convworks.inference.runtime import TorchRuntime
from convworks.models.catalogue import Shape, create
from convworks.tasks.segmentation import SEGMENTATION

SIZE = (24, 32)


def mapper_of(network: nn.Module, fit: Fit) -> Mapper:
    preprocessing = Preprocessing(size=SIZE, channels=1, fit=fit, mean=(0.0,), std=(1.0,))
    runtime = TorchRuntime(network=network, input=input_of(preprocessing), precision=torch.float32)
    return Mapper(task=SEGMENTATION, runtime=runtime, preprocessing=preprocessing, network=network)


def maps_of(mapper: Mapper, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [each.activated for each in mapper.compute([mapper.read("image", array) for array in arrays])]


def images(*sizes: tuple[int, int]) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 250, (*size, 1), np.uint8) for size in sizes]


@pytest.mark.parametrize("fit", ["letterbox", "pad"])
def test_batches_give_what_each_image_gives_alone(fit: Fit) -> None:
    torch.manual_seed(0)
    network = create("unet_padded", Shape(classes=3, channels=1, size=SIZE), table={"widths": [4, 8]})
    mapper, computed = mapper_of(network, fit), list[int]()
    arrays = images((24, 32), (10, 30), (24, 32), (60, 70), (24, 32), (9, 8))
    alone = [maps_of(mapper, [each])[0] for each in arrays]
    assert [each.shape[1:] for each in alone] == [each.shape[:2] for each in arrays]
    network.register_forward_pre_hook(lambda _, inputs: computed.append(len(inputs[0])))
    together = maps_of(mapper, arrays)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    assert computed == ([6] if fit == "letterbox" else [3, 1, 2]), "what is larger than the input is tiled"


def test_images_are_taken_as_they_are_needed_and_errors_keep_their_place() -> None:
    mapper, taken = mapper_of(Fragile(), "pad"), list[int]()

    def read() -> Iterator[Scaled | InputError]:
        for number in range(600):
            taken.append(number)
            array = np.full((4, 4), 255 if number == 3 else number % 200, np.uint8)
            unread = InputError("image", "cannot be read", "give another")
            yield unread if number == 5 else mapper.read("image", array)

    maps = mapper.maps(read())
    first = [next(maps) for _ in range(7)]
    assert [type(each) for each in first] == [*[np.ndarray] * 3, RunError, np.ndarray, InputError, np.ndarray]
    assert len(taken) <= 256
    assert len(list(maps)) == 593
    with pytest.raises(RunError, match="NaN or infinite"):
        maps_of(mapper, [np.full((4, 4), 255, np.uint8)])


class Fragile(nn.Module):
    """Two scores of each pixel, which overflow where an image has white pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.scale * torch.cat([x, -x], 1)
        return torch.where(x.amax((1, 2, 3), keepdim=True) == 1, torch.inf, scores)
