"""What lies around images in the feature space of the networks that were asked: the nearest training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from convworks.data.decode.images import open_images
from convworks.data.decode.load import Loaded
from convworks.data.labels import label_text
from convworks.data.source import Source, Split
from convworks.errors import InputError
from convworks.inference.features import features
from convworks.inference.neighbours import Neighbours, find_neighbours, unit
from convworks.inference.predictor import Predictor
from convworks.layers.cut import default_cut
from convworks.layers.network import Network

COUNT = 5
#: A quarter as many references as images were evaluated, which takes a quarter of the time again; within these bounds.
FEWEST, MOST = 1_000, 10_000


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The neighbours of some images: of which split, which of it were asked, and which are near.

    Attributes:
        split: name of the split that the references come from.
        whole: number of images in that split.
        part: the references, a random choice from it or all of it.
        classes: names of the classes of their labels.
        samples: the images whose neighbours these are, as places in the evaluated split.
        neighbours: places in `part` of what is near each of them.
    """

    split: str
    whole: int
    part: Split
    classes: tuple[str, ...]
    samples: Int64[np.ndarray, " m"]
    neighbours: Neighbours

    def told(self, row: int) -> list[str]:
        """Return the classes of the neighbours of samples[row], the nearest first."""
        return [label_text(self.part.labels, place, self.classes) for place in self.neighbours.places[row].tolist()]

    def agreeing(self, answers: Sequence[str]) -> Float64[np.ndarray, " a"]:
        """Return the share of neighbours that have the class given, for each of the first samples."""
        return np.array([float(np.mean([near == answer for near in self.told(i)])) for i, answer in enumerate(answers)])


def surroundings(
    predictors: Sequence[Predictor],
    source: Source,
    split: str,
    samples: Int64[np.ndarray, " m"],
    *,
    count: int = COUNT,
) -> Surroundings:
    """Return the nearest training images of some samples of a split; where there is no train, the nearest of the rest.

    An image is its vector at the tap before the layer that makes the logits, maps averaged over all places; of several
    networks the similarity is the mean of theirs. The references are drawn by a fixed seed. Raises InputError for a
    network without such a tap, for one reference only, for a damaged one, and for a source behind an address: nobody
    asked to fetch its training images.
    """
    if source.address is not None:
        reason = "is read over a network, and neighbours would need some of its training images"
        raise InputError(source.address, reason, "keep a copy on the disk")
    chosen = source.splits[split]
    where = "train" if "train" in source.splits else split
    pool = source.splits[where]
    drawn = draw(len(pool), len(chosen))
    part = pool.select(drawn)
    own = _places(drawn, samples) if where == split else None
    if len(part) - (own is not None) < 1:
        raise InputError(source.where, f"has no other image in {where}", "add a train split")
    references, queries = _vectors(predictors, part), _vectors(predictors, chosen.select(samples))
    near = find_neighbours(queries, references, count, without=own)
    return Surroundings(
        split=where, whole=len(pool), part=part, classes=source.classes, samples=samples, neighbours=near
    )


def draw(whole: int, evaluated: int) -> Int64[np.ndarray, " r"]:
    """Return which of so many images are references, in order, for a number of images evaluated."""
    most = min(max(FEWEST, evaluated // 4), MOST)
    if whole <= most:
        return np.arange(whole)
    return np.sort(np.random.default_rng(0).choice(whole, most, replace=False))


def _places(drawn: np.ndarray, samples: np.ndarray) -> Int64[np.ndarray, " m"]:
    """Return where among the references each sample is itself, or -1."""
    at = np.searchsorted(drawn, samples).clip(max=len(drawn) - 1)
    return np.where(drawn[at] == samples, at, -1)


def _vectors(predictors: Sequence[Predictor], split: Split) -> Float32[np.ndarray, "n f"]:
    """Return the features of images, those of several networks one behind the other, each of length 1."""
    found = []
    for predictor in predictors:
        assert isinstance(predictor.network, Network)  # as every bundle from the disk
        tap, given = default_cut(predictor.network), predictor.bundle.preprocessing
        # No entry of the cache for a random choice of files: it would push out what is read again.
        opened = open_images(split, given, always=True)
        images = opened.images if isinstance(opened, Loaded) else opened
        found.append(unit(features(predictor.network, images, given, predictor.precision, [tap])[tap]))
    return np.concatenate(found, axis=1)
