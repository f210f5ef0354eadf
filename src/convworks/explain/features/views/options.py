"""The views by name, and the options that each takes; nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convworks.errors import InputError, nearest

IMAGES, DATA, SPLIT, TAP, CHANNELS, UNIT, STEPS, SEED = (
    *("IMAGE", "--data", "--split", "--tap"),
    *("--channels", "--unit", "--steps", "--seed"),
)


@dataclass(frozen=True, kw_only=True)
class View:
    """What a view shows, in a line; the options that it takes, and those that it needs."""

    shows: str
    takes: tuple[str, ...]
    needs: tuple[str, ...] = ()


VIEWS: Mapping[str, View] = {
    "kernels": View(shows="the weights of a convolution", takes=(TAP, CHANNELS)),
    "gabor": View(shows="Gabor functions fitted to them, and to controls", takes=(TAP, SEED)),
    "maps": View(shows="the feature maps of an image", takes=(IMAGES, TAP, CHANNELS), needs=(IMAGES,)),
    "field": View(shows="the receptive field of a unit, on an image", takes=(IMAGES, TAP, UNIT), needs=(IMAGES,)),
    "invert": View(
        shows="an image with the activations of another", takes=(IMAGES, TAP, STEPS, SEED), needs=(IMAGES,)
    ),
    "patches": View(
        shows="the patches of a source to which channels respond most",
        takes=(DATA, SPLIT, TAP, CHANNELS),
        needs=(DATA,),
    ),
    "maximise": View(
        shows="images to which channels respond most, found by gradient ascent", takes=(TAP, CHANNELS, STEPS, SEED)
    ),
    "embedding": View(
        shows="the features of a source, in the plane", takes=(DATA, SPLIT, TAP, SEED), needs=(DATA,)
    ),
}


def check_options(name: str, given: Mapping[str, bool]) -> None:
    """Raise InputError for an unknown view, an option that it does not take, and one that it needs but did not get."""
    if name not in VIEWS:
        remedy = f"choose one of {', '.join(VIEWS)}"
        raise InputError("--show", f"there is no view {name!r}{nearest(name, VIEWS)}", remedy)
    view = VIEWS[name]
    for option, is_given in given.items():
        if is_given and option not in view.takes:
            raise InputError(option, f"is of no use to --show {name}: {view.shows}", "leave it out")
        if not is_given and option in view.needs:
            raise InputError(option, f"is missing: --show {name} draws {view.shows}", "add it")
