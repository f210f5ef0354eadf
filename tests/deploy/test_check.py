"""An export that is compared on noise alone is not trusted for giving it all one answer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_bundles import needs, small_bundle

from convworks.deploy.check import DisagreementError, Expected, compare
from convworks.deploy.export import find_format, prove
from convworks.inference.exported.format import BFLOAT16, FLOAT32
from convworks.inference.exported.openvino import description
from convworks.inference.exported.runtime import ExportedRuntime

COUNT, VARIATION = 32, 0.1


@pytest.mark.parametrize(("error", "real", "fails"), [(0.5, True, False), (0.5, False, True), (0.02, False, False)])
def test_equal_answers_to_noise_are_not_enough(error: float, real: bool, fails: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    varied, wrong = (VARIATION * torch.randn(COUNT, 5, generator=generator) for _ in range(2))
    outputs = torch.tensor([9.0, 0, 0, 0, 0]) + varied  # the first class, whatever the sample is
    numbered = torch.arange(COUNT, dtype=torch.uint8)[:, None, None, None].expand(COUNT, 3, 8, 8)
    right = Expected(samples=numbered, real=real, outputs=outputs.numpy(), activated=outputs.softmax(1).numpy())
    bundle = small_bundle("convnet_digits", 8)

    def compute(decoded: np.ndarray) -> list[np.ndarray]:
        approximate = (outputs + error * wrong)[torch.from_numpy(decoded[:, 0, 0, 0]).long()]
        return [approximate.numpy(), approximate.softmax(1).numpy()]

    runtime = ExportedRuntime(name="x", precision=torch.bfloat16, input=bundle.input, compute=compute)
    if fails:
        with pytest.raises(DisagreementError, match="of how much outputs vary over noise, more than 10%"):
            compare(runtime, right, bundle)
        return
    result = compare(runtime, right, bundle)
    assert result.agreement == 1.0
    spread = np.sqrt(np.var(outputs.numpy(), axis=0).mean())
    expected = error * np.sqrt(np.square(wrong.numpy()).mean()) / spread
    assert result.spread_difference == pytest.approx(expected, rel=1e-3)


@needs("openvino")
@pytest.mark.parametrize("source", [None, "digits"])
def test_a_precision_that_was_compared_on_noise_alone_says_so(source: str | None) -> None:
    form = replace(find_format("openvino"), precisions=lambda: (FLOAT32, BFLOAT16))
    proven = prove(small_bundle("convnet_digits", 8), form, source=source)
    told = [line for line in (*proven.warnings, *proven.notes) if "--check SOURCE compares on real samples" in line]
    assert len(told) == (source is None)
    kept = json.loads(description(proven.files))["export"].get("warnings", [])
    assert kept == list(proven.warnings)
    assert proven.samples.real == (source is not None)
