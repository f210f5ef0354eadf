"""A bundle in use: `convworks.load(path)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import nn

from convworks.bundle.bundle import Bundle, Described
from convworks.console import counting
from convworks.data.decode.any_image import Images, OneImage, list_images
from convworks.data.decode.sizes import refuse_mismatched
from convworks.data.inputs.input import Input
from convworks.data.source import Source, Split
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import ALL, TEST, TRAIN, VALIDATION
from convworks.data.targets.samples import with_targets
from convworks.errors import InputError, brief, naming
from convworks.hardware import precision_name
from convworks.inference.answers import collect
from convworks.inference.averaged import AveragedRuntime
from convworks.inference.bulk.answered import Answer, Files, answered, batches_of
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.bulk.scorers import of_views
from convworks.inference.features import features, named_pool
from convworks.inference.held_out import with_held_out
from convworks.inference.maps import Mapper
from convworks.inference.protocol import CENTER, check_whole, named
from convworks.inference.reader import InputReader, Reader
from convworks.inference.runtime import Runtime, TorchRuntime, cast_once
from convworks.inference.test_time_views import Cost, activated_by, counter, prepared
from convworks.layers.cut import default_cut
from convworks.layers.network import Network
from convworks.models.transfer.adapted import makes_logits
from convworks.tasks.outcome import Outcome
from convworks.tasks.task import SplitContext, Task

#: Classes that the one-line form of a predictor names.
NAMED = 4


@dataclass(frozen=True, kw_only=True, repr=False)
class Predictor:
    """A loaded bundle on a device; in `network`, normalisation is folded (layers/normalisation/folded.py).

    An exported file has no network of PyTorch, but the runtime that computes it, as `exported`; a runtime may also be
    chosen for a bundle.
    """

    bundle: Described
    network: nn.Module | None = None
    precision: torch.dtype
    chosen: Runtime | None = None

    def __repr__(self) -> str:
        """Return one line: network, classes, size of the input, device and precision."""
        size, names = "x".join(map(str, self.bundle.preprocessing.size)), ", ".join(self.classes[:NAMED])
        more = ", ..." if len(self.classes) > NAMED else ""
        device = self.runtime.device
        facts = [self.bundle.model.title, f"{size}x{self.bundle.preprocessing.channels}"]
        facts += [f"{len(self.classes)} classes ({names}{more})"] if self.classes else []
        return f"Predictor({', '.join([*facts, f'{precision_name(self.precision)} on {device}'])})"

    @cached_property
    def runtime(self) -> Runtime:
        """The runtime: that which was chosen, else the network with its weights cast once to its precision."""
        if self.chosen is not None:
            return self.chosen
        assert self.network is not None  # one of both is there
        ready = cast_once(self.network, self.precision)
        return TorchRuntime(network=ready, input=self.input, precision=self.precision)

    @property
    def input(self) -> Input:
        """What the network reads."""
        return self.bundle.input

    @property
    def task(self) -> Task:
        """The task of the network."""
        return self.bundle.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.bundle.classes

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is an image, not several
        self,
        images: str | PathLike[str] | bytes | Image.Image,
        *,
        top: int | None = None,
        threshold: float | None = None,
    ) -> dict[str, Any]: ...
    @overload
    def predict(
        self, images: np.ndarray | torch.Tensor, *, top: int | None = None, threshold: float | None = None
    ) -> Any: ...
    @overload
    def predict(
        self, images: Iterable[OneImage], *, top: int | None = None, threshold: float | None = None
    ) -> list[dict[str, Any]]: ...
    @brief
    def predict(self, images: Any, *, top: int | None = None, threshold: float | None = None) -> Any:
        """Classify one or more images: paths, bytes of files, Pillow images, uint8 arrays or tensors (any_image.py).

        Returns, for each image, {"path", "labels", "probabilities"} with the `top` (5) most probable classes, the
        most probable first; for multi-label networks also "predicted", the classes with a probability of at least
        `threshold` (0.5). A network that segments gives {"path", "mask", "labels", "areas"}: the number of the class of
        each pixel, at the size of the image, and the fraction of the pixels of each class that occurs, the largest
        first. Several images give a list, a single image a dictionary.
        """
        self._require(images=False)
        answer, listed = self.answer(top=top, threshold=threshold), list_images(images)
        paths = [str(image) if isinstance(image, str | PathLike) else None for image in listed.images]
        answers = [answer(path, output) for path, output in zip(paths, self._computed(listed), strict=True)]
        return answers[0] if listed.alone else answers

    @brief
    def reconstruct(self, images: OneImage | Iterable[OneImage]) -> UInt8[np.ndarray, "*n h w c"]:
        """Reconstruct images (any input of `predict`) as uint8 arrays [n, h, w, c], or [h, w, c] for a single image."""
        self._require(images=True)
        assert self.task.picture is not None
        listed = list_images(images)
        if not listed.images:
            return np.empty((0, *self.input.size, self.input.channels), np.uint8)
        made = np.stack([self.task.picture.make(output) for output in self._computed(listed)])
        return made[0] if listed.alone else made

    @brief
    def features(
        self, images: OneImage | Iterable[OneImage], *, taps: Sequence[str] = (), pool: str = "average"
    ) -> dict[str, Float32[np.ndarray, "*n f"]]:
        """Return features of images (any input of `predict`) at some taps, by default the one before the last layer.

        Each tap gives an array [n, f], or [f] for a single image. `pool` is the pooling of feature maps: average, max,
        or none (all values). Raises InputError for an unknown tap or pooling.
        """
        pooling, chosen_taps = named_pool(pool), self.tapped(taps)
        listed = list_images(images)
        # Without images, a blank one determines the length of the vectors.
        inputs = self._inputs(listed) if listed.images else self.input.blank(1)
        vectors = features(self.trained, inputs, self.input, self.precision, chosen_taps, pooling)
        if listed.alone:
            return {tap: values[0] for tap, values in vectors.items()}
        return {tap: values[: len(listed.images)] for tap, values in vectors.items()}

    @property
    def trained(self) -> Network:
        """The network without folded normalisation, which would change the maps at some taps."""
        if not isinstance(self.bundle, Bundle):
            raise InputError(self.bundle.model.name, "was exported: only its answers are known", "use the bundle")
        assert isinstance(self.bundle.network, Network)  # as in every bundle from the disk
        return self.bundle.network

    def tapped(self, taps: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the distinct taps, by default the one before the last layer; InputError for an unknown tap."""
        chosen = tuple(dict.fromkeys(taps)) or (default_cut(self.trained, encoder=not makes_logits(self.bundle.model)),)
        with naming("--tap", "tap"):
            for tap in chosen:
                self.trained.tapped(tap)
        return chosen

    def predict_files(
        self, files: Files, *, top: int | None = None, threshold: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the prediction for each of many files, in order; a file that fails gives {"path", "error"}."""
        answer, scorer = self.answer(top=top, threshold=threshold), self.scorer()
        for rows in answered(scorer, files, batches_of(files, scorer.batch), answer):
            yield from rows

    def scorer(self, protocol: str = CENTER) -> Scorer:
        """Return what scores files, under a protocol (inference/protocol.py); InputError for one that is impossible."""
        if protocol == CENTER:
            return self.reader.scorer()
        self._require_combined()
        runtime, _ = self._viewing(protocol)
        return of_views(runtime, self.bundle.preprocessing, self.task.activation, named(protocol))

    def answer(self, *, top: int | None = None, threshold: float | None = None) -> Answer:
        """Return the function from the name of an image and its activated output to its prediction."""
        return self.task.answering(self.classes, top, threshold)

    @cached_property
    def reader(self) -> InputReader | Mapper:
        """How images are read and computed: at their own size where the answer is about each of their pixels."""
        if self.task.per_pixel:
            return self.mapper
        return InputReader(task=self.task, runtime=self.runtime, input=self.input)

    @cached_property
    def mapper(self) -> Mapper:
        """What gives the probability of each class at each pixel of images, for networks that segment."""
        preprocessing = self.bundle.preprocessing
        return Mapper(task=self.task, runtime=self.runtime, preprocessing=preprocessing, network=self.network)

    @brief
    def evaluate(
        self, source: str | Path | Source, *, split: str | None = None, threshold: float | None = None
    ) -> dict[str, Any]:
        """Evaluate the bundle on a labelled source: top1 (or map), n, 95 % interval and more, as fractions.

        The metrics depend on the task; reconstruction needs no labels. `threshold` is the probability from which a
        multi-label network predicts a class (0.5).
        """
        metrics: dict[str, Any] = self.outcome(source, split=split, threshold=threshold).summary()
        return metrics

    def outcome(
        self,
        source: str | Path | Source,
        *,
        split: str | None = None,
        protocol: str = CENTER,
        threshold: float | None = None,
    ) -> Any:
        """Return the network's predictions for a split: by default test, else validation, train or all.

        The kind of outcome depends on the task (tasks/outcomes/).
        """
        return self.measured(source, split=split, protocol=protocol, threshold=threshold)[0]

    def measured(
        self,
        source: str | Path | Source,
        *,
        split: str | None = None,
        protocol: str = CENTER,
        threshold: float | None = None,
    ) -> tuple[Outcome, Cost]:
        """Return the predictions for a split under a protocol (inference/protocol.py), and their cost.

        Raises InputError for an unknown protocol, for one that the network does not support, and for targets that do
        not fit the bundle.
        """
        view_protocol, task = named(protocol), self.task.at(threshold)
        opened = source if isinstance(source, Source) else open_source(source)
        opened = ignoring(with_held_out(opened, split, [self.bundle]), self.bundle.ignore)
        name, chosen = choose_split(opened, split)
        chosen = task.target.match(opened, chosen, self.classes)
        refuse_mismatched(chosen)
        bundle = self.bundle
        context = SplitContext(
            split=chosen, name=name, classes=self.classes, corruption=bundle.corruption, colours=bundle.colours
        )
        preprocessing = bundle.preprocessing
        if protocol == CENTER or task.outcome is None:
            self.check_protocol(protocol)
            views = 2.0 if view_protocol.mirrored else 1.0
            started = time.perf_counter()
            samples, _ = with_targets(self.input.open(chosen), task.target, chosen, preprocessing)
            outcome = collect(task, self._mirrored() if view_protocol.mirrored else self.runtime, samples, context)
            seconds = time.perf_counter() - started
            return outcome, Cost(views=views, macs=views * self.macs, images_per_second=len(chosen) / seconds)
        make_outcome, (runtime, count_macs) = task.outcome, self._viewing(protocol)
        with counting(f"{protocol} on {name}") as report:
            values, cost = activated_by(view_protocol, runtime, count_macs, chosen, preprocessing, task, report)
        return make_outcome(context, values), cost

    def check_protocol(self, protocol: str) -> None:
        """Raise InputError for a protocol that is unknown or that the network does not support; decodes nothing."""
        if protocol == CENTER:
            return
        self._require_combined()
        if self.task.outcome is None:
            check_whole(protocol)
        elif named(protocol).dense:
            self._dense(protocol)

    def _require_combined(self) -> None:
        """Raise InputError if outputs cannot be averaged."""
        if not self.task.combines:
            reason = f"needs outputs that can be averaged, but this network {self.task.does}"
            raise InputError("--protocol", reason, "leave it out")

    def _mirrored(self) -> Runtime:
        """Return the runtime that averages over images and their mirror images."""
        return AveragedRuntime(members=(self.runtime,), activation=self.task.activation, mirrored=True)

    def _viewing(self, protocol: str) -> tuple[Runtime, Callable[[tuple[int, ...]], float]]:
        """Return what computes the views of a protocol, and the multiply-adds of one."""
        if not named(protocol).dense:
            return self.runtime, lambda size: self.macs  # crops have the size of the input
        network = self._dense(protocol)
        runtime = TorchRuntime(network=network, input=self.input, precision=self.precision)
        return runtime, counter(network, self.input)

    def _dense(self, protocol: str) -> nn.Module:
        """Return the network for views of any size; InputError where it takes none, and for an exported file."""
        if self.network is None:
            raise InputError("--protocol", f"{protocol} needs the network, not an exported file", "use the bundle")
        return prepared(named(protocol), self.network, self.bundle.preprocessing)

    @cached_property
    def macs(self) -> float:
        """The multiply-adds of a sample; what was exported says how many it had."""
        if self.network is None:
            return float(self.bundle.record.get("macs", 0))
        return float(counter(self.network, self.input)(self.input.size))

    def _require(self, *, images: bool) -> None:
        """Raise InputError if outputs are unexpectedly (not) images."""
        if images == (self.task.picture is None or self.task.per_pixel):
            use = "predict, or an autoencoder" if images else "reconstruct"
            problem = "does not output images" if images else "does not predict classes"
            raise InputError(self.bundle.model.name, f"{self.task.does}, it {problem}", f"use {use}")

    def _computed(self, listed: Images) -> Iterator[np.ndarray]:
        """Return the activated outputs of images, all of which are read first."""
        reader: Reader = self.reader
        samples = [reader.read(name, image) for name, image in zip(listed.names, listed.images, strict=True)]
        return (each.activated for each in reader.compute(samples))

    def _inputs(self, listed: Images) -> torch.Tensor:
        """Return images as a batch of stored samples."""
        samples = zip(listed.names, listed.images, strict=True)
        return self.input.stack([self.input.read(name, image) for name, image in samples])


def choose_split(source: Source, split: str | None) -> tuple[str, Split]:
    """Return the split to evaluate on: the named one, else the first that exists of test, validation, train and all."""
    if split is not None:
        if split not in source.splits:
            raise InputError("--split", f"{source.name} has no split {split!r}", f"it has: {', '.join(source.splits)}")
        return split, source.splits[split]
    name = next(name for name in (TEST, VALIDATION, TRAIN, ALL) if name in source.splits)
    return name, source.splits[name]
