"""Recipes for masks: what follows from the images, and that each recipe fits its network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from squares import write_squares

from convworks.data.sources.open import open_source
from convworks.models.catalogue import Shape, create
from convworks.recipes import PAIRS, of_data, recipe
from convworks.tasks.registry import task_of


@pytest.mark.parametrize(
    ("sizes", "fit", "size", "scales"),
    [
        (((7, 8),), "squash", (7, 8), 2),
        (((24, 32),), "squash", (24, 32), 3),
        (((96, 128),), "squash", (96, 128), 5),
        (((300, 600),), "squash", (128, 256), 5),
        (((40, 80), (80, 40)), "letterbox", (80, 80), 5),
    ],
)
def test_size_and_network_follow_from_the_images(
    sizes: tuple[tuple[int, int], ...], fit: str, size: tuple[int, int], scales: int, tmp_path: Path
) -> None:
    source = open_source(write_squares(tmp_path, 4, sizes=sizes))
    config = of_data(source, str(tmp_path))
    assert (config.recipe, config.data.fit, config.data.size) == (PAIRS, fit, size)
    assert len(config.model.table["widths"]) == scales
    network = create(config.model.name, Shape(classes=2, channels=1, size=size), table=config.model.table)
    assert network.train()(torch.zeros(1, 1, *size)).shape == (1, 2, *size)
    assert task_of(config, source).name == "segmentation"


@pytest.mark.parametrize("name", ["membrane/unet", "membrane/narrow", "camvid/unet", "camvid/fcn8s"])
def test_recipes_fit_their_networks(name: str, data: Path) -> None:
    config = recipe(name)
    size = config.data.size
    assert size is not None
    channels, classes = (1, 2) if name.startswith("membrane") else (3, 11)
    with torch.device("meta"):
        network = create(
            config.model.name, Shape(classes=classes, channels=channels, size=size), table=config.model.table
        )
        outputs = network.eval()(torch.empty(1, channels, *size))
    lost = 184 if name == "membrane/unet" else 0
    assert outputs.shape == (1, classes, size[0] - lost, size[1] - lost)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert (parameters == 31_030_658) == (name == "membrane/unet")
