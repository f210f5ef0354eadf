"""The test split influences nothing: with other test images and labels all comes out the same, but what is tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few_digits import write_few

import convworks

#: All that is chosen by a validation metric: the epoch, the learning rate of a plateau, when to stop.
CHOICES = [
    "training.batch_size=16",
    "training.schedule={'kind': 'plateau', 'rate': 0.05, 'patience': 1}",
    "training.patience=3",
]
OPTIONS: dict[str, Any] = {"device": "cpu", "deterministic": True}
TIMES = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same digits twice; in the second the test labels are permuted, and the pixels of the test images shuffled."""
    root, chance = tmp_path_factory.mktemp("places"), np.random.default_rng(0)
    folders = [write_few(root / name) for name in ("true", "shuffled")]
    for name, start in (("t10k-images-idx3-ubyte", 16), ("t10k-labels-idx1-ubyte", 8)):
        content = (folders[1] / name).read_bytes()
        values = chance.permutation(np.frombuffer(content[start:], np.uint8))
        (folders[1] / name).write_bytes(content[:start] + values.tobytes())
        assert (folders[1] / name).read_bytes() != (folders[0] / name).read_bytes()
    return folders


def computed(run: str) -> tuple[bytes, list[dict[str, Any]]]:
    """Return the weights of a run and its history, without times."""
    rows = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    deterministic_rows = [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
    return (Path(run) / "bundle" / "weights.safetensors").read_bytes(), deterministic_rows


def test_a_run_is_the_same(sources: list[Path], tmp_path: Path) -> None:
    first, second = (
        convworks.train("digits/default", data=data, out=tmp_path / data.name, epochs=8, overrides=CHOICES, **OPTIONS)
        for data in sources
    )
    assert computed(first["run"]) == computed(second["run"])
    for key in ("best_epoch", "epochs", "validation"):
        assert first[key] == second[key]
    assert first["test"] != second["test"], "the test split is another one"


def test_the_normalisation_and_the_size_are_those_of_the_training_images(sources: list[Path], tmp_path: Path) -> None:
    """They are taken from the images where no recipe says them."""
    first, second = (
        convworks.train(data=data, model="convnet_digits", out=tmp_path / data.name, epochs=1, **OPTIONS)
        for data in sources
    )
    records = [json.loads((Path(run["bundle"]) / "bundle.json").read_text()) for run in (first, second)]
    assert records[0]["preprocessing"] == records[1]["preprocessing"]
    assert computed(first["run"]) == computed(second["run"])


def test_restarts_choose_the_same_run(sources: list[Path], tmp_path: Path) -> None:
    first, second = (
        convworks.restarts("digits/default", data=data, runs=2, out=tmp_path / data.name, epochs=2, **OPTIONS)
        for data in sources
    )
    assert first["best"] == second["best"]
    assert first["validation"] == second["validation"]
    assert first["ensemble"]["validation"] == second["ensemble"]["validation"]
    for first_run, second_run in zip(first["runs"], second["runs"], strict=True):
        assert computed(first_run["run"]) == computed(second_run["run"])
    assert first["test"] != second["test"]


def test_tune_chooses_the_same_trial(sources: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    search = ["training.schedule.rate=log:1e-3..1"]
    first, second = (
        convworks.tune(
            "digits/default", data=data, trials=3, search=search, out=tmp_path / data.name, epochs=2, **OPTIONS
        )
        for data in sources
    )
    keys = ("name", "state", "value", "values")
    assert [[trial[key] for key in keys] for trial in first["trials"]] == [
        [trial[key] for key in keys] for trial in second["trials"]
    ]
    assert first["best"]["name"] == second["best"]["name"]
    assert computed(first["best"]["run"]) == computed(second["best"]["run"])
