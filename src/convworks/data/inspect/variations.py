"""Augmented versions of images in the first epochs of a run: computed as in `batches`, and drawn as a sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from convworks.data import random
from convworks.data.augment.mix import draw_mixture, mix
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment_together, check_augment
from convworks.data.batches import steps_per_epoch
from convworks.data.column import COLOURS, Colours
from convworks.data.config import AugmentConfig, DataConfig
from convworks.data.decode.damaged import leave_out
from convworks.data.decode.floats import decoding_of
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.shape import image_shape, main_split, read_headers
from convworks.data.inspect.fit_text import fitted
from convworks.data.inspect.legend import legend
from convworks.data.inspect.overlay import as_colours, named_colours, overlay
from convworks.data.inspect.sheet import FAINT, GAP, INK, LABEL, MARGIN, PAPER, TILE, TITLE, as_tile, spaced
from convworks.data.labels import label_text, members, present
from convworks.data.source import Source, Split, require_train
from convworks.data.sources.ignoring import colours_of
from convworks.data.split.folds import divide
from convworks.files import atomic

EPOCHS, SAMPLES = 8, 8
LETTERS = 15
CAPTION = 18  # pixels below a mixed image, and above the columns
SOFT = (128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of augmented training images; `kept` is how they are stored, `size` the network's input."""

    augment: AugmentConfig
    kept: Preprocessing
    size: tuple[int, int]
    seed: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Version:
    """An image in one epoch, with its mask; for a mixed one, the weight of its own label and the index of the other."""

    image: UInt8[Tensor, "c h w"]
    mask: UInt8[Tensor, "1 h w"] | None = None
    weight: float = 1.0
    other: int | None = None


def plan(
    source: Source, data: DataConfig, augment: AugmentConfig, *, seed: int, batch_size: int, largest: int
) -> tuple[Split, Plan]:
    """Return the training images of a run and how it augments them; raises InputError if that is impossible.

    `largest` limits the side of the input for images of different sizes, if the configuration gives no size.
    """
    require_train(source)
    headers = read_headers(main_split(source))
    decoding = decoding_of(data, source, headers.probes)
    split = divide(leave_out(source, data.skip_damaged, decoding).source, data, seed).splits["train"]
    shape = image_shape(headers, largest=largest, fit=data.fit)
    size, channels = data.size or shape.size, data.channels or shape.channels
    stored = data.stored or size
    check_augment(augment, stored, size, channels)
    flat = (0.0,) * channels
    preprocessing = Preprocessing(
        size=stored, channels=channels, fit=data.fit, mean=flat, std=(1.0,) * channels, decoding=decoding
    )
    return split, Plan(augment=augment, kept=preprocessing, size=size, seed=seed, batch_size=batch_size)


def vary(split: Split, plan: Plan, index: int, epoch: int) -> Version:
    """Return one training image as augmented in an (unbalanced) epoch."""
    n = len(split)
    order = random.order(plan.seed, epoch, n)
    position = int(np.flatnonzero(order == index)[0])
    batches = np.array_split(np.arange(n), steps_per_epoch(n, plan.batch_size))
    number = next(i for i, positions in enumerate(batches) if position <= positions[-1])
    mixture = draw_mixture(plan.augment, plan.seed, epoch, number)
    noise = draw(plan.augment, plan.seed, epoch, n, resized=plan.size != plan.kept.size)

    def varied(index: int) -> tuple[UInt8[Tensor, "1 c h w"], UInt8[Tensor, "1 1 h w"] | None]:
        image, masks = stored(split, plan, index)
        if noise is None:
            return image, masks
        rows, spatial = torch.from_numpy(noise[[index]]), split.targets.spatial or COLOURS
        return augment_together(image, masks, spatial, rows, plan.augment, plan.size)

    image, mask = varied(index)
    if mixture is None:
        return Version(image=image[0], mask=None if mask is None else mask[0])
    other = int(order[batches[number][0] + batches[number][-1] - position])
    image, weight = mix(image, varied(other)[0], mixture)
    return Version(image=image[0], weight=weight, other=other)


def stored(split: Split, plan: Plan, index: int) -> tuple[UInt8[Tensor, "1 c h w"], UInt8[Tensor, "1 1 h w"] | None]:
    """Return one training image as it is kept in memory, with its mask if it has one."""
    chosen = split.select(np.array([index]))
    image, spatial = load_images(chosen, plan.kept), split.targets.spatial
    if spatial is None or not spatial.nearest:
        return image, None
    numbers = plan.kept.model_copy(update={"channels": 1, "mean": (0.0,), "std": (1.0,)})
    return image, load_images(chosen.targets_as_inputs(), numbers)


def choose(split: Split) -> list[int]:
    """Choose samples to show: equally many of each class, evenly spread, or one each of some of the classes."""
    classes = spaced(present(split.labels), SAMPLES)
    count = max(1, SAMPLES // len(classes))
    chosen = [index for label in classes for index in spaced(members(split.labels, label), count)]
    return list(dict.fromkeys(chosen))  # an image of several classes is shown once


def write_variation_sheet(source: Source, split: Split, plan: Plan, title: str, path: Path) -> list[int]:
    """Write a PNG with a row for each chosen image, as stored and in each of the first epochs; return their indices."""
    chosen = choose(split)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    names = [fitted(label_text(split.labels, index, source.classes), LABEL, font.getlength) for index in chosen]
    left = MARGIN + max(int(font.getlength(name)) for name in names) + MARGIN
    top, step = TITLE + MARGIN + CAPTION, TILE + GAP
    mixed = plan.augment.mixup is not None or plan.augment.cutmix is not None
    high = step + (CAPTION if mixed else 0)
    width = max(left + (EPOCHS + 1) * step + MARGIN, int(ImageFont.load_default(20).getlength(title)) + 2 * MARGIN)
    colours = colours_of(split)
    named = named_colours(source.classes, colours) if source.masked else []
    below = legend(named, width - 2 * MARGIN, LETTERS)
    bottom = top + len(chosen) * high
    sheet = Image.new("RGB", (width, bottom + below.height + MARGIN), PAPER)
    sheet.paste(below, (MARGIN, bottom))
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), title, INK, ImageFont.load_default(20))
    edge = left + TILE + GAP  # between stored and augmented images
    for column, text in enumerate(("kept", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS)))):
        pen.text((left + column * step + (GAP if column else 0), TITLE + MARGIN // 2), text, SOFT, small)
    pen.line((edge, TITLE + MARGIN, edge, top + len(chosen) * high - GAP), FAINT)
    for row, (index, name) in enumerate(zip(chosen, names, strict=True)):
        y = top + row * high
        pen.text((MARGIN, y + TILE // 2 - 9), name, INK, font)
        image, mask = stored(split, plan, index)
        sheet.paste(_tile(image[0], None if mask is None else mask[0], colours), (left, y))
        for epoch in range(EPOCHS):
            version, x = vary(split, plan, index, epoch), left + (epoch + 1) * step + GAP
            sheet.paste(_tile(version.image, version.mask, colours), (x, y))
            if version.other is not None:
                other = label_text(split.labels, version.other, source.classes)
                words = fitted(f"{version.weight:.0%} + {other}", TILE, small.getlength)
                pen.text((x, y + TILE), words, SOFT, small)
    with atomic(path) as file:
        sheet.save(file, format="PNG", optimize=True)
    return chosen


def _tile(image: UInt8[Tensor, "c h w"], mask: UInt8[Tensor, "1 h w"] | None, own: Colours | None) -> Image.Image:
    """Draw an image under its mask; with other than 1 or 3 channels, the first ones."""
    colours = as_colours(image.permute(1, 2, 0).numpy())
    shown = colours if mask is None else overlay(colours, mask[0].numpy(), own)
    return as_tile(Image.fromarray(np.ascontiguousarray(shown)))
