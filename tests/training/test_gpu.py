"""Runs on a CUDA device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import convworks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_on_cuda_learns_and_its_bundle_works_on_the_cpu(tmp_path: Path, precision: str) -> None:
    results = convworks.train(device="cuda", epochs=10, out=tmp_path / "run", overrides=[f"precision={precision!r}"])
    assert results["test"]["top1"] > 0.95
    on_cpu = convworks.load(results["bundle"], device="cpu").evaluate("digits")
    assert on_cpu["top1"] == pytest.approx(results["test"]["top1"], abs=0.01)


def test_deterministic_runs_on_cuda_repeat(tmp_path: Path) -> None:
    runs = [convworks.train(device="cuda", epochs=3, deterministic=True, out=tmp_path / name) for name in "ab"]
    assert runs[0]["validation"] == runs[1]["validation"]
    assert runs[0]["test"] == runs[1]["test"]
