"""The views by name, and the options that each takes; nothing here imports anything heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convworks.errors import InputError, nearest
from convworks.explain.seed import check_seed


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is looked at; None is the default of the view.

    `data` is a source, its name or its path, `tap` is the layer, `channels` are those of it that are shown, `unit` is a
    position on its map (row, column), `steps` are those of gradient ascent.
    """

    data: Any = None
    split: str | None = None
    tap: str | None = None
    channels: tuple[int, ...] | None = None
    unit: tuple[int, ...] | None = None
    steps: int | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """What a view shows, in a line; the options that it takes, and those that it needs: `images` is one, too."""

    shows: str
    takes: tuple[str, ...]
    needs: tuple[str, ...] = ()


VIEWS: Mapping[str, View] = {
    "kernels": View(shows="the weights of a convolution", takes=("tap", "channels")),
    "history": View(
        shows="kernels, or the maps of an image, at each checkpoint of a run", takes=("images", "tap", "channels")
    ),
    "gabor": View(shows="Gabor functions fitted to kernels, and to controls", takes=("tap", "seed")),
    "maps": View(shows="the feature maps of an image", takes=("images", "tap", "channels"), needs=("images",)),
    "field": View(
        shows="the receptive field of a unit, on an image", takes=("images", "tap", "unit"), needs=("images",)
    ),
    "invert": View(
        shows="an image with the activations of another",
        takes=("images", "tap", "steps", "seed"),
        needs=("images",),
    ),
    "patches": View(
        shows="the patches of a source to which channels respond most",
        takes=("data", "split", "tap", "channels"),
        needs=("data",),
    ),
    "maximise": View(
        shows="images to which channels respond most, found by gradient ascent",
        takes=("tap", "channels", "steps", "seed"),
    ),
    "embedding": View(
        shows="the features of a source, in the plane", takes=("data", "split", "tap", "seed"), needs=("data",)
    ),
}


def check_options(name: str, options: Options, *, images: bool) -> None:
    """Raise InputError for an unknown view, an option that it does not take, and one that it needs but did not get."""
    if name not in VIEWS:
        remedy = f"choose one of {', '.join(VIEWS)}"
        raise InputError("--show", f"there is no view {name!r}{nearest(name, VIEWS)}", remedy)
    view = VIEWS[name]
    present = {"images": images, **{option: value is not None for option, value in vars(options).items()}}
    for option, is_present in present.items():
        written = "IMAGE" if option == "images" else f"--{option}"
        if is_present and option not in view.takes:
            raise InputError(written, f"does not apply to --show {name}: {view.shows}", "leave it out")
        if not is_present and option in view.needs:
            raise InputError(written, f"is missing: --show {name} draws {view.shows}", "add it")
    if options.steps is not None and options.steps < 1:
        raise InputError("--steps", f"is {options.steps}", "give at least 1")
    check_seed(options.seed or 0)
