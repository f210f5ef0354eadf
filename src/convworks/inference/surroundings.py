"""The nearest training images of samples in the feature space of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from convworks.data.labels import label_text
from convworks.data.source import Source, Split
from convworks.errors import InputError
from convworks.inference.features import features
from convworks.inference.neighbours import Neighbours, find_neighbours, unit
from convworks.inference.predictor import Predictor
from convworks.layers.cut import default_cut
from convworks.layers.network import Network

COUNT = 5
#: Bounds of the number of references, which is a quarter of the number of evaluated images, to limit the extra time.
FEWEST, MOST = 1_000, 10_000


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The nearest references of some samples.

    Attributes:
        split: name of the split of the references.
        whole: number of images in that split.
        part: the references, a random subset of it or all of it.
        classes: names of the classes of their labels.
        samples: indices of the samples in the evaluated split.
        neighbours: for each sample, its neighbours as indices into `part`.
    """

    split: str
    whole: int
    part: Split
    classes: tuple[str, ...]
    samples: Int64[np.ndarray, " m"]
    neighbours: Neighbours

    def neighbour_classes(self, row: int) -> list[str]:
        """Return the classes of the neighbours of samples[row], the nearest first."""
        return [label_text(self.part.labels, index, self.classes) for index in self.neighbours.indices[row].tolist()]

    def agreeing(self, answers: Sequence[str]) -> Float64[np.ndarray, " a"]:
        """Return, for each of the first samples, the fraction of neighbours whose class is the answer."""
        matches = [[name == answer for name in self.neighbour_classes(row)] for row, answer in enumerate(answers)]
        return np.array([float(np.mean(row)) for row in matches])


def surroundings(
    predictors: Sequence[Predictor],
    source: Source,
    split: str,
    samples: Int64[np.ndarray, " m"],
    *,
    count: int = COUNT,
) -> Surroundings:
    """Return the nearest training images of some samples of a split; without train, the nearest others of the split.

    Images are compared by their features at the tap before the logits, averaged over positions; for several networks
    similarities are averaged. References are drawn with a fixed seed. Raises InputError for a network without such a
    tap, if there is no reference, if one is damaged, and for a source at a URL, whose training images would have to be
    downloaded.
    """
    if source.address is not None:
        reason = "is remote, but neighbours need training images"
        raise InputError(source.address, reason, "use a local copy")
    chosen = source.splits[split]
    reference_split = "train" if "train" in source.splits else split
    candidates = source.splits[reference_split]
    reference_indices = choose_references(len(candidates), len(chosen))
    part = candidates.select(reference_indices)
    self_indices = _positions(reference_indices, samples) if reference_split == split else None
    if len(part) - (self_indices is not None) < 1:
        raise InputError(source.where, f"has no other image in {reference_split}", "add a train split")
    references, queries = _vectors(predictors, part), _vectors(predictors, chosen.select(samples))
    neighbours = find_neighbours(queries, references, count, without=self_indices)
    return Surroundings(
        split=reference_split,
        whole=len(candidates),
        part=part,
        classes=source.classes,
        samples=samples,
        neighbours=neighbours,
    )


def choose_references(total: int, evaluated: int) -> Int64[np.ndarray, " r"]:
    """Return the sorted indices of the references among `total` images, for a number of evaluated images."""
    count = min(max(FEWEST, evaluated // 4), MOST)
    if total <= count:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, count, replace=False))


def _positions(references: np.ndarray, samples: np.ndarray) -> Int64[np.ndarray, " m"]:
    """Return the position of each sample among the references, or -1."""
    positions = np.searchsorted(references, samples).clip(max=len(references) - 1)
    return np.where(references[positions] == samples, positions, -1)


def _vectors(predictors: Sequence[Predictor], split: Split) -> Float32[np.ndarray, "n f"]:
    """Return the features of images, normalised to length 1 and concatenated over networks."""
    vectors = []
    for predictor in predictors:
        if not isinstance(predictor.network, Network):
            raise InputError(predictor.bundle.model.name, "was exported: its features are not known", "use the bundle")
        tap = default_cut(predictor.network)
        # Not cached: a random subset of files would evict entries that are read again.
        images = predictor.input.open(split, always=True).images
        vectors.append(unit(features(predictor.network, images, predictor.input, predictor.precision, [tap])[tap]))
    return np.concatenate(vectors, axis=1)
