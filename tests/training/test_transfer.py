"""Transfer of a small network of the digits, through the Python interface."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.errors import InputError
from convworks.inference.feature_table import FeatureTable
from convworks.layers.network import Network
from convworks.signed import write_signed
from convworks.training.checkpoints import state as checkpoint_state
from convworks.training.svm.fit import best_of, calibrated

DIGITS = 900


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("source") / "run"
    convworks.train(out=out, epochs=2, device="cpu")
    return out


def transfer(run: Path, out: Path, *overrides: str, **options: Any) -> dict[str, Any]:
    return convworks.transfer(run, out=out, overrides=overrides, **{"data": "digits", "device": "cpu", **options})


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "weights.safetensors")


def table(run: Path, split: str) -> FeatureTable:
    return convworks.features(run, data="digits", taps=["head.features"], split=split, device="cpu")


@pytest.mark.parametrize("cut", ["stem", "stage1.pool", "stage1", "head.features"])
def test_what_is_frozen_up_to_the_cut_is_the_bundles(run: Path, tmp_path: Path, cut: str) -> None:
    results = transfer(run, tmp_path / "run", cut=cut, freeze=cut, epochs=1)
    before, after = weights(run), weights(Path(results["run"]))
    kept_names = [name for name in after if not name.startswith("head.")]
    assert kept_names
    assert all(torch.equal(after[name], before[name]) for name in kept_names)
    assert {name for name in after if name.startswith("head.")} == {"head.logits.weight", "head.logits.bias"}
    network = load_bundle(Path(results["bundle"])).network
    assert isinstance(network, Network)
    assert network.taps[0] == "stem"
    assert cut in network.taps


def test_it_begins_with_the_bundles_weights_and_all_of_it_learns(run: Path, tmp_path: Path) -> None:
    slow = "training.schedule={'kind': 'constant', 'rate': 1e-12}"
    same = weights(Path(transfer(run, tmp_path / "a", slow, epochs=1)["run"]))
    free = weights(Path(transfer(run, tmp_path / "b", epochs=1)["run"]))
    for name, value in weights(run).items():
        if name.endswith("weight") and not name.startswith("head."):
            torch.testing.assert_close(same[name], value, rtol=0, atol=1e-6)
            assert not torch.equal(free[name], value)


def test_the_bundle_needs_the_first_one_no_more_nor_does_the_run(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(run, source)
    results = transfer(source, tmp_path / "run", head="two-layer", epochs=1)
    shutil.rmtree(source)
    assert convworks.load(results["bundle"], device="cpu").evaluate("digits")["top1"] == results["test"]["top1"]
    more = convworks.train(resume=tmp_path / "run", epochs="+1")
    assert more["epochs"] == 2
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["configuration"]["model"]["cut"] == "head.dropout"
    assert record["configuration"]["model"]["start"]["path"] == str(source)


@pytest.mark.slow
def test_a_transfer_of_a_transfer(run: Path, tmp_path: Path) -> None:
    first = transfer(run, tmp_path / "a", "model.head.width=24", head="two-layer", cut="stage1", epochs=1)
    second = transfer(Path(first["run"]), tmp_path / "b", cut="head.relu", freeze="head.relu", epochs=1)
    before, after = weights(Path(first["run"])), weights(Path(second["run"]))
    assert after["head.logits.weight"].shape == (10, 24)
    assert all(torch.equal(after[name], before[name]) for name in after if "logits" not in name)
    third = transfer(Path(second["run"]), tmp_path / "c", cut="head", epochs=1)  # behind the logits
    assert weights(Path(third["run"]))["head.logits2.weight"].shape == (10, 10)
    assert convworks.load(third["bundle"], device="cpu").evaluate("digits")["top1"] == third["test"]["top1"]


def test_the_head_may_be_kept(run: Path, tmp_path: Path) -> None:
    slow = "training.schedule={'kind': 'constant', 'rate': 1e-12}"
    transferred = weights(Path(transfer(run, tmp_path / "run", slow, head="keep", epochs=1)["run"]))
    for name, value in weights(run).items():
        if name.endswith("weight"):
            torch.testing.assert_close(transferred[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("head", "cost"), [("svm", 0.01), ("rbf-svm", 1.0)])
def test_a_support_vector_machine_decides_as_scikit_learns(run: Path, tmp_path: Path, head: str, cost: float) -> None:
    results = transfer(run, tmp_path / "run", f"model.head.cost={cost}", "precision=float32", head=head)
    network = load_bundle(Path(results["bundle"])).network
    assert all(
        torch.equal(value, weights(run)[name])
        for name, value in weights(tmp_path / "run").items()
        if "head" not in name
    )
    train, test = (table(tmp_path / "run", split) for split in ("train", "test"))  # in float32, as it was fitted
    held = json.loads((tmp_path / "run" / "run.json").read_text())["configuration"]
    chosen = _train_names(held, train)
    x, labels = train.taps["head.features"][chosen].astype(np.float64), train.labels[chosen]
    machine = LinearSVC(C=cost, dual=True, random_state=0) if head == "svm" else SVC(C=cost, gamma=1 / x.shape[1])
    oracle = make_pipeline(StandardScaler(), machine).fit(x, labels)
    assert isinstance(network, Network)
    with torch.no_grad():
        logits = network.tapped("head.logits")(torch.from_numpy(test.taps["head.features"])).numpy()
    expected = oracle.decision_function(test.taps["head.features"].astype(np.float64))
    scale = (logits * expected).sum() / (expected**2).sum()
    np.testing.assert_allclose(logits / scale, expected, atol=2e-3)
    assert results["test"]["top1"] > 0.5


def test_what_is_held_still_counts_among_the_parameters(run: Path, tmp_path: Path) -> None:
    expected = json.loads((run / "run.json").read_text())["parameters"]
    for head, options in {"svm": {}, "linear": {"cut": "head.features", "freeze": "head.features"}}.items():
        transfer(run, tmp_path / head, epochs=1, head=head, **options)
        assert json.loads((tmp_path / head / "run.json").read_text())["parameters"] == expected


def _train_names(configuration: dict[str, Any], train: FeatureTable) -> np.ndarray:
    """Say which images the run was fitted to: all of train but those of validation."""
    from convworks.config import build
    from convworks.data.config import DataConfig
    from convworks.data.sources.open import open_source
    from convworks.data.split.folds import divide

    divided = divide(open_source("digits"), build(DataConfig, configuration["data"]), configuration["seed"])
    names = set(divided.splits["train"].names)
    return np.array([name in names for name in train.names])


@pytest.mark.parametrize("head", ["svm", "rbf-svm"])
def test_a_machine_that_was_stopped_goes_on(run: Path, tmp_path: Path, head: str) -> None:
    results = transfer(run, tmp_path / "run", head=head)
    before = weights(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    shutil.rmtree(tmp_path / "run" / "bundle")
    write_signed(tmp_path / "run" / "run.json", {**record, "status": "stopped"})
    again = convworks.train(resume=tmp_path / "run")
    assert again["test"] == results["test"]
    assert all(torch.equal(value, before[name]) for name, value in weights(tmp_path / "run").items())
    assert checkpoint_state.steps(tmp_path / "run" / "checkpoints") == [1]


def test_probabilities_of_a_machine_are_calibrated(run: Path, tmp_path: Path) -> None:
    for head in ("svm", "rbf-svm"):
        results = transfer(run, tmp_path / head, head=head)
        assert results["test"]["nll"] < 0.25
        assert results["test"]["ece"] < 0.06


def test_the_factor_is_the_likeliest() -> None:
    rng = np.random.default_rng(0)
    decisions = rng.normal(size=(4000, 3))
    scaled = 3.0 * decisions
    chances = np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in chances])
    assert calibrated(decisions, labels) == pytest.approx(3.0, rel=0.15)


def test_of_costs_the_first_best_is_taken_and_none_after_a_fall() -> None:
    tried = []

    def share(cost: float) -> float:
        tried.append(cost)
        return {1.0: 0.5, 2.0: 0.7, 3.0: 0.7, 4.0: 0.6, 5.0: 0.9}[cost]

    assert best_of((1.0, 2.0, 3.0, 4.0, 5.0), share) == 2.0
    assert tried == [1.0, 2.0, 3.0, 4.0]


def test_no_cost_is_tried_after_one_that_is_always_right() -> None:
    tried = []

    def share(cost: float) -> float:
        tried.append(cost)
        return min(1.0, cost / 2)

    assert best_of((1.0, 2.0, 3.0), share) == 2.0
    assert tried == [1.0, 2.0]


def test_a_network_that_is_named_by_the_options_is_not_exchanged(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="changes the network of the bundle"):
        transfer(run, tmp_path / "run", "model.cut=stem")


@pytest.mark.parametrize(
    ("name", "table", "cut"), [("autoencoder_fc", "{}", "encoder"), ("autoencoder_conv", "{}", "hourglass.down2")]
)
def test_from_an_encoder_to_a_classifier(tmp_path: Path, name: str, table: str, cut: str) -> None:
    convworks.train(model=name, out=tmp_path / "code", epochs=1, device="cpu", overrides=[f"model.table={table}"])
    results = transfer(tmp_path / "code", tmp_path / "run", freeze=cut, epochs=1)
    before, after = weights(tmp_path / "code"), weights(tmp_path / "run")
    kept_names = [key for key in after if not key.startswith("head.")]
    assert kept_names
    assert all(torch.equal(after[key], before[key]) for key in kept_names)
    assert not any("up" in key or "decoder" in key for key in after)
    assert load_bundle(tmp_path / "run").model.cut == cut
    assert 0 < results["test"]["top1"] <= 1
