"""The samples of a split: its images with their targets, in memory, in the cache, or decoded on demand."""

from __future__ import annotations

from convworks.data.column import Spatial
from convworks.data.decode.images import Decoded, open_images
from convworks.data.decode.load import Loaded
from convworks.data.decode.load_files import Progress
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.samples import Samples
from convworks.data.source import Split
from convworks.data.targets.target import Target, itself


def with_targets(
    images: Loaded | Decoded,
    target: Target,
    split: Split,
    preprocessing: Preprocessing,
    *,
    report: Progress | None = None,
) -> tuple[Samples, str]:
    """Return the opened images of a split with their targets, and a digest of the bytes of all files.

    Spatial targets are opened as the images were, and fitted to the same size.
    """
    spatial = split.targets.spatial
    if spatial is None or target.collate is itself:  # masks are of no use to a network whose target is its input
        return Samples(images=images.images, targets=target.collate(split)), images.content
    always = isinstance(images, Decoded)
    opened = open_images(split.targets_as_inputs(), _of(preprocessing, spatial), always=always, report=report)
    samples = Samples(images=images.images, targets=opened.images, spatial=spatial)
    return samples, " ".join(content for content in (images.content, opened.content) if content)


def _of(preprocessing: Preprocessing, spatial: Spatial) -> Preprocessing:
    """Return how spatial targets are decoded and fitted: as the images, numbers of classes in one channel."""
    if not spatial.nearest:
        return preprocessing
    return preprocessing.model_copy(update={"channels": 1, "mean": (0.0,), "std": (1.0,)})
