"""Quantisation to int8 by NNCF, with the fix for processors without VNNI: no sum of products can overflow on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN
from convworks.deploy.convert import openvino_files, quiet
from convworks.deploy.samples import spread
from convworks.errors import InputError, RunError
from convworks.inference.exported.format import SAMPLES, Files, require
from convworks.inference.exported.onnx import SUFFIX
from convworks.inference.exported.openvino import WEIGHTS, XML
from convworks.inference.predictor import Predictor, choose_split
from convworks.inference.runtime import Runtime

#: Samples that the ranges of values are taken from.
CALIBRATED = 300
MAX_DROP = 0.5


@dataclass(frozen=True, kw_only=True)
class Drop:
    """The headline metric of a network before and after, and the drop in points (dB, where it is in dB)."""

    metric: str
    before: float
    after: float
    points: float
    samples: int


def quantise_openvino(files: Files, samples: list[np.ndarray]) -> Files:
    """Return a network of OpenVINO in int8, calibrated on samples."""
    import openvino

    model = openvino.Core().read_model(model=files[XML], weights=files[WEIGHTS])
    return openvino_files(_quantised(model, samples, lambda sample: sample))


def quantise_onnx(files: Files, samples: list[np.ndarray]) -> Files:
    """Return a network of ONNX in int8, calibrated on samples."""
    import onnx

    model = onnx.load_from_string(files[SUFFIX])
    quantised: bytes = _quantised(model, samples, lambda sample: {SAMPLES: sample}).SerializeToString()
    return {SUFFIX: quantised}


#: How each format that has int8 is quantised.
QUANTISERS: dict[str, Callable[[Files, list[np.ndarray]], Files]] = {
    "onnx": quantise_onnx,
    "openvino": quantise_openvino,
}


def check_int8(form: str) -> None:
    """Raise InputError for a format without int8, or if NNCF is not installed."""
    if form not in QUANTISERS:
        raise InputError("--int8", f"is not for {form}", f"choose --format {' or '.join(QUANTISERS)}")
    require("nncf", "--int8")


def quantise(bundle: Bundle, form: str, files: Files, source: Source) -> Files:
    """Return an exported network in int8, calibrated on the train split of a source, else on any."""
    split = source.splits.get(TRAIN) or choose_split(source, None)[1]
    batch: Tensor = spread(bundle, split, CALIBRATED)
    samples = [bundle.input.decoded(batch[index : index + 1]) for index in range(len(batch))]
    return QUANTISERS[form](files, samples)


def measure_drop(bundle: Bundle, runtime: Runtime, source: Source, max_drop: float | None) -> Drop:
    """Measure a network in float32 and a runtime of it on a source.

    Raises RunError for a drop of more points than `max_drop`, InputError if the source does not fit the task.
    """
    metric = bundle.task.headline
    network = Predictor(bundle=bundle, network=bundle.network, precision=torch.float32)
    exported = Predictor(bundle=bundle, precision=runtime.precision, chosen=runtime)
    before, after = (each.evaluate(source) for each in (network, exported))
    points = (before[metric.name] - after[metric.name]) * metric.sign * (100 if metric.unit == "fraction" else 1)
    drop = Drop(
        metric=metric.name, before=before[metric.name], after=after[metric.name], points=points, samples=before["n"]
    )
    limit = MAX_DROP if max_drop is None else max_drop
    if not points <= limit:
        reason = (
            f"loses {points:.2f} points of {metric.title} on {source.name} ({metric.write(drop.before)} to "
            f"{metric.write(drop.after)}), more than {limit:g}; nothing was written"
        )
        raise RunError("--int8", reason, "calibrate on more varied samples, raise --max-drop, or leave out --int8")
    return drop


def _quantised(model: Any, samples: list[np.ndarray], as_input: Callable[[np.ndarray], Any]) -> Any:
    with quiet():
        import nncf

        nncf.set_log_level(40)
        return nncf.quantize(
            model,
            nncf.Dataset(samples, as_input),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
        )
