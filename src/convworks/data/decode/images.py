"""The images of a split, by index: one tensor, a cache entry, or files decoded on demand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

from convworks.console import say
from convworks.data.cache.memory import NoRoomError, processors
from convworks.data.cache.on_disk import OnDisk
from convworks.data.column import Files
from convworks.data.decode.ahead import ahead
from convworks.data.decode.load import Loaded, load_split
from convworks.data.decode.load_files import Damage, Progress, digest_files, load_image, summarise
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.quiet import quiet
from convworks.data.decode.statistics import Sums
from convworks.data.source import Split
from convworks.errors import InputError

SAMPLE = 10_000  # images from which the statistics of a set of files are estimated
DIGEST_FILES = 1_000  # files whose bytes identify a set that is never decoded as a whole
PIECE = 64
PIXELS = 4  # axes of a tensor of images


class Decoded:
    """Images [n, c, h, w] of files, decoded and fitted on demand: for sets larger than memory and disk."""

    def __init__(self, split: Split, preprocessing: Preprocessing) -> None:
        assert isinstance(split.inputs, Files)
        self.column = split.inputs
        self.preprocessing = preprocessing
        self.shape = torch.Size((len(split), preprocessing.channels, *preprocessing.size))

    def __len__(self) -> int:
        return len(self.column)

    @property
    def images(self) -> Decoded:
        """The images themselves, as `Loaded` has them."""
        return self

    def to(self, device: torch.device) -> Decoded:
        """Return the images themselves: they are decoded on the CPU."""
        return self

    def decode(self, indices: Iterable[int]) -> UInt8[Tensor, "b c h w"]:
        """Decode the images at `indices` into channels_last memory; one InputError names all damaged files."""
        indices = list(indices)
        out = np.empty((len(indices), *self.preprocessing.size, self.preprocessing.channels), np.uint8)
        damaged = []
        with quiet():
            for row, index in enumerate(indices):
                try:
                    out[row] = load_image(self.column.files[index], self.preprocessing, spatial=self.column.spatial)
                except InputError as error:
                    damaged.append(Damage(index=index, where=error.where, reason=error.reason, remedy=error.remedy))
        if damaged:
            raise summarise(damaged, len(indices))
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    @property
    def content(self) -> str:
        """The digest of the bytes of about 1,000 files, spread evenly over all."""
        chosen = self.column.files[:: max(1, len(self) // DIGEST_FILES)]
        digest = digest_files(chosen).hex()
        return digest if len(chosen) == len(self) else f"{len(chosen)} of {len(self)}: {digest}"

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, of pixels in 0..1, over about 10,000 images."""
        step = max(1, len(self) // SAMPLE)
        sums = Sums(channels=self.shape[1])
        chosen = range(0, len(self), step)
        pieces = [chosen[first : first + PIECE] for first in range(0, len(chosen), PIECE)]
        for pixels in ahead(self.decode, pieces, processors()):
            sums.add(pixels.permute(0, 2, 3, 1).numpy())
        return sums.mean_std()


Images = Tensor | OnDisk | Decoded


def fetchers(images: Images) -> int:
    """Return the number of threads that prefetch images: all processors for decoding, one for reading from disk."""
    if isinstance(images, Tensor):
        return 0
    return processors() if isinstance(images, Decoded) else 1


def open_images(
    split: Split, preprocessing: Preprocessing, *, always: bool, report: Progress | None = None
) -> Loaded | Decoded:
    """Decode a split; files are decoded on demand if `always` is set or there is no room for them."""
    if isinstance(split.inputs, Files) and always:
        return Decoded(split, preprocessing)
    try:
        return load_split(split, preprocessing, report=report)
    except NoRoomError as error:
        if not isinstance(split.inputs, Files):
            raise
        say(f"{error.where} {error.reason}: images are decoded whenever they are wanted")
        return Decoded(split, preprocessing)


def take(images: Images, indices: Int[np.ndarray, " b"] | slice) -> Shaped[Tensor, "b *sample"]:
    """Return the samples at `indices`, in that order, on their device; a slice of a tensor is not copied."""
    if not isinstance(images, Tensor):
        numbers = range(len(images))[indices] if isinstance(indices, slice) else map(int, indices)
        return images.decode(numbers) if isinstance(images, Decoded) else images.read(numbers)
    if isinstance(indices, slice):
        return images[indices]
    if images.ndim != PIXELS:
        return images[torch.from_numpy(indices).to(images.device)]
    # Selecting rows of memory is ten times as fast as indexing; the result is in channels_last memory.
    n, c, h, w = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(n, h * w * c)
    chosen = rows.index_select(0, torch.from_numpy(indices).to(images.device))
    return chosen.view(-1, h, w, c).permute(0, 3, 1, 2)
