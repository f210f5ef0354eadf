"""A bundle in use: `convworks.load(path)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import nn

from convworks.bundle.bundle import Bundle, load_bundle
from convworks.bundle.pretrained import locate
from convworks.console import counting
from convworks.data.decode.any_image import Images, OneImage, list_images, read_image
from convworks.data.decode.load import load_images
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import needed, to_input
from convworks.data.decode.quiet import quiet
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import ALL, TEST, TRAIN, VALIDATION
from convworks.errors import ConvworksError, InputError, RunError
from convworks.hardware import check_precision, choose_device, choose_precision, keep_memory
from convworks.inference.answers import activated, collect
from convworks.inference.features import features, named_pool
from convworks.inference.protocol import CENTER, named
from convworks.inference.runtime import Runtime, TorchRuntime, cast_once
from convworks.inference.test_time_views import Cost, activated_by, counter, prepared
from convworks.layers.cut import default_cut
from convworks.layers.network import Network
from convworks.layers.normalisation.folded import folded
from convworks.models.transfer.adapted import makes_logits
from convworks.tasks.outcome import Outcome, Pooled
from convworks.tasks.task import Known, Task

PIECE = 256  # files decoded at a time


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A loaded bundle on a device; `network` is made ready for prediction (layers/normalisation/folded.py)."""

    bundle: Bundle
    network: nn.Module
    precision: torch.dtype

    @cached_property
    def runtime(self) -> Runtime:
        """What computes: the network with its weights cast once to the precision of their products."""
        ready = cast_once(self.network, self.precision)
        return TorchRuntime(network=ready, preprocessing=self.bundle.preprocessing, precision=self.precision)

    @property
    def task(self) -> Task:
        """What is asked of the network."""
        return self.bundle.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.bundle.classes

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is an image, not several
        self, images: str | PathLike[str] | bytes | Image.Image, *, top: int = 5
    ) -> dict[str, Any]: ...
    @overload
    def predict(self, images: np.ndarray | torch.Tensor, *, top: int = 5) -> Any: ...
    @overload
    def predict(self, images: Iterable[OneImage], *, top: int = 5) -> list[dict[str, Any]]: ...
    def predict(self, images: Any, *, top: int = 5) -> Any:
        """Classify an image, or several: paths, bytes of files, Pillow images, uint8 arrays or tensors (any_image.py).

        Returns, for each image, {"path", "labels", "probabilities"}: the `top` most probable class names first; where
        images show any number of classes also "predicted", those of a probability of at least 0.5. Several images give
        a list, one image alone gives its answer alone.
        """
        self._require(picture=False)
        _check_top(top)
        listed = list_images(images)
        if not listed.images:
            return []
        rows = activated(self.task, self.runtime, self._inputs(listed))
        paths = [str(image) if isinstance(image, str | PathLike) else None for image in listed.images]
        answers = [self.task.answer(path, row, self.classes, top) for path, row in zip(paths, rows, strict=True)]
        return answers[0] if listed.alone else answers

    def reconstruct(self, images: OneImage | Iterable[OneImage]) -> UInt8[np.ndarray, "*n h w c"]:
        """Return what the network makes of images such as `predict` takes, as bytes: [n, h, w, c], of one [h, w, c]."""
        picture = self._require(picture=True)
        listed = list_images(images)
        if not listed.images:
            return np.empty((0, *self.bundle.preprocessing.size, self.bundle.preprocessing.channels), np.uint8)
        outputs = activated(self.task, self.runtime, self._inputs(listed))
        pictures = np.stack([picture(output) for output in outputs])
        return pictures[0] if listed.alone else pictures

    def features(
        self, images: OneImage | Iterable[OneImage], *, taps: Sequence[str] = (), pool: str = "average"
    ) -> dict[str, Float32[np.ndarray, "*n f"]]:
        """Return the vectors at some taps (the one before the last layer) for images such as `predict` takes.

        Each tap gives an array [n, f], of one image alone [f]. `pool` says what becomes of maps: average, max, or none
        (all their values). Raises InputError for a tap, or a way of pooling, that there is not.
        """
        way, chosen = named_pool(pool), self.tapped(taps)
        listed = list_images(images)
        given = self.bundle.preprocessing
        none = torch.zeros(1, *given.shape, dtype=torch.uint8)  # says how long the vectors are
        inputs = self._inputs(listed) if listed.images else none
        found = features(self.trained, inputs, given, self.precision, chosen, way)
        if listed.alone:
            return {tap: values[0] for tap, values in found.items()}
        return {tap: values[: len(listed.images)] for tap, values in found.items()}

    @property
    def trained(self) -> Network:
        """The network as it was trained: made ready for prediction, some of its taps would give other maps."""
        assert isinstance(self.bundle.network, Network)  # as of every bundle from the disk
        return self.bundle.network

    def tapped(self, taps: Sequence[str] = ()) -> tuple[str, ...]:
        """Return these taps, each once, by default the one before the last layer; InputError where there is no such."""
        chosen = tuple(dict.fromkeys(taps)) or (default_cut(self.trained, encoder=not makes_logits(self.bundle.model)),)
        for tap in chosen:
            self.trained.tapped(tap)
        return chosen

    def predict_files(self, files: Sequence[Path], *, top: int = 5) -> Iterator[dict[str, Any]]:
        """Say what is asked about many files, in order; one without an answer gives {"path", "error"} instead."""
        _check_top(top)
        with quiet(), ThreadPoolExecutor() as pool:
            for first in range(0, len(files), PIECE):
                piece = files[first : first + PIECE]
                decoded = list(pool.map(self._try, piece))
                good = [array for array in decoded if isinstance(array, np.ndarray)]
                outputs = _each(partial(activated, self.task, self.runtime), good)
                for path, array in zip(piece, decoded, strict=True):
                    output = next(outputs) if isinstance(array, np.ndarray) else array
                    if isinstance(output, ConvworksError):
                        yield {"path": str(path), "error": output.reason}
                    else:
                        yield self.task.answer(str(path), output, self.classes, top)

    def _try(self, path: Path) -> np.ndarray | InputError:
        try:
            return load_image(path, self.bundle.preprocessing)
        except InputError as error:
            return error

    def evaluate(self, source: str | Path | Source, *, split: str | None = None) -> dict[str, Any]:
        """Measure the bundle on a labelled source: top1 (or map), n, 95 % interval and more, as fractions.

        What is measured depends on the task; a bundle that makes images needs no labels.
        """
        metrics: dict[str, Any] = self.outcome(source, split=split).summary()
        return metrics

    def outcome(self, source: str | Path | Source, *, split: str | None = None, protocol: str = CENTER) -> Any:
        """Return what the network says about a split: by default test, else validation, train or all.

        What kind of outcome that is depends on the task (tasks/outcomes/).
        """
        return self.measured(source, split=split, protocol=protocol)[0]

    def measured(
        self, source: str | Path | Source, *, split: str | None = None, protocol: str = CENTER
    ) -> tuple[Outcome, Cost]:
        """Return what the network says about a split by a protocol (inference/protocol.py), and what it took.

        Raises InputError for a protocol that there is not, or that the network cannot do, and for targets that do not
        fit the bundle.
        """
        wanted, task = named(protocol), self.task
        opened = source if isinstance(source, Source) else open_source(source)
        name, chosen = choose_split(opened, split)
        chosen = task.target.match(opened, chosen, self.classes)
        known = Known(split=chosen, name=name, classes=self.classes, corruption=self.bundle.corruption)
        given = self.bundle.preprocessing
        if protocol == CENTER:
            started = time.perf_counter()
            outcome = collect(task, self.runtime, load_images(chosen, given), known)
            macs = counter(self.network, given.channels)(given.size)
            seconds = time.perf_counter() - started
            return outcome, Cost(views=1.0, macs=float(macs), images_per_second=len(chosen) / seconds)
        make = self._require_outcome()
        with counting(f"{protocol} on {name}") as report:
            values, cost = activated_by(wanted, self.network, chosen, given, self.precision, task, report)
        return make(known, values), cost

    def check_protocol(self, protocol: str) -> None:
        """Raise InputError for a protocol that there is not, or that the network cannot do; decodes nothing."""
        if protocol != CENTER:
            self._require_outcome()
        prepared(named(protocol), self.network, self.bundle.preprocessing)

    def _require_outcome(self) -> Callable[[Known, np.ndarray], Pooled]:
        """Return what makes an outcome of averaged outputs; InputError where that means nothing."""
        if self.task.outcome is None:
            reason = f"is for networks whose answers can be averaged, but this one {self.task.does}"
            raise InputError("--protocol", reason, "leave it out")
        return self.task.outcome

    def _require(self, *, picture: bool) -> Callable[[np.ndarray], np.ndarray]:
        """Return what makes a picture of an answer; InputError where answers are, or are not, pictures."""
        if (self.task.picture is not None) != picture:
            use = "predict, or an autoencoder" if picture else "reconstruct"
            wanted = "makes no images" if picture else "says nothing in words"
            raise InputError(self.bundle.model.name, f"{self.task.does}, it {wanted}", f"use {use}")
        return self.task.picture or np.asarray

    def _inputs(self, listed: Images) -> UInt8[torch.Tensor, "n c h w"]:
        """Return what the network reads of images, in channels-last memory."""
        given = self.bundle.preprocessing
        decoded = [
            to_input(
                read_image(name, image, channels=given.channels, at_least=needed(given), decoding=given.decoding),
                given,
            )
            for name, image in zip(listed.names, listed.images, strict=True)
        ]
        return stacked(decoded)


def _check_top(top: int) -> None:
    if top < 1:
        raise InputError("top", f"is {top}, at least 1 class is named", "give 1 or more")


def _each(
    answers: Callable[[UInt8[torch.Tensor, "n c h w"]], np.ndarray], images: Sequence[np.ndarray]
) -> Iterator[np.ndarray | ConvworksError]:
    """Yield the answer to each image, all asked for together; where that fails each alone, or its error."""
    try:
        yield from answers(stacked(images)) if images else ()
    except RunError as error:
        if len(images) == 1:
            yield error
        else:
            for image in images:
                yield from _each(answers, [image])


def load(
    path: str | Path, *, device: str = "auto", precision: str = "auto", max_pixels: int | None = None
) -> Predictor:
    """Load a bundle, the bundle of a run folder, or published weights by name (resnet50:imagenet).

    `precision` is float32, bfloat16 or auto: the one that the network was trained in, as far as the hardware has it.
    Images of more than `max_pixels` are refused; by default, of more than the network was trained with.
    """
    check_precision(precision)
    chosen = choose_device(device)
    bundle = load_bundle(locate(path))
    if max_pixels is not None:
        bundle = replace(bundle, preprocessing=bundle.preprocessing.with_limit(max_pixels))
    if precision == "auto" and bundle.record.get("precision") == "float32":
        precision = "float32"
    keep_memory(chosen)
    bundle.network.to(chosen)
    return Predictor(bundle=bundle, network=folded(bundle.network), precision=choose_precision(precision, chosen))


def stacked(decoded: Sequence[UInt8[np.ndarray, "h w c"]]) -> UInt8[torch.Tensor, "n c h w"]:
    """Return images of one size as a batch, in channels-last memory."""
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2)


def choose_split(source: Source, split: str | None) -> tuple[str, Split]:
    """Return the split to evaluate on: the named one, else test, validation, train or all, the first that there is."""
    if split is not None:
        if split not in source.splits:
            raise InputError("--split", f"{source.name} has no split {split!r}", f"it has: {', '.join(source.splits)}")
        return split, source.splits[split]
    name = next(name for name in (TEST, VALIDATION, TRAIN, ALL) if name in source.splits)
    return name, source.splits[name]
