"""The image input: what it stores, what a network reads of it, examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from convworks.data.config import AugmentConfig
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.errors import InputError

MEAN, STD = (0.3, 0.6), (0.2, 0.1)
IMAGES = input_of(Preprocessing(size=(4, 5), channels=2, fit="crop", mean=MEAN, std=STD))
COLOUR = input_of(Preprocessing(size=(12, 10), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.2,) * 3))


def test_examples_are_what_a_network_reads() -> None:
    assert isinstance(IMAGES, Input)
    example = IMAGES.normalise(IMAGES.blank(3))
    assert IMAGES.example(3).shape == example.shape == (3, 2, 4, 5)
    assert IMAGES.example(3).dtype == example.dtype
    assert IMAGES.example(size=(7, 9), device="meta").shape == (1, 2, 7, 9)
    drawn = [IMAGES.example(generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_anything_that_holds_an_image_is_stored_as_its_file_is(tmp_path: object) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path := f"{tmp_path}/x.png")
    stored = COLOUR.read("x", path)
    np.testing.assert_array_equal(stored, COLOUR.read("x", pixels))
    assert COLOUR.stack([stored, stored]).shape == (2, 3, 12, 10)


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("large", [0, 1 << 23])
def test_normalise_against_numpy(large: int, inference: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.data.inputs.images.LARGE", large)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    images = torch.randint(0, 256, (3, 2, 4, 5), dtype=torch.uint8)
    expected = (images.numpy() / 255 - np.reshape(MEAN, (2, 1, 1))) / np.reshape(STD, (2, 1, 1))
    with torch.inference_mode(inference):
        np.testing.assert_allclose(IMAGES.normalise(images).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_resizing_is_bilinear_with_antialiasing() -> None:
    images = torch.rand(2, 3, 12, 10).contiguous(memory_format=torch.channels_last)
    resized = COLOUR.resize(images, (6, 5))
    assert resized.is_contiguous(memory_format=torch.channels_last)
    # By 2: a triangle over four pixels, 1 3 3 1, cut off and made whole again at the border.
    weights = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    expected = torch.einsum("bcij,i,j->bc", images[:, :, 3:7, 3:7], weights, weights)
    torch.testing.assert_close(resized[:, :, 2, 2], expected)
    torch.testing.assert_close(resized, F.interpolate(images, scale_factor=0.5, mode="bilinear", antialias=True))


def test_augmentations_that_do_not_fit_are_refused() -> None:
    COLOUR.check_augment(AugmentConfig(lighting=0.1), (12, 10))
    with pytest.raises(InputError, match="channels=2"):
        IMAGES.check_augment(AugmentConfig(lighting=0.1), (4, 5))
    with pytest.raises(InputError, match="too few"):
        COLOUR.check_augment(AugmentConfig(), (11, 10))
