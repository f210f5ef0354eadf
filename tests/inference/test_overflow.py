"""Sound weights can overflow on some images: these have no answer, the others keep theirs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convworks.bundle.bundle import Bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import RunError
from convworks.inference.limits import OVERFLOW
from convworks.inference.predictor import Predictor
from convworks.models.config import ModelConfig
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.reconstruction import RECONSTRUCTION

SIZE = Preprocessing(size=(8, 8), channels=1, fit="squash", mean=(0.0,), std=(1.0,))


class Loud(nn.Module):
    """Answers with the mean of an image, and its opposite; for bright ones with infinity. As images: the same."""

    def __init__(self, *, images: bool) -> None:
        super().__init__()
        self.images, self.scale = images, nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean((1, 2, 3)) * self.scale
        mean = torch.where(mean > 0.5, torch.inf, mean)
        return images * 0 + mean[:, None, None, None] if self.images else torch.stack([mean, -mean], 1)


def predictor(*, images: bool = False) -> Predictor:
    network = Loud(images=images)
    bundle = Bundle(
        network=network,
        model=ModelConfig(name="convnet_digits"),
        preprocessing=SIZE,
        classes=() if images else ("bright", "dark"),
        record={},
        task=RECONSTRUCTION if images else CLASSIFICATION,
    )
    return Predictor(bundle=bundle, network=network, precision=torch.float32)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give a dark image, a bright one, one that is none, and a dark one."""
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path, value in zip(paths, (10, 250, 0, 100), strict=True):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)
    paths[2].write_bytes(b"no image")
    return paths


def test_only_the_image_that_overflows_has_no_answer(files: list[Path]) -> None:
    rows = list(predictor().predict_files(files))
    assert [row.get("error", "") == OVERFLOW for row in rows] == [False, True, False, False]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    alone = [predictor().predict([path])[0] for path in (files[0], files[3])]
    assert [rows[0], rows[3]] == alone
    with pytest.raises(RunError, match="overflow"):
        predictor().predict(files[:2])


def test_only_the_image_that_overflows_is_not_made(files: list[Path]) -> None:
    rows = list(predictor(images=True).predict_files(files))
    assert ["error" in row for row in rows] == [False, True, True, False]
    assert (rows[3]["image"] == 100).all()


def test_sound_images_are_asked_for_together(files: list[Path]) -> None:
    batches: list[int] = []
    loaded = predictor()
    assert loaded.network is not None
    loaded.network.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    list(loaded.predict_files([files[0], files[3]]))
    assert batches == [2]
