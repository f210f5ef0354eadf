"""What `folder/default` chooses for several kinds of folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.sources.open import open_source
from convworks.recipes.folder import default
from convworks.training.config import RunConfig


def chosen(root: Path, size: tuple[int, int], mode: str, count: int, odd: bool = False) -> RunConfig:
    """Return the recipe for two classes of `count` noise images of `size` (height, width); `odd`: of several sizes."""
    rng = np.random.default_rng(0)
    for kind in ("a", "b"):
        for number in range(count):
            height, width = size[0] + odd * number, size[1]
            shape = (height, width) if mode == "L" else (height, width, 3)
            path = root / kind / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return default(open_source(root), str(root))


@pytest.mark.parametrize(
    ("size", "mode", "odd", "network", "read", "flip", "crop"),
    [
        pytest.param((120, 140), "RGB", True, "convnet_photo", (96, 96), True, 0.35, id="photographs"),
        pytest.param((64, 64), "L", False, "convnet_photo", (64, 64), True, None, id="grey textures"),
        pytest.param((32, 32), "RGB", False, "convnet_color", (32, 32), True, None, id="small colour images"),
        pytest.param((28, 28), "L", False, "convnet_accurate", (28, 28), False, None, id="signs"),
        pytest.param((8, 8), "L", False, "convnet_digits", (8, 8), False, None, id="tiny signs"),
        pytest.param((20, 90), "RGB", False, "convnet_color", (20, 90), True, 0.35, id="strips"),
    ],
)
def test_the_images_decide_the_network_and_how_they_are_varied(
    size: tuple[int, int],
    mode: str,
    odd: bool,
    network: str,
    read: tuple[int, int],
    flip: bool,
    crop: float | None,
    tmp_path: Path,
) -> None:
    config = chosen(tmp_path, size, mode, count=5, odd=odd)
    assert (config.model.name, config.data.size) == (network, read)
    assert (config.augment.flip, config.augment.crop) == (flip, crop)


def test_a_few_images_are_shown_more_often(tmp_path: Path) -> None:
    few, more = tmp_path / "few", tmp_path / "more"
    few.mkdir()
    more.mkdir()
    assert chosen(few, (16, 16), "RGB", count=25).training.epochs == 240
    assert chosen(more, (16, 16), "RGB", count=100).training.epochs == 80


@pytest.mark.parametrize(
    ("size", "fit", "read"),
    [
        pytest.param((64, 256), "letterbox", (96, 96), id="strips"),
        pytest.param((256, 64), "letterbox", (96, 96), id="columns"),
        pytest.param((108, 192), "letterbox", (96, 96), id="16:9"),
        pytest.param((96, 144), "crop", (96, 96), id="3:2"),
        pytest.param((75, 100), "crop", (72, 72), id="4:3"),
        pytest.param((20, 90), "crop", (20, 90), id="their own size"),
    ],
)
def test_what_a_crop_would_cut_in_pieces_is_kept_whole(
    size: tuple[int, int], fit: str, read: tuple[int, int], tmp_path: Path
) -> None:
    config = chosen(tmp_path, size, "RGB", count=3)
    assert (config.data.fit, config.data.size) == (fit, read)
