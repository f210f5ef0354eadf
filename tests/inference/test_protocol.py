"""Protocols against loops written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convworks.cli.options import VIEWS
from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.decode.picture import Picture, picture_of
from convworks.data.decode.preprocess import Preprocessing, fit_array
from convworks.data.inputs.kinds import input_of
from convworks.data.source import Split
from convworks.errors import InputError
from convworks.inference.protocol import PROTOCOLS, named, scale_to_cover, views
from convworks.inference.runtime import TorchRuntime
from convworks.inference.test_time_views import Cost, activated_by, counter, prepared
from convworks.layers.fully_convolutional import fully_convolutional
from convworks.layers.network import Network
from convworks.models.catalogue import create, facts
from convworks.tasks.classification import CLASSIFICATION

MEAN, STD = 0.4, 0.25


def preprocessing_of(size: tuple[int, int], channels: int, fit: str = "crop") -> Preprocessing:
    """Return the preprocessing of a network of this input."""
    return Preprocessing(size=size, channels=channels, fit=fit, mean=(MEAN,) * channels, std=(STD,) * channels)


def network(name: str) -> tuple[Network, Preprocessing]:
    torch.manual_seed(0)
    shape = facts(name).shape
    return create(name).eval(), preprocessing_of((shape.size[0], shape.size[1]), shape.channels)


def photo(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Return smooth noise: crops of it differ."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, channels), dtype=np.uint8)
    return fit_array(small, (height, width), "squash")


def split(images: Sequence[np.ndarray]) -> Split:
    return Split(
        names=tuple(map(str, range(len(images)))),
        inputs=Arrays(np.stack(images), COLOURS),
        targets=Arrays(np.zeros(len(images), np.int64)),
    )


def inputs(image: np.ndarray) -> Tensor:
    return ((torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255 - MEAN) / STD)[None]


def viewed(name: str, model: nn.Module, chosen: Split, preprocessing: Preprocessing) -> tuple[np.ndarray, Cost]:
    """Return the activated outputs for a split, and the cost."""
    network, input = prepared(named(name), model, preprocessing), input_of(preprocessing)
    runtime = TorchRuntime(network=network, input=input, precision=torch.float32)
    return activated_by(named(name), runtime, counter(network, input), chosen, preprocessing, CLASSIFICATION)


def answers(name: str, model: Network, images: Sequence[np.ndarray], preprocessing: Preprocessing) -> np.ndarray:
    return viewed(name, model, split(images), preprocessing)[0]


def test_ten_crops_are_those_of_a_loop() -> None:
    model, preprocessing = network("lenet5_modern")
    images = [photo(50, 60, 1, seed) for seed in range(3)]
    for image, answer in zip(images, answers("ten-crop", model, images, preprocessing), strict=True):
        frame = fit_array(image, (37, 37), "crop")  # 32 * 256 / 224
        total = torch.zeros(10)
        for top, left in ((0, 0), (0, 5), (5, 0), (5, 5), (2, 2)):
            crop = frame[top : top + 32, left : left + 32]
            for view in (crop, crop[:, ::-1]):
                with torch.no_grad():
                    total += model(inputs(view)).softmax(1)[0]
        np.testing.assert_allclose(answer, total / 10, atol=1e-5)


@pytest.mark.parametrize("size", [(256, 341), (341, 256), (256, 343), (256, 256), (257, 300)])
@pytest.mark.parametrize("side", [224, 223])
def test_crops_are_whole_pixels_of_the_image(size: tuple[int, int], side: int) -> None:
    """Krizhevsky's frame of 256 pixels, and its crops, cut out of an image that needs no scaling, or is scaled once."""
    image = photo(*size, 3)
    preprocessing = preprocessing_of((side, side), 3)
    frame = round(side * 256 / 224)
    if min(size) == frame:  # torchvision: CenterCrop(256), then TenCrop, whose middle is a CenterCrop too
        top, left = round((size[0] - frame) / 2.0), round((size[1] - frame) / 2.0)
        square = image[top : top + frame, left : left + frame]
    else:
        square = fit_array(image, (frame, frame), "crop")
    centre, end = round((frame - side) / 2.0), frame - side
    expected = [(0, 0), (0, end), (end, 0), (end, end), (centre, centre)]
    crops = views(picture_of(image), named("ten-crop"), preprocessing)
    for view, (y, x) in zip(crops, expected, strict=True):
        np.testing.assert_array_equal(view, square[y : y + side, x : x + side])


def test_views_do_not_depend_on_how_large_a_file_was_decoded() -> None:
    """Dense views and letterboxes have the size that follows from the image's own."""
    full = photo(811, 1203, 3)
    half = Picture(fit_array(full, (406, 602), "squash"), (811, 1203))
    for name in ("dense", "multi-scale", "ten-crop", "144-crop"):
        for fit in ("crop", "letterbox", "squash"):
            of_full, of_half = (
                views(image, named(name), preprocessing_of((32, 32), 3, fit)) for image in (picture_of(full), half)
            )
            assert [view.shape for view in of_full] == [view.shape for view in of_half]
            if fit == "letterbox":
                assert [(view == 0).all((1, 2)).sum() for view in of_full] == [
                    (view == 0).all((1, 2)).sum() for view in of_half
                ]


def test_144_crops_of_an_oblong_image_and_each_once_of_a_square_one() -> None:
    preprocessing = preprocessing_of((224, 224), 3)
    for size, count in (((300, 400), 72), ((400, 300), 72), ((256, 256), 24)):
        crops = views(picture_of(photo(*size, 3)), named("144-crop"), preprocessing)
        assert len(crops) == count
        assert {view.shape for view in crops} == {(224, 224, 3)}
    model, small = network("lenet5_modern")
    _, cost = viewed("144-crop", model, split([photo(40, 60, 1)]), small)
    assert cost.views == 144
    _, flip_cost = viewed("flip", model, split([photo(40, 60, 1)]), small)
    assert (flip_cost.views, cost.macs) == (2, 72 * flip_cost.macs)


def test_the_squares_of_144_crops_lie_at_both_ends_and_in_the_middle() -> None:
    image = np.zeros((352, 1000, 1), np.uint8)
    image[:, 0], image[:, -1] = 255, 255
    crops = views(picture_of(image), named("144-crop"), preprocessing_of((224, 224), 1))[
        -18:
    ]  # the largest scale: as large as the image
    shrunk = [view[:, :, 0] for view in crops[5::6]]
    assert [bool(view[:, 0].min()) for view in shrunk] == [True, False, False]
    assert [bool(view[:, -1].min()) for view in shrunk] == [False, False, True]


@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern"])
def test_dense_is_the_mean_over_a_sliding_window(name: str) -> None:
    """LeNet-5 pads nowhere: the window is one of the image, moved by the network's stride."""
    model, preprocessing = network(name)
    image = photo(60, 84, 1)
    scaled = scale_to_cover(picture_of(image), (37, 37), "crop")
    assert scaled.shape == (37, 52, 1)
    total = torch.zeros(10)
    for view in (scaled, scaled[:, ::-1]):
        windows = [view[top : top + 32, left : left + 32] for top in (0, 4) for left in range(0, 21, 4)]
        with torch.no_grad():
            total += torch.stack([model(inputs(window))[0] for window in windows]).mean(0).softmax(0)
    (answer,) = answers("dense", model, [image], preprocessing)
    np.testing.assert_allclose(answer, total / 2, atol=1e-4)


@pytest.mark.parametrize("name", [pytest.param("vgg_a", marks=pytest.mark.slow), "alexnet", "resnet18", "resnet20"])
def test_dense_is_the_mean_over_a_sliding_window_of_features(name: str) -> None:
    """Convolutions that pad see more around a window than its border: the window is one of their last map."""
    model, preprocessing = network(name)
    side = preprocessing.size[0]
    image = photo(side + 20, round(1.3 * side), 3)
    view = scale_to_cover(picture_of(image), (round(side * 256 / 224),) * 2, "crop")
    with torch.no_grad():
        rows = model.stages(model.stem(inputs(np.zeros((side, side, 3), np.uint8)))).shape[2]
        total = torch.zeros(facts(name).shape.classes)
        for pixels in (inputs(view), inputs(view).flip(3)):
            features = model.stages(model.stem(pixels))
            height, width = features.shape[2] - rows + 1, features.shape[3] - rows + 1
            scores = [
                model.head(features[:, :, top : top + rows, left : left + rows])[0]
                for top in range(height)
                for left in range(width)
            ]
            total += torch.stack(scores).mean(0).softmax(0)
    (answer,) = answers("dense", model, [image], preprocessing)
    np.testing.assert_allclose(answer, total / 2, atol=1e-4)


def test_shift_is_the_mean_over_six_views() -> None:
    model, preprocessing = network("resnet20")
    image = photo(32, 32, 3)
    padded = torch.nn.functional.pad(inputs(image), (1,) * 4, mode="reflect")
    total = torch.zeros(10)
    for at in (0, 1, 2):
        view = padded[:, :, at : at + 32, at : at + 32]
        with torch.no_grad():
            total += model(view)[0].softmax(0) + model(view.flip(3))[0].softmax(0)
    np.testing.assert_allclose(answers("shift", model, [image], preprocessing)[0], total / 6, atol=1e-5)


def test_multi_scale_is_the_mean_of_three_dense_ones() -> None:
    model, preprocessing = network("resnet20")
    image = photo(40, 48, 3)
    dense = fully_convolutional(model, 3, (32, 32))
    total = torch.zeros(10)
    for side in (32, 37, 41):
        pixels = inputs(scale_to_cover(picture_of(image), (side, side), "crop"))
        for view in (pixels, pixels.flip(3)):
            with torch.no_grad():
                total += dense(view).mean((2, 3))[0].softmax(0)
    np.testing.assert_allclose(answers("multi-scale", model, [image], preprocessing)[0], total / 6, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "center"])
def test_images_of_several_sizes_are_answered_as_each_alone(name: str, tmp_path: Path) -> None:
    model, preprocessing = network("lenet5_modern")
    files = []
    for number, size in enumerate([(40, 60), (64, 33), (40, 60), (32, 32), (90, 41)]):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(photo(*size, 1, number)[:, :, 0]).save(files[-1])
    labels = np.zeros(5, np.int64)
    whole_split = Split(names=tuple(map(str, files)), inputs=Files(tuple(files)), targets=Arrays(labels))
    batched, _ = viewed(name, model, whole_split, preprocessing)
    for number, file in enumerate(files):
        alone = Split(names=(str(file),), inputs=Files((file,)), targets=Arrays(labels[:1]))
        expected, _ = viewed(name, model, alone, preprocessing)
        np.testing.assert_allclose(batched[number], expected[0], atol=1e-5)


@pytest.mark.parametrize("fit", ["squash", "letterbox", "pad"])
def test_what_training_pads_or_squashes_is_so_in_every_view(fit: str) -> None:
    preprocessing, image = preprocessing_of((28, 28), 1, fit), photo(40, 60, 1)
    frame = fit_array(image, (32, 32), fit)  # type: ignore[arg-type]
    for name in ("ten-crop", "dense"):
        images = views(picture_of(image), named(name), preprocessing)
        expected = frame if name == "dense" else frame[:28, :28]
        np.testing.assert_array_equal(images[0], expected)


def test_a_network_without_a_form_for_larger_images_says_so() -> None:
    model, preprocessing = network("lenet5_modern")
    model.head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Softmax(1))
    with pytest.raises(InputError, match=r"--protocol: dense needs .*Softmax.*; choose a protocol of crops"):
        answers("dense", model, [photo(40, 40, 1)], preprocessing)


def test_an_unknown_protocol_lists_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"there is no protocol 'tencrop' .did you mean 'ten-crop'.*multi-scale"):
        named("tencrop")


def test_the_help_of_the_command_line_names_every_protocol() -> None:
    assert f"Views of each image: {', '.join(PROTOCOLS)}." == VIEWS
