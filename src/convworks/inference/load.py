"""A bundle or an exported file, loaded onto a device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from convworks.bundle.bundle import Described, described, load_bundle
from convworks.bundle.description import is_exported
from convworks.bundle.pretrained import locate
from convworks.config import build
from convworks.errors import InputError, brief
from convworks.files import path_of
from convworks.hardware import check_precision, choose_device, choose_precision, keep_memory
from convworks.inference.exported.predictor import check_machine
from convworks.inference.exported.read import Exported, read_exported
from convworks.inference.exported.runtime import runtime_of
from convworks.inference.predictor import Predictor
from convworks.layers.normalisation.folded import folded
from convworks.models.config import ModelConfig

D = TypeVar("D", bound=Described)


@brief
def load(
    path: str | Path, *, device: str = "auto", precision: str = "auto", max_pixels: int | None = None
) -> Predictor:
    """Load a bundle, the bundle of a run folder, an exported file, or published weights by name (resnet50:imagenet).

    `precision` is float32, bfloat16, or auto: that of the training, if the hardware supports it. Images with more than
    `max_pixels` pixels are rejected; the default is the limit during training.
    """
    check_precision(precision)
    if is_exported(path):
        return _load_exported(path_of(path), device, precision, max_pixels)
    chosen = choose_device(device)
    bundle = limited(load_bundle(locate(path)), max_pixels)
    if precision == "auto" and bundle.record.get("precision") == "float32":
        precision = "float32"
    keep_memory(chosen)
    bundle.network.to(chosen)
    return Predictor(bundle=bundle, network=folded(bundle.network), precision=choose_precision(precision, chosen))


def _load_exported(path: Path, device: str, precision: str, max_pixels: int | None) -> Predictor:
    """Return an exported file in use, on the CPU; InputError for another device, or a library that is missing."""
    exported = read_exported(path)
    check_machine(exported, device)
    bundle = limited(_described(exported), max_pixels)
    chosen = exported.choose(precision)
    runtime = runtime_of(exported.format, exported.start(chosen), bundle.input, chosen)
    return Predictor(bundle=bundle, precision=runtime.precision, chosen=runtime)


def _described(exported: Exported) -> Described:
    """Return what is needed to use an exported network; one of the user's own is known by its name alone."""
    text = exported.description["model"]
    try:
        model = build(ModelConfig, text, where="model")
    except InputError:
        model = ModelConfig.model_construct(name=text["name"])
    return described(exported.description, model, exported.path)


def limited(bundle: D, max_pixels: int | None) -> D:
    """Return a bundle that refuses images with more pixels; None keeps its own limit."""
    if max_pixels is None:
        return bundle
    return replace(bundle, preprocessing=bundle.preprocessing.with_limit(max_pixels))
