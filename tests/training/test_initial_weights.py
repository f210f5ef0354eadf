"""First weights by the configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import convworks
from convworks.errors import InputError, RunError
from convworks.ops import initialiser
from convworks.signed import write_signed
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.setup import Setup


class Kept(Events):
    """Keeps the weights of the first step."""

    def __init__(self) -> None:
        self.weights: dict[str, torch.Tensor] = {}

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.step == 1:
            self.weights = {name: tensor.detach().clone() for name, tensor in setup.parameters.items()}


def first(tmp_path: Path, name: str, *more: str) -> dict[str, torch.Tensor]:
    recorder = Kept()
    overrides = [f"model.initialiser={name}", "training.schedule={'kind':'constant','rate':1e-12}", *more]
    convworks.train(epochs=1, out=tmp_path / name, overrides=overrides, events=[recorder])
    return recorder.weights


@pytest.mark.parametrize("name", ["he_normal", "orthogonal", "xavier_uniform"])
def test_weights_are_those_of_the_initialiser(name: str, tmp_path: Path) -> None:
    weight = first(tmp_path, name)["stages.stage1.conv.weight"].double()
    fan_in = weight[0].numel()
    expected = {
        "he_normal": 2 / fan_in,
        "orthogonal": 1 / max(weight.shape[0], fan_in),
        "xavier_uniform": 2 / (fan_in + weight.shape[0] * 9),
    }[name]
    assert float(weight.var()) == pytest.approx(expected, rel=0.1)
    if name == "orthogonal":
        rows = weight.flatten(1)
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), rtol=0, atol=1e-5)


def test_unit_variance_is_fitted_to_training_images(tmp_path: Path) -> None:
    weights_before = first(tmp_path, "unit_variance")
    assert weights_before.keys() == first(tmp_path, "he_normal").keys()
    rows = weights_before["stages.stage1.conv.weight"].flatten(1)
    norms = rows.norm(dim=1)
    assert float(norms.std() / norms.mean()) < 1e-4  # orthogonal up to one factor


def test_the_names_are_those_of_the_definitions() -> None:
    with pytest.raises(InputError, match=r"model\.initialiser: 'orthogonl' is not known.*'orthogonal'.*unit_variance"):
        convworks.train(overrides=["model.initialiser=orthogonl"])
    assert "orthogonal" in initialiser.INITIALISERS


def test_all_zeros_learn_nothing_but_biases(tmp_path: Path) -> None:
    """Lecture 001: is it a good idea? No."""
    results = convworks.train(epochs=1, out=tmp_path / "zeros", overrides=["model.initialiser=zeros"])
    assert results["test"]["top1"] < 0.2


def test_an_own_loss_is_wanted_again_when_the_run_goes_on(tmp_path: Path) -> None:
    def mine(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.multi_margin_loss(logits, labels)

    options: dict[str, Any] = {"loss": mine}
    convworks.train(epochs=1, out=tmp_path / "run", **options)
    with pytest.raises(InputError, match=r"uses a custom loss, '.*mine'"):
        convworks.train(resume=tmp_path / "run", epochs="+1")
    results = convworks.train(resume=tmp_path / "run", epochs="+1", **options)
    assert results["epochs"] == 2


def test_a_run_that_is_extended_goes_on_from_its_end(tmp_path: Path) -> None:
    constant = ["training.schedule={'kind':'constant','rate':0.01}"]
    convworks.train(epochs=3, out=tmp_path / "whole", overrides=constant, deterministic=True)
    convworks.train(epochs=1, out=tmp_path / "run", overrides=constant, deterministic=True)
    convworks.train(resume=tmp_path / "run", epochs="+1")
    convworks.train(resume=tmp_path / "run", epochs=3)
    whole, run = (load_file(max((tmp_path / n).glob("checkpoints/*.safetensors"))) for n in ("whole", "run"))
    assert all(torch.equal(whole[name], run[name]) for name in whole)


def test_a_loss_that_is_no_number_names_the_gradients(tmp_path: Path) -> None:
    def broken(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (logits.sum() * 0).log()

    with pytest.raises(RunError, match=r"step 0 is -inf .*largest gradients: \S+ nan"):
        convworks.train(epochs=1, out=tmp_path / "run", loss=broken)
    assert not (tmp_path / "run").exists()


def test_a_run_killed_before_its_first_checkpoint_begins_with_the_same_weights(tmp_path: Path) -> None:
    options: dict[str, Any] = {"overrides": ["model.initialiser=orthogonal"], "deterministic": True, "epochs": 2}
    convworks.train(out=tmp_path / "whole", **options)
    shutil.copytree(tmp_path / "whole", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    write_signed(tmp_path / "run" / "run.json", record | {"status": "running"})
    convworks.train(resume=tmp_path / "run")
    whole, run = (load_file(tmp_path / name / "bundle" / "weights.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], run[name]) for name in whole)


@pytest.mark.slow
def test_a_run_that_patience_ended_goes_on_with_more_of_it(tmp_path: Path) -> None:
    rate = ["training.schedule={'kind':'constant','rate':1e-9}", "training.patience=1"]
    results = convworks.train(epochs=20, out=tmp_path / "run", overrides=rate, deterministic=True)
    done = results["epochs"]
    assert done < 20
    with pytest.raises(InputError, match=rf"patience=1 ended the run after {done} epochs.*patience=11"):
        convworks.train(resume=tmp_path / "run", epochs="+2")
    more = convworks.train(resume=tmp_path / "run", epochs="+2", overrides=["training.patience=50"])
    assert more["epochs"] == done + 2


def test_another_loss_than_the_runs_is_refused(tmp_path: Path) -> None:
    convworks.train(epochs=1, out=tmp_path / "run")
    with pytest.raises(InputError, match="loss: the run was trained with another loss than 'multi_margin_loss'"):
        convworks.train(resume=tmp_path / "run", epochs="+1", loss=torch.nn.functional.multi_margin_loss)


def test_weights_that_are_not_finite_replace_no_checkpoint(tmp_path: Path) -> None:
    calls = iter(range(10_000))

    def breaking(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        extra = (logits.sum() * 0).sqrt() if next(calls) == 5 else 0  # its value is 0, its derivative is not finite
        return torch.nn.functional.cross_entropy(logits, labels) + extra

    with pytest.raises(RunError, match=r"after step \d+, .* holds .* NaN or infinite|loss at step \d+ is nan"):
        convworks.train(epochs=3, out=tmp_path / "run", loss=breaking, overrides=["training.checkpoint_seconds=1e-9"])
    for path in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_the_next_best_epoch_takes_the_place_of_one_whose_checkpoint_is_gone(tmp_path: Path) -> None:
    keep = ["training.keep_last=9", "training.keep_best=9"]
    convworks.train(epochs=3, out=tmp_path / "run", overrides=keep)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: (row["validation_top1"], -row["validation_loss"]))
    for path in (tmp_path / "run" / "checkpoints").glob(f"step-{best['step']:08d}.*"):
        if best["step"] != rows[-1]["step"]:
            path.unlink()
    results = convworks.train(resume=tmp_path / "run", epochs="+1")
    assert results["epochs"] == 4


def test_a_loss_must_be_one_number(tmp_path: Path) -> None:
    def several(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    with pytest.raises(InputError, match=r"loss: returns shape .* for a batch.*mean"):
        convworks.train(epochs=1, out=tmp_path / "run", loss=several)


def test_accumulation_that_leaves_single_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="64 in 60 parts gives single images"):
        convworks.train(epochs=1, out=tmp_path / "run", model="resnet18", overrides=["training.accumulation=60"])
