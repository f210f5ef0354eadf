"""What a view takes, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convworks.charts.drawing import Drawing
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.explain.features.layer import Layer, check_channels, layer_at, outputs_at
from convworks.explain.features.views.options import Options
from convworks.explain.taps import call_of
from convworks.inference.predictor import Predictor
from convworks.layers.network import Network


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image by name, as it is stored: uint8 [c, h, w]."""

    name: str
    pixels: Tensor


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is looked at: a loaded bundle and its path, images or a source, and the options of the view."""

    path: Path
    predictor: Predictor
    images: Sequence[Sample]
    source: Source | None
    options: Options

    @property
    def network(self) -> Network:
        """The network as it was trained; InputError if it reads no images."""
        bundle = self.predictor.bundle
        if self.predictor.input.reads != "images":
            raise InputError(bundle.model.name, f"reads {self.predictor.input.reads}, not images", "name another")
        return self.predictor.trained

    def layer(self, default: Callable[[Network], str]) -> Layer:
        """Return the layer whose weights are looked at."""
        tap = self.options.tap
        return layer_at(self.network, default(self.network) if tap is None else tap)

    def activation(self, default: Callable[[Network], str]) -> Layer:
        """Return the layer whose output is looked at; InputError, before anything long begins, if it has not one."""
        layer = self.layer(default)
        with torch.inference_mode():
            outputs_at(self.network, layer, self.predictor.input.example(device=self.predictor.runtime.device))
        return replace(layer, once=call_of(layer.name)[1] is None)

    @property
    def seed(self) -> int:
        """The random seed."""
        return self.options.seed or 0

    def chosen(self, layer: Layer, count: int, most: int) -> tuple[int, ...]:
        """Return the channels that are shown, by default the first; InputError for one that is not there."""
        if self.options.channels is None:
            return tuple(range(min(count, most)))
        check_channels(layer, self.options.channels, count)
        return self.options.channels


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture with its numbers: `name` is that of its files, `values` is what `--json` gives, `lines` the same."""

    name: str
    drawing: Drawing
    arrays: Mapping[str, np.ndarray]
    values: Mapping[str, Any]
    lines: Sequence[str]


def left_out(shown: int, count: int, what: str) -> list[str]:
    """Say how many there are besides those that are shown, if any."""
    return [f"{shown} of {count} {what}; choose others with --channels"] if shown < count else []
