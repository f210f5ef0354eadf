"""Maps of many images: computed in batches, they are those of each alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.data.config import Fit
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.errors import InputError, RunError
from convworks.inference.limits import PIXELS
from convworks.inference.maps import Mapper, Scaled
from convworks.inference.runtime import TorchRuntime
from convworks.inference.strips import Strips, as_scores, resized
from convworks.inference.tiles import TILE, classes, probabilities
from convworks.models.catalogue import Shape, create
from convworks.tasks.segmentation import SEGMENTATION

SIZE = (24, 32)


def mapper_of(network: nn.Module, fit: Fit) -> Mapper:
    preprocessing = Preprocessing(size=SIZE, channels=1, fit=fit, mean=(0.0,), std=(1.0,))
    runtime = TorchRuntime(network=network, input=input_of(preprocessing), precision=torch.float32)
    return Mapper(task=SEGMENTATION, runtime=runtime, preprocessing=preprocessing, network=network)


def maps_of(mapper: Mapper, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    maps = mapper.maps((mapper.read("image", array) for array in arrays), probabilities)
    return [np.moveaxis(each.whole(), -1, 0) for each in maps if isinstance(each, Strips)]


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
    assert [type(each) for each in first] == [*[Strips] * 5, InputError, Strips]
    for number, each in enumerate(first):
        if isinstance(each, Strips) and number != 3:
            np.testing.assert_array_equal(each.whole(), np.zeros((4, 4)))
    with pytest.raises(RunError, match="NaN or infinite"):
        first[3].whole()  # type: ignore[union-attr]
    assert len(taken) <= 256
    assert len(list(maps)) == 593
    with pytest.raises(RunError, match="NaN or infinite"):
        maps_of(mapper, [np.full((4, 4), 255, np.uint8)])


SIZES = [((16, 16), (301, 203)), ((64, 48), (40, 30)), ((33, 1), (2, 70)), ((1, 5), (90, 4)), ((9, 9), (9, 30))]


def interpolated(scores: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(scores[None], size, mode="bilinear")[0]


def smooth(have: tuple[int, int]) -> Tensor:
    return torch.randn(5, *have, generator=torch.Generator().manual_seed(0)).softmax(0)


@pytest.mark.parametrize(("have", "want"), SIZES)
def test_small_masks_are_those_of_scores_interpolated_at_once(have: tuple[int, int], want: tuple[int, int]) -> None:
    scores = smooth(have)
    (kept,) = resized(torch.split(scores, 7, dim=1), have, want, probabilities)
    np.testing.assert_array_equal(as_scores(kept).numpy(), interpolated(scores, want).numpy())
    (mask,) = resized([scores], have, want, classes)
    np.testing.assert_array_equal(mask, interpolated(scores, want).argmax(0).numpy())


@pytest.mark.parametrize(("have", "want"), SIZES)
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_bands_of_rows_give_the_same_whatever_their_height(
    rows: int, have: tuple[int, int], want: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convworks.inference.strips.VALUES", 5 * want[1] * min(rows, want[0] - 1))
    scores = smooth(have)
    for height in (1, 7, 100):
        bands = list(resized(torch.split(scores, height, dim=1), have, want, probabilities))
        assert max(map(len, bands)) <= rows
        np.testing.assert_allclose(
            as_scores(np.concatenate(bands)).numpy(), interpolated(scores, want).numpy(), atol=2e-6
        )
        mask = np.concatenate(list(resized(torch.split(scores, height, dim=1), have, want, classes)))
        np.testing.assert_array_equal(mask, interpolated(scores, want).argmax(0).numpy())


@pytest.mark.parametrize("fit", ["squash", "letterbox", "crop", "pad"])
def test_no_more_scores_are_held_than_those_of_some_rows(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest array that is handed on does not grow with the image; masks are those of all scores."""
    torch.manual_seed(0)
    network = create("unet_padded", Shape(classes=3, channels=1, size=SIZE), table={"widths": [4, 8]})
    mapper, held = mapper_of(network, fit), list[int]()
    (image,) = images((1400, 90))
    (right,) = maps_of(mapper, [image])
    monkeypatch.setattr("convworks.inference.strips.VALUES", 3 * 90 * 20)

    def noted(values: Tensor) -> np.ndarray:
        held.append(values.shape[1])
        return classes(values)

    (strips,) = mapper.maps([mapper.read("image", image)], noted)
    assert isinstance(strips, Strips)
    np.testing.assert_array_equal(strips.whole(), right.argmax(0))
    assert max(held) <= (TILE if fit == "pad" else 20)


def test_a_file_read_by_rows_is_computed_as_many_tiles_at_a_time_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = create("unet_padded", Shape(classes=3, channels=1, size=SIZE), table={"widths": [4, 8]})
    mapper, computed = mapper_of(network, "pad"), list[int]()
    (image,) = images((60, 3 * TILE))
    np.save(tmp_path / "image.npy", image)
    maps_of(mapper, [image])  # for the first image the network is measured, too
    network.register_forward_pre_hook(lambda _, inputs: computed.append(len(inputs[0])))
    for pixels, most in ((1, 1), (1 << 23, 2)):  # a GPU takes more at a time
        monkeypatch.setitem(PIXELS, "cpu", pixels)
        computed.clear()
        (held,) = maps_of(mapper, [image])
        in_memory = computed.copy()
        assert max(in_memory) == most
        computed.clear()
        with mapper.rows(tmp_path / "image.npy", probabilities) as strips:
            np.testing.assert_allclose(np.moveaxis(strips.whole(), -1, 0), held, atol=1e-6)
        assert computed == in_memory


class Fragile(nn.Module):
    """Two scores of each pixel, which overflow where an image has white pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.scale * torch.cat([x, -x], 1)
        return torch.where(x.amax((1, 2, 3), keepdim=True) == 1, torch.inf, scores)
