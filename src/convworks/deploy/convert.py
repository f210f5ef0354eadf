"""Converters: from a graph in PyTorch to the files of a format."""

from __future__ import annotations

import io
import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from convworks import files
from convworks.errors import InputError
from convworks.inference.exported.format import SAMPLES, Files, require
from convworks.inference.exported.library import load
from convworks.inference.exported.onnx import SUFFIX as ONNX_SUFFIX
from convworks.inference.exported.openvino import WEIGHTS, XML
from convworks.inference.exported.pt2 import SUFFIX as PT2_SUFFIX

#: From a module, an example of its samples, and the names of what it returns.
Converter = Callable[[nn.Module, np.ndarray, Sequence[str]], Files]
OPSET = 20
TRACED = 3  # samples; from 2 on, the size of a batch counts as one that may change


def to_pt2(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    """Return a module as an exported program of PyTorch."""
    content = io.BytesIO()
    with quiet():
        torch.export.save(_program(module, samples), content)
    return {PT2_SUFFIX: content.getvalue()}


def to_onnx(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    """Return a module as ONNX."""
    return {ONNX_SUFFIX: onnx_model(module, samples, outputs).SerializeToString()}


def to_openvino(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    """Return a module as OpenVINO's graph and weights in float32; InputError if OpenVINO cannot read it."""
    require("openvino", "--format openvino")
    core = load("openvino").Core()
    content = to_onnx(module, samples, outputs)[ONNX_SUFFIX]
    try:
        model = core.read_model(model=content)
    except RuntimeError as error:  # of each operator, what its part of the library says
        named = re.search(r"onversion is failed for: (.+)", str(error))
        last = str(error).strip().splitlines()[-1:]
        reason = f"cannot be converted by OpenVINO ({named[1] if named else ''.join(last)})"
        raise InputError("network", reason, "choose another format, or other operations for these") from error
    return openvino_files(model)


def openvino_files(model: Any) -> Files:
    """Return a model of OpenVINO as its files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{XML}"
        load("openvino").save_model(model, path, compress_to_fp16=False)
        return {suffix: files.read_bytes(path.with_suffix(suffix)) for suffix in (XML, WEIGHTS)}


def onnx_model(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Any:
    """Return a module as an ONNX message, without names of the files and lines that it was traced from."""
    for library in ("onnx", "onnxscript"):
        require(library, "--format")
    with quiet():
        program = _program(module, samples)
        try:
            exported = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, output_names=list(outputs), verbose=False
            )
        except Exception as error:  # a family of its own for every step of the exporter
            raise _untraceable(error) from error
    assert exported is not None  # as whenever no file is named
    model = exported.model_proto
    for message in (*model.graph.node, *model.graph.value_info, model.graph, *model.functions):
        del message.metadata_props[:]
    return model


CONVERTERS: dict[str, Converter] = {"onnx": to_onnx, "openvino": to_openvino, "pt2": to_pt2}


def _program(module: nn.Module, samples: np.ndarray) -> torch.export.ExportedProgram:
    """Trace a module for batches of any size; InputError, with the operator, for one that cannot be traced."""
    example = torch.from_numpy(np.resize(samples, (TRACED, *samples.shape[1:])))
    batch = torch.export.Dim("batch")
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, (example,), dynamic_shapes={SAMPLES: {0: batch}}, strict=False)
    except Exception as error:  # whatever the code of the network raises while it is traced
        raise _untraceable(error) from error


def _untraceable(error: BaseException) -> InputError:
    """Return the error of a network that cannot be exported, with the operator where the exporter names it."""
    chain: BaseException | None = error
    operator = None
    while chain is not None and operator is None:
        operator = re.search(r"OpOverload\(op='([^']+)'|(?:operator|function for) '?<?([\w.:]+)", str(chain))
        reason, chain = _first_line(chain), chain.__cause__ or chain.__context__
    name = next((text for text in operator.groups() if text), "") if operator else ""
    if "data-dependent" in str(error):
        reason = "what it computes depends on the values of an image"
    what = f"has an operator that cannot be exported: {name}" if name else f"cannot be traced ({reason})"
    return InputError("network", what, "compute it with other operations of PyTorch, without branches on values")


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what exporters say of themselves; whether the export is right is measured."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
