"""Quantisation to int8 by NNCF: ever less of a network, until it answers as in float32.

At first all of it but the normalisation; then without its additions, since what a residual network adds up spans a
range of which eight bits keep too little; then without its first layer, whose pixels are rounded a second time; then
without the layers that cost the most answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from convworks.bundle.bundle import Bundle
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import TRAIN
from convworks.deploy.convert import openvino_files, quiet
from convworks.deploy.samples import spread
from convworks.errors import InputError
from convworks.hardware import has_vnni
from convworks.inference.exported.format import FLOAT32, OUTPUTS, SAMPLES, Compute, Files, require
from convworks.inference.exported.library import load
from convworks.inference.exported.onnx import SUFFIX, open_session
from convworks.inference.exported.openvino import WEIGHTS, XML, open_model
from convworks.inference.predictor import choose_split

#: Samples that the ranges of values are taken from, and those of them that layers are ranked with.
CALIBRATED, RANKED = 300, 64
#: Layers are ranked in at most so many groups, of which these shares are left out.
GROUPS, SHARES = 16, (0.125, 0.25, 0.5)
BATCH = 16
ADDITIONS, FIRST = "additions", "the first layer"


class Operation(NamedTuple):
    """An operation of a graph: its name, its kind, and how many of its operands are computed rather than constant."""

    name: str
    kind: str
    computed: int


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A format as NNCF quantises it: which operations have weights, and how a model is read, written and started."""

    layers: tuple[str, ...]
    read: Callable[[Files], Any]
    write: Callable[[Any], Files]
    operations: Callable[[Any], list[Operation]]
    as_input: Callable[[np.ndarray], Any]
    start: Callable[[Files, str, tuple[str, ...]], Compute]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A network in int8, and what of it stays in float32."""

    files: Files
    exact: tuple[str, ...]


def _read_openvino(files: Files) -> Any:
    return load("openvino").Core().read_model(model=files[XML], weights=files[WEIGHTS])


def _operations_openvino(model: Any) -> list[Operation]:
    """List the operations in the order of computation."""
    operations, constant = [], set()
    for each in model.get_ordered_ops():
        operands = [value.get_source_output().get_node().get_friendly_name() for value in each.inputs()]
        computed = sum(name not in constant for name in operands)
        if not computed and each.get_type_name() != "Parameter":
            constant.add(each.get_friendly_name())
        operations.append(Operation(each.get_friendly_name(), each.get_type_name(), computed))
    return operations


def _read_onnx(files: Files) -> Any:
    import onnx

    load("onnxruntime")  # before NNCF imports it
    return onnx.load_from_string(files[SUFFIX])


def _operations_onnx(model: Any) -> list[Operation]:
    """List the operations in the order of computation."""
    operations, constant = [], {value.name for value in model.graph.initializer}
    for node in model.graph.node:
        computed = sum(name not in constant for name in node.input)
        if not computed:
            constant.update(node.output)
        operations.append(Operation(node.name, node.op_type, computed))
    return operations


#: How each format that has int8 is quantised.
BACKENDS = {
    "onnx": Backend(
        layers=("Conv", "ConvTranspose", "Gemm", "MatMul"),
        read=_read_onnx,
        write=lambda model: {SUFFIX: model.SerializeToString()},
        operations=_operations_onnx,
        as_input=lambda sample: {SAMPLES: sample},
        start=open_session,
    ),
    "openvino": Backend(
        layers=("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"),
        read=_read_openvino,
        write=openvino_files,
        operations=_operations_openvino,
        as_input=lambda sample: sample,
        start=open_model,
    ),
}


def check_int8(form: str) -> None:
    """Raise InputError for a format without int8, or if NNCF is not installed."""
    if form not in BACKENDS:
        raise InputError("--int8", f"is not for {form}", f"choose --format {' or '.join(BACKENDS)}")
    require("nncf", "--int8")


def full_range() -> bool:
    """Return whether weights have all eight bits: only a processor with VNNI then adds up products without overflow."""
    return has_vnni() is True


def calibration(source: Source) -> Split:
    """Return the split of a source that it is calibrated on: the train split, where it has one."""
    return source.splits.get(TRAIN) or choose_split(source, None)[1]


def quantised(bundle: Bundle, form: str, files: Files, source: Source) -> Iterator[Attempt]:
    """Yield an exported network in int8, each time with more of it in float32; calibrated on `source`.

    The samples are those of `calibration`.
    """
    work = _Work(BACKENDS[form], files, bundle.input.decoded(spread(bundle, calibration(source), CALIBRATED)))
    exact, words = work.before, list[str]()
    yield Attempt(files=work.plain(exact), exact=())
    for names, word in ((work.additions, ADDITIONS), (work.first, FIRST)):
        if names:
            exact, words = exact + names, [*words, word]
            yield Attempt(files=work.plain(exact), exact=tuple(words))
    order = work.ranked(exact)
    for share in SHARES if order else ():
        left = [name for group in order[: math.ceil(share * len(order))] for name in group]
        costly = f"the {len(left)} layers that cost most" if len(left) > 1 else "the layer that costs most"
        yield Attempt(files=work.plain(exact + left), exact=(*words, costly))


class _Work:
    """A network being quantised."""

    def __init__(self, backend: Backend, files: Files, samples: np.ndarray) -> None:
        self.backend, self.files = backend, files
        self.samples = [samples[index : index + 1] for index in range(len(samples))]
        operations, layers = backend.operations(backend.read(files)), backend.layers
        self.before = [each.name for each in takewhile(lambda each: each.kind not in layers, operations)]
        self.layers = [each.name for each in operations if each.kind in layers]
        self.first = self.layers[:1]
        self.additions = [each.name for each in operations if each.kind == "Add" and each.computed == 2]

    def plain(self, exact: list[str], count: int = CALIBRATED) -> Files:
        """Quantise all but some operations, calibrated on so many samples."""
        samples = self.samples[:: max(1, len(self.samples) // count)][:count]
        with quiet():
            nncf = load("nncf")
            nncf.set_log_level(40)
            data = nncf.Dataset(samples, self.backend.as_input)
            options = {"subset_size": len(samples), **self._options(nncf, exact)}
            return self.backend.write(nncf.quantize(self.backend.read(self.files), data, **options))

    def ranked(self, exact: list[str]) -> list[list[str]]:
        """Return groups of layers that follow each other, first those without which the outputs differ least."""
        layers = [name for name in self.layers if name not in exact]
        size = max(1, math.ceil(len(layers) / GROUPS))
        groups = [layers[first : first + size] for first in range(0, len(layers), size)]
        right = self._outputs(self.files)
        errors = [np.square(self._outputs(self.plain(exact + group, RANKED)) - right).mean() for group in groups]
        return [groups[index] for index in np.argsort(errors, kind="stable")]

    def _outputs(self, files: Files) -> np.ndarray:
        """Return the outputs for the samples that layers are ranked with."""
        compute = self.backend.start(files, FLOAT32, (OUTPUTS,))
        samples = self.samples[:: max(1, len(self.samples) // RANKED)][:RANKED]
        pieces = [np.concatenate(samples[first : first + BATCH]) for first in range(0, len(samples), BATCH)]
        return np.concatenate([compute(piece)[0] for piece in pieces])

    def _options(self, nncf: Any, exact: list[str]) -> dict[str, Any]:
        """Return the options of NNCF.

        Ranges that hold all values, and biases that are not corrected, change the fewest answers of residual networks.
        """
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        return {
            "preset": nncf.QuantizationPreset.MIXED,
            "ignored_scope": nncf.IgnoredScope(names=exact, validate=False),
            "advanced_parameters": nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE if full_range() else nncf.OverflowFix.ENABLE,
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                disable_bias_correction=True,
            ),
        }
