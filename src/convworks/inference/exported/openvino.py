"""OpenVINO's own format: a graph as XML, whose last line holds the description, and its weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from html import escape, unescape

import numpy as np

from convworks.hardware import threads
from convworks.inference.exported.format import BFLOAT16, FLOAT32, KEY, SAMPLES, Compute, Files, Format
from convworks.inference.exported.library import load

XML, WEIGHTS = ".xml", ".bin"
ENTRY = re.compile(rf'\t<rt_info>\n\t\t<{KEY} value="([^"]*)" />\n\t</rt_info>\n</net>\n\Z')
END = re.compile(r"\t<rt_info>.*?</rt_info>\s*</net>\s*$|</net>\s*$", re.DOTALL)


def seal(files: Files, text: str) -> Files:
    """Write the description into the metadata of the graph, in the place of the version of OpenVINO."""
    graph = END.sub("", files[XML].decode())
    last = f'\t<rt_info>\n\t\t<{KEY} value="{escape(text)}" />\n\t</rt_info>\n</net>\n'
    return {**files, XML: (graph + last).encode()}


def description(files: Files) -> str:
    """Return the description; ValueError if the graph does not end with one, exactly as `seal` writes it."""
    match = ENTRY.search(files[XML].decode())
    if match is None or files != seal(files, text := unescape(match[1])):
        raise ValueError("no description, or not as it was written")
    return text


def digest(files: Files) -> str:
    """Return the checksum of the graph without the metadata, and of the weights."""
    parts = (END.sub("", files[XML].decode()).encode(), files[WEIGHTS])
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@cache
def precisions() -> tuple[str, ...]:
    """Return float32, and bfloat16 where OpenVINO says that the processor multiplies it."""
    capabilities = load("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return (FLOAT32, *([BFLOAT16] if "BF16" in capabilities else []))


def open_model(files: Files, precision: str, names: Sequence[str]) -> Compute:
    """Return the function that computes the named outputs; OpenVINO by itself would choose the precision."""
    core = load("openvino").Core()
    hint = "bf16" if precision == BFLOAT16 else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads(), "PERFORMANCE_HINT": "LATENCY"}
    model = core.compile_model(core.read_model(model=files[XML], weights=files[WEIGHTS]), "CPU", settings)
    request = model.create_infer_request()

    def compute(samples: np.ndarray) -> list[np.ndarray]:
        results = request.infer({SAMPLES: samples})
        return [results[name] for name in names]

    return compute


OPENVINO = Format(
    name="openvino",
    suffixes=(XML, WEIGHTS),
    library="openvino",
    precisions=precisions,
    seal=seal,
    description=description,
    digest=digest,
    start=open_model,
)
