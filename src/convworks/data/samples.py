"""The samples of a split: decoded images with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int64, Shaped
from torch import Tensor

from convworks.data.column import Spatial
from convworks.data.decode.images import Images, fetchers, take


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The images of a split, decoded ones on the device where they are used, and the target of each.

    A target is a class, a boolean for each class, a value, or, if it is `spatial`, an image of numbers or colours; if
    `targets` is None, it is the image itself.
    """

    images: Images
    targets: Int64[Tensor, "n"] | Bool[Tensor, "n k"] | Float32[Tensor, "n *target"] | Images | None = None
    spatial: Spatial | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Samples:
        """Return the samples with what lies in memory on another device."""
        targets = None if self.targets is None else self.targets.to(device)
        return replace(self, images=self.images.to(device), targets=targets)

    @property
    def classes(self) -> Int64[Tensor, "n"]:
        """The class of each sample, for those that have exactly one."""
        assert isinstance(self.targets, Tensor)
        return self.targets

    @property
    def fetchers(self) -> int:
        """The number of threads that prefetch samples."""
        columns = [self.images] if self.spatial is None or self.targets is None else [self.images, self.targets]
        return max(map(fetchers, columns))

    def take(self, indices: Int[np.ndarray, " b"] | slice) -> tuple[Shaped[Tensor, "b *sample"], Tensor | None]:
        """Return the images and the targets at `indices`, in that order, as they are stored."""
        images, targets = take(self.images, indices), self.targets
        if targets is None or self.spatial is not None:
            return images, None if targets is None else take(targets, indices)
        assert isinstance(targets, Tensor)
        rows = indices if isinstance(indices, slice) else torch.from_numpy(indices).to(targets.device)
        return images, targets[rows]

    def for_loss(self, targets: Tensor) -> Tensor:
        """Return stored targets as losses require them: booleans as 0.0 and 1.0, masks as int64 [b, h, w]."""
        if self.spatial is not None and self.spatial.nearest:
            return targets[:, 0].long()
        return targets.float() if targets.dtype == torch.bool else targets
