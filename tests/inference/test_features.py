"""Features of a bundle as tables, and linear probes of them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.cli.main import run as command
from convworks.data.column import Arrays
from convworks.data.config import DataConfig
from convworks.data.inputs.images import normalise
from convworks.data.source import Split
from convworks.data.sources.open import open_source
from convworks.data.split.folds import divide
from convworks.inference.feature_table import write_table
from convworks.layers.network import Network

TAPS = ["stem", "stage1", "head.features", "head.logits"]


def activations(any_run: Path, split: Split) -> dict[str, torch.Tensor]:
    bundle = load_bundle(any_run)
    assert isinstance(bundle.network, Network)
    assert isinstance(split.inputs, Arrays)
    images = torch.from_numpy(split.inputs.values).permute(0, 3, 1, 2)
    with torch.no_grad():
        preprocessing = bundle.preprocessing
        return bundle.network.activations(normalise(images, preprocessing.mean, preprocessing.std), TAPS)


@pytest.mark.parametrize("pool", ["average", "max", "none"])
def test_features_are_the_activations_pooled(any_run: Path, pool: str) -> None:
    features = convworks.features(any_run, data="digits", taps=TAPS, split="test", pool=pool, device="cpu")
    split = open_source("digits").splits["test"]
    assert features.names == split.names
    assert features.labels.tolist() == split.labels.tolist()
    for tap, maps in activations(any_run, split).items():
        expected = maps
        if maps.ndim == 4:
            expected = {"average": maps.mean((2, 3)), "max": maps.amax((2, 3)), "none": maps.flatten(1)}[pool]
        np.testing.assert_allclose(features.taps[tap], expected.numpy(), atol=1e-5)


def test_all_splits_are_in_one_table_that_numpy_reads(any_run: Path, tmp_path: Path) -> None:
    source = open_source("digits")
    assert (
        command(["features", str(any_run), "--data", "digits", "--tap", "stem", "--out", str(tmp_path / "x.npz")]) == 0
    )
    with np.load(tmp_path / "x.npz") as archive:
        assert set(archive) == {"name", "split", "label", "class", "classes", "stem"}
        assert archive["stem"].dtype == np.float32
        for name, split in source.splits.items():
            rows = archive["split"] == name
            assert archive["name"][rows].tolist() == list(split.names)
            assert archive["label"][rows].tolist() == split.labels.tolist()
        assert archive["class"].tolist() == [archive["classes"][label] for label in archive["label"]]


@pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow")
def test_parquet_holds_the_same(any_run: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    table = convworks.features(any_run, data="digits", taps=TAPS[:2], split="test", device="cpu")
    write_table(tmp_path / "x.parquet", table)
    read = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert read.column_names == ["name", "split", "label", "class", *TAPS[:2]]
    assert read["name"].to_pylist() == list(table.names)
    assert read["label"].to_pylist() == table.labels.tolist()
    for tap in TAPS[:2]:
        np.testing.assert_array_equal(np.array(read[tap].to_pylist(), np.float32), table.taps[tap])


def test_a_probe_is_scikit_learns_classifier_of_the_features(any_run: Path) -> None:
    results = convworks.probe(any_run, data="digits", taps=["stage1"], device="cpu")
    (row,) = results["probes"]
    source = divide(open_source("digits"), DataConfig(source="digits"), 0)
    x = {name: activations(any_run, split)["stage1"].mean((2, 3)).numpy() for name, split in source.splits.items()}
    y = {name: split.labels for name, split in source.splits.items()}
    accuracies = {}
    for cost in (1e-3, 1e-2, 1e-1, 1.0):
        machine = make_pipeline(StandardScaler(), LogisticRegression(C=cost, max_iter=2000)).fit(x["train"], y["train"])
        accuracies[cost] = (machine.score(x["validation"], y["validation"]), machine.score(x["test"], y["test"]))
    validation, test = accuracies[row["C"]]
    assert row["validation"] == pytest.approx(validation, abs=0.02)
    assert row["test"] == pytest.approx(test, abs=0.02)
    assert row["validation"] >= max(accuracy for accuracy, _ in accuracies.values()) - 0.02
    assert row["features"] == x["train"].shape[1]
    assert row["interval"][0] < row["test"] < row["interval"][1]


def test_every_tap_is_probed_once_and_drawn(
    any_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["probe", str(any_run), "--data", "digits", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    taps = [row["tap"] for row in output["probes"]]
    assert taps[0] == "stem"
    assert taps[-1] == "head.logits"
    assert "stage1" not in taps  # the same as its last part
    assert len(taps) == len(set(taps))
    assert output["best"] in taps
    assert (tmp_path / "probe.png").read_bytes().startswith(b"\x89PNG")
