"""Bundles of formats 1 to 3 load, each as the task that its number stood for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.bundle.description import FORMAT, NAME, read_description
from convworks.bundle.earlier import EARLIER, of_today
from convworks.data.config import Masking
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.signed import write_signed
from convworks.tasks.registry import TASKS

SIZE = (12, 12)
GIVEN = Preprocessing(size=SIZE, channels=1, fit="crop", mean=(0.5,), std=(0.25,), crop_fraction=0.875)


def saved(folder: Path, task: str) -> Bundle:
    images = task == "reconstruction"
    classes = () if images else ("a", "b", "c")
    name = "autoencoder_conv" if images else "convnet_digits"
    network = create(name, Shape(classes=len(classes) or 1, channels=1, size=SIZE)).eval()
    bundle = Bundle(
        network=network,
        model=ModelConfig(name=name),
        preprocessing=GIVEN,
        classes=classes,
        record={},
        task=TASKS[task],
        corruption=Masking(rate=0.25) if images else None,
    )
    save_bundle(folder, bundle)
    return bundle


def rewrite(folder: Path, number: int) -> None:
    """Write bundle.json as the version of that format did."""
    description: dict[str, Any] = json.loads((folder / NAME).read_text())
    task = description.pop("task")
    description["format"] = number
    description["preprocessing"]["share"] = description["preprocessing"].pop("crop_fraction")
    if "corruption" in task:
        description["corruption"] = task["corruption"]
    write_signed(folder / NAME, description)


@pytest.mark.parametrize(("number", "task"), EARLIER.items())
def test_each_earlier_format_is_read_as_its_task(number: int, task: str, tmp_path: Path) -> None:
    bundle = saved(tmp_path / "b", task)
    rewrite(tmp_path / "b", number)
    loaded = load_bundle(tmp_path / "b")
    assert (loaded.task.name, loaded.classes, loaded.corruption) == (task, bundle.classes, bundle.corruption)
    assert loaded.preprocessing == GIVEN
    images = torch.rand(2, 1, *SIZE)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(images), bundle.network(images))


def test_what_is_of_today_stays_as_it_is(tmp_path: Path) -> None:
    saved(tmp_path / "b", "multi_label")
    description = read_description(tmp_path / "b")[0]
    assert (description["format"], description["task"]) == (FORMAT, {"name": "multi_label"})
    assert of_today(description) is description


def test_an_unknown_task_is_one_line(tmp_path: Path) -> None:
    saved(tmp_path / "b", "classification")
    description = json.loads((tmp_path / "b" / NAME).read_text())
    for task, reason in (({"name": "clasification"}, "did you mean 'classification'"), ({}, "does not name a task")):
        write_signed(tmp_path / "b" / NAME, {**description, "task": task})
        with pytest.raises(InputError, match=reason):
            load_bundle(tmp_path / "b")
