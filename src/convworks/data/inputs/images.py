"""Images as inputs: uint8 pixels [n, c, h, w], decoded, fitted to a size, and normalised by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from convworks.data.augment.pipeline import check_augment
from convworks.data.config import AugmentConfig
from convworks.data.decode.any_image import read_image
from convworks.data.decode.images import Decoded, open_images
from convworks.data.decode.load import Loaded
from convworks.data.decode.load_files import Progress, load_image
from convworks.data.decode.preprocess import Preprocessing, needed, to_input
from convworks.data.location import Location
from convworks.data.parts import in_parts
from convworks.data.source import Split

LARGE = 1 << 23  # values above which our own threads are faster than PyTorch's


@dataclass(frozen=True)
class ImageInput:
    """Images, fitted as their preprocessing says."""

    preprocessing: Preprocessing

    @property
    def reads(self) -> str:
        """The kind."""
        return "images"

    @property
    def channels(self) -> int:
        """The number of colours."""
        return self.preprocessing.channels

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width."""
        return self.preprocessing.size

    @property
    def words(self) -> str:
        """What a model card says of the input."""
        height, width = self.preprocessing.size
        mean, std = list(self.preprocessing.mean), list(self.preprocessing.std)
        return (
            f"Images of any size with {self.channels} channel(s); they are resized to {height}x{width} pixels "
            f"({self.preprocessing.fit}) and normalised with mean {mean} and standard deviation {std}."
        )

    def open(self, split: Split, *, always: bool = False, report: Progress | None = None) -> Loaded | Decoded:
        """Return the pixels of a split; files are decoded on demand if `always` is set, or without room for all."""
        return open_images(split, self.preprocessing, always=always, report=report)

    def decode(self, file: Location) -> UInt8[np.ndarray, "h w c"]:
        """Return one file as it is stored; raises InputError for a damaged one."""
        return load_image(file, self.preprocessing)

    def read(self, name: object, sample: object) -> UInt8[np.ndarray, "h w c"]:
        """Return an image of any supported type (any_image.py) as it is stored; `name` stands for it in errors."""
        preprocessing = self.preprocessing
        channels, decoding = preprocessing.channels, preprocessing.decoding
        picture = read_image(name, sample, channels=channels, at_least=needed(preprocessing), decoding=decoding)
        return to_input(picture, preprocessing)

    def stack(self, samples: Sequence[UInt8[np.ndarray, "h w c"]]) -> UInt8[Tensor, "n c h w"]:
        """Return images of one size as a batch in channels-last memory format."""
        return torch.from_numpy(np.stack(samples)).permute(0, 3, 1, 2)

    def blank(self, n: int) -> UInt8[Tensor, "n c h w"]:
        """Return n black images."""
        return torch.zeros(n, *self.preprocessing.shape, dtype=torch.uint8)

    def example(
        self,
        n: int = 1,
        *,
        size: Sequence[int] | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """Return n images as a network reads them: 0 everywhere, or N(0, 1) with a `generator`, which is of the CPU."""
        shape = (n, self.channels, *(size or self.size))
        if generator is None:
            return torch.zeros(shape, device=device)
        return torch.randn(shape, generator=generator).to(device)

    def picture(self, sample: UInt8[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
        """Return a stored image as pages show it."""
        pixels: np.ndarray = sample.permute(1, 2, 0).cpu().numpy()
        return pixels

    def normalise(self, batch: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return images as a network reads them."""
        return normalise(batch, self.preprocessing.mean, self.preprocessing.std)

    def graph(self) -> nn.Module:
        """Return the first layer of an exported network: from uint8 [b, h, w, c] to what a network reads."""
        return Pixels(self.preprocessing.mean, self.preprocessing.std)

    def decoded(self, batch: UInt8[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
        """Return images as they were decoded."""
        pixels: np.ndarray = batch.cpu().permute(0, 2, 3, 1).contiguous().numpy()
        return pixels

    def noise(self, n: int, generator: torch.Generator) -> UInt8[Tensor, "n c h w"]:
        """Return n images of noise that is coarse and fine, as photographs are."""
        height, width = self.preprocessing.size
        pixels = torch.full((n, self.channels, height, width), 127.0)
        for side in (1, 2, 4, 8, 16, 32):
            grid = torch.randn(n, self.channels, side + 1, side + 1, generator=generator)
            pixels += 60 / side**0.5 * F.interpolate(grid, (height, width), mode="bilinear", align_corners=True)
        return pixels.round().clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)

    def resize(self, batch: Float[Tensor, "b c h w"], size: Sequence[int]) -> Float[Tensor, "b c height width"]:
        """Scale normalised images, bilinear with antialiasing; the result is in channels-last memory format."""
        resized = F.interpolate(batch, tuple(size), mode="bilinear", antialias=True)
        return resized.contiguous(memory_format=torch.channels_last)

    def check_augment(self, config: AugmentConfig, stored: Sequence[int]) -> None:
        """Raise InputError for crops larger than the stored size, and for colours of images that have none."""
        check_augment(config, (stored[0], stored[1]), self.preprocessing.size, self.channels)


class Pixels(nn.Module):
    """Decoded images as a network reads them, in operations that every format of exported networks has."""

    scale: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor([1 / (255 * s) for s in std])[:, None, None])
        offsets = [-m / s for m, s in zip(mean, std, strict=True)]
        self.register_buffer("offset", torch.tensor(offsets)[:, None, None])

    def forward(self, images: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b c h w"]:
        """Return normalised images, channels first."""
        normalised: Tensor = images.permute(0, 3, 1, 2).float() * self.scale + self.offset
        return normalised


def normalise(
    images: UInt8[Tensor, "b c h w"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b c h w"]:
    """Normalise images to float32 by the mean and standard deviation of each channel (of pixels in 0..1)."""
    b, c, h, w = images.shape
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).repeat(w)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device).repeat(w)
    # Rows of all channels in channels_last order, in place: several times as fast as channel by channel.
    rows = images.permute(0, 2, 3, 1).reshape(b, h, w * c)
    if images.device.type != "cpu" or rows.numel() < LARGE:
        values = rows.float()
        return torch.addcmul(offset, values, scale, out=values).view(b, h, w, c).permute(0, 3, 1, 2)
    # NumPy requests large pages for new memory; and threads must not use a tensor of inference_mode, which they are
    # not in themselves.
    out = np.empty(rows.shape, np.float32)

    def fill(first: int, end: int) -> None:
        for sample in range(first, end):  # the working set stays in the CPU cache
            part = torch.from_numpy(out[sample])
            torch.addcmul(offset, part.copy_(rows[sample]), scale, out=part)

    in_parts(fill, b)
    return torch.from_numpy(out).view(b, h, w, c).permute(0, 3, 1, 2)
