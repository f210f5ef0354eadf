"""A bundle in use: `convworks.load(path)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from convworks.data.labels import Labels, finder, present
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import ALL, TEST, TRAIN, VALIDATION
from convworks.errors import ConvworksError, InputError, RunError
from convworks.hardware import check_precision, choose_device, choose_precision, keep_memory
from convworks.inference.features import features, named_pool
from convworks.inference.logits import finite, probabilities
from convworks.inference.protocol import CENTER, named
from convworks.inference.reconstruct import look, reconstruct, to_bytes
from convworks.inference.test_time_views import Cost, counter, prepared, probabilities_by
from convworks.layers.cut import default_cut
from convworks.layers.network import Network
from convworks.layers.normalisation.folded import folded
from convworks.models.transfer.adapted import makes_logits
from convworks.tasks.multi_label import THRESHOLD, Predicted, make_predictions
from convworks.tasks.reconstruction import Reconstructions
from convworks.tasks.summary import summary
from convworks.tasks.task import task

PIECE = 256  # files decoded at a time


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A loaded bundle on a device; `network` is made ready for prediction (layers/normalisation/folded.py)."""

    bundle: Bundle
    network: nn.Module
    precision: torch.dtype

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
        self._require("logits")
        _check_top(top)
        listed = list_images(images)
        if not listed.images:
            return []
        found = self._probabilities(self._inputs(listed))
        paths = [str(image) if isinstance(image, str | PathLike) else None for image in listed.images]
        answers = [self._answer(path, row, top) for path, row in zip(paths, found, strict=True)]
        return answers[0] if listed.alone else answers

    def reconstruct(self, images: OneImage | Iterable[OneImage]) -> UInt8[np.ndarray, "*n h w c"]:
        """Return what the network makes of images such as `predict` takes, as bytes: [n, h, w, c], of one [h, w, c]."""
        self._require("images")
        listed = list_images(images)
        if not listed.images:
            return np.empty((0, *self.bundle.preprocessing.size, self.bundle.preprocessing.channels), np.uint8)
        made = self._made(self._inputs(listed))
        return made[0] if listed.alone else made

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
        none = torch.zeros(1, given.channels, *given.size, dtype=torch.uint8)  # says how long the vectors are
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

    def reconstruct_files(
        self, files: Sequence[Path]
    ) -> Iterator[tuple[Path, UInt8[np.ndarray, "h w c"] | ConvworksError]]:
        """Yield what the network makes of many files, in order, or for one that it makes nothing of the error."""
        self._require("images")
        with quiet(), ThreadPoolExecutor() as pool:
            for first in range(0, len(files), PIECE):
                piece = files[first : first + PIECE]
                decoded = list(pool.map(self._try, piece))
                good = [array for array in decoded if isinstance(array, np.ndarray)]
                made = _each(self._made, good)
                for path, array in zip(piece, decoded, strict=True):
                    yield path, next(made) if isinstance(array, np.ndarray) else array

    def predict_files(self, files: Sequence[Path], *, top: int = 5) -> Iterator[dict[str, Any]]:
        """Classify many files in order; one without an answer gives {"path", "error"} instead."""
        self._require("logits")
        _check_top(top)
        with quiet(), ThreadPoolExecutor() as pool:
            for first in range(0, len(files), PIECE):
                piece = files[first : first + PIECE]
                decoded = list(pool.map(self._try, piece))
                good = [array for array in decoded if isinstance(array, np.ndarray)]
                found = _each(self._probabilities, good)
                for path, array in zip(piece, decoded, strict=True):
                    answer = next(found) if isinstance(array, np.ndarray) else array
                    if isinstance(answer, ConvworksError):
                        yield {"path": str(path), "error": answer.reason}
                    else:
                        yield self._answer(str(path), answer, top)

    def _try(self, path: Path) -> np.ndarray | InputError:
        try:
            return load_image(path, self.bundle.preprocessing)
        except InputError as error:
            return error

    def evaluate(self, source: str | Path | Source, *, split: str | None = None) -> dict[str, Any]:
        """Measure the bundle on a labelled source: top1 (or map), n, 95 % interval and more, as fractions.

        A bundle that makes images needs no labels: `mse` and `psnr`, from images corrupted as those it was tested on.
        """
        if self.bundle.makes == "images":
            return summary(self.reconstructions(source, split=split))
        return summary(self.predictions(source, split=split))

    def reconstructions(self, source: str | Path | Source, *, split: str | None = None) -> Reconstructions:
        """Return how far what the network makes of a split is from it: that of choose_split where none is named."""
        self._require("images")
        name, chosen = choose_split(source if isinstance(source, Source) else open_source(source), split)
        given = self.bundle.preprocessing
        images = load_images(chosen, given)
        corruption = self.bundle.corruption
        return look(self.network, images, given, self.precision, split=name, names=chosen.names, corruption=corruption)

    def predictions(
        self, source: str | Path | Source, *, split: str | None = None, protocol: str = CENTER
    ) -> Predicted:
        """Return the predictions for a split: by default test, else validation, train or all."""
        return self.look(source, split=split, protocol=protocol)[0]

    def look(
        self, source: str | Path | Source, *, split: str | None = None, protocol: str = CENTER
    ) -> tuple[Predicted, Cost]:
        """Return the predictions for a split by a protocol (inference/protocol.py), and what it took.

        Raises InputError for a protocol that there is not, or that the network cannot do.
        """
        self._require("logits")
        wanted = named(protocol)
        opened = source if isinstance(source, Source) else open_source(source)
        name, chosen = choose_split(opened, split)
        labels = match_classes(opened, chosen, self.classes, several=self.bundle.several)
        given, asked = self.bundle.preprocessing, task(self.bundle.several)
        if protocol == CENTER:
            started = time.perf_counter()
            found = self._probabilities(load_images(chosen, given))
            macs = counter(self.network, given.channels)(given.size)
            seconds = time.perf_counter() - started
            cost = Cost(views=1.0, macs=float(macs), images_per_second=len(chosen) / seconds)
        else:
            with counting(f"{protocol} on {name}") as report:
                found, cost = probabilities_by(wanted, self.network, chosen, given, self.precision, asked, report)
        return make_predictions(
            split=name, names=chosen.names, classes=self.classes, labels=labels, probabilities=found
        ), cost

    def check_protocol(self, protocol: str) -> None:
        """Raise InputError for a protocol that there is not, or that the network cannot do; decodes nothing."""
        self._require("logits")
        prepared(named(protocol), self.network, self.bundle.preprocessing)

    def _require(self, makes: str) -> None:
        """Raise InputError where the network makes something else."""
        if self.bundle.makes != makes:
            name = self.bundle.model.name
            if makes == "logits":
                raise InputError(name, "makes images, it names no classes", "use reconstruct, or reconstructions")
            raise InputError(name, "names classes, it makes no images", "use predict, or an autoencoder")

    def _made(self, images: UInt8[torch.Tensor, "n c h w"]) -> UInt8[np.ndarray, "n h w c"]:
        found = reconstruct(self.network, images, self.bundle.preprocessing, self.precision)
        return np.concatenate([to_bytes(finite(piece.made)) for piece in found])

    def _answer(self, path: str | None, row: np.ndarray, top: int) -> dict[str, Any]:
        answer = ranked(path, row, self.classes, top)
        if self.bundle.several:
            answer["predicted"] = [self.classes[index] for index in np.flatnonzero(row >= THRESHOLD).tolist()]
        return answer

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

    def _probabilities(self, images: torch.Tensor) -> np.ndarray:
        return probabilities(self.network, images, self.bundle.preprocessing, self.precision, task(self.bundle.several))


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


def ranked(path: str | None, row: np.ndarray, classes: Sequence[str], top: int) -> dict[str, Any]:
    """Return the `top` classes of one image with their probabilities, the most probable first."""
    order = np.argsort(-row, kind="stable")[:top]
    return {
        "path": path,
        "labels": [classes[index] for index in order],
        "probabilities": [float(row[index]) for index in order],
    }


def choose_split(source: Source, split: str | None) -> tuple[str, Split]:
    """Return the split to evaluate on: the named one, else test, validation, train or all, the first that there is."""
    if split is not None:
        if split not in source.splits:
            raise InputError("--split", f"{source.name} has no split {split!r}", f"it has: {', '.join(source.splits)}")
        return split, source.splits[split]
    name = next(name for name in (TEST, VALIDATION, TRAIN, ALL) if name in source.splits)
    return name, source.splits[name]


def match_classes(source: Source, split: Split, classes: Sequence[str], *, several: bool = False) -> Labels:
    """Return the split's labels as positions in the bundle's classes, which are matched by name.

    Where a bundle knows `several` labels an image, so must the source; classes that it does not name are not shown.
    """
    if not source.classes:
        raise InputError(
            source.where,
            "holds images without labels",
            "sort them into one folder a class, or use `convworks predict`",
        )
    if source.several != several:
        has, wants = ("one label", "any number of labels")[:: -1 if source.several else 1]
        reason = f"has images of {has}, but the bundle was trained on images of {wants}"
        raise InputError(source.where, reason, "give a source such as it was trained on (docs/sources.md)")
    used = present(split.labels).tolist()
    found = list(map(finder(classes), source.classes))
    unknown = [source.classes[label] for label in used if found[label] is None]
    if unknown:
        raise InputError(
            source.where,
            f"has classes that the bundle does not know: {', '.join(unknown[:5])}",
            f"the bundle knows: {', '.join(classes[:10])}{' ...' if len(classes) > 10 else ''}",
        )
    positions = np.array([-1 if position is None else position for position in found])
    if several:
        there = np.flatnonzero(positions >= 0)
        matched = np.zeros((len(split), len(classes)), dtype=bool)
        matched[:, positions[there]] = split.labels[:, there]
        return matched
    labels: np.ndarray = positions[split.labels]
    return labels
