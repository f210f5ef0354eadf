"""Complete named runs: each recipe is a function that returns a full configuration.

Its docstring gives the command, the hardware, the time and the accuracy that were measured.
"""

from __future__ import annotations

import importlib
import inspect
import os
from typing import TYPE_CHECKING, Any

from convworks.errors import InputError, nearest
from convworks.files import expand

if TYPE_CHECKING:
    from convworks.data.decode.shape import Headers
    from convworks.data.source import Source
    from convworks.training.config import RunConfig

# name -> module:function; modules are imported only when a recipe is used.
RECIPES: dict[str, str] = {
    "digits/default": "digits:default",
    "mnist/fast": "mnist:fast",
    "mnist/accurate": "mnist:accurate",
    "mnist/best": "mnist:best",
    "mnist/lenet5": "mnist:lenet5",
    "mnist/lenet5-distortions": "mnist:lenet5_distortions",
    "cifar10/fast": "cifar10_fast:fast",
    "autoencoder/linear": "autoencoder:linear",
    "autoencoder/fc": "autoencoder:fully_connected",
    "autoencoder/denoising": "autoencoder:denoising",
    "autoencoder/convolutional": "autoencoder:convolutional",
    "autoencoder/deep": "autoencoder:deep",
    "autoencoder/stacked": "autoencoder:stacked_denoising",
    "autoencoder/classifier": "autoencoder:classifier",
    "membrane/unet": "segmentation:membrane_unet",
    "membrane/narrow": "segmentation:membrane_narrow",
    "camvid/unet": "segmentation:camvid_unet",
    "camvid/fcn8s": "segmentation:camvid_fcn8s",
    **{
        f"cifar10/{kind}{depth}": f"cifar10:{kind}{depth}"
        for kind in ("resnet", "plain")
        for depth in (20, 32, 44, 56, 110)
    },
    **{
        f"imagenet/{name}": f"imagenet:{name}"
        for name in (
            *("alexnet", "vgg_a", "vgg_d", "vgg_e", "googlenet", "inception_v3"),
            *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        )
    },
}

#: What `--data` without a recipe uses: functions of the data, not configurations.
FOLDER, PAIRS = "folder/default", "segmentation/default"
OF_DATA: dict[str, str] = {FOLDER: "folder:default", PAIRS: "segmentation:default"}


def recipe(name: str) -> RunConfig:
    """Return the configuration of a named recipe; InputError for an unknown name, and for one that needs data."""
    if name in OF_DATA:
        raise InputError("recipe", f"{name} depends on the images", "add --data FOLDER")
    config: RunConfig = _function(name)()
    return config


def of_data(source: Source, name: str, recipe: str | None = None, headers: Headers | None = None) -> RunConfig:
    """Return the configuration for a source, opened by `name`: of a recipe of the data, by default that which fits."""
    config: RunConfig = _function(recipe or (PAIRS if source.masked else FOLDER))(source, name, headers)
    return config


def describe(name: str) -> str:
    """Return the first sentence of a recipe's docstring, without the command."""
    return str(_function(name).__doc__).partition("\n")[0].partition(":")[0].rstrip(".")


def explain(name: str) -> str:
    """Return a recipe's docstring: what it does, what was measured, how it differs from its paper.

    The docstring of its module follows, if it is longer than one line.
    """
    function = _function(name)
    text = inspect.cleandoc(str(function.__doc__))
    shared = inspect.cleandoc(str(inspect.getmodule(function).__doc__))
    return f"{text}\n\n{shared}" if "\n" in shared else text


def _function(name: str) -> Any:
    functions = {**OF_DATA, **RECIPES}
    if name not in functions:
        from convworks.data.sources.named import CATALOGUE  # it imports NumPy

        is_source = name in CATALOGUE or os.path.exists(expand(name))
        remedy = f"to train on it: --data {name}" if is_source else "`convworks recipes` lists them"
        raise InputError("recipe", f"there is no recipe {name!r}{nearest(name, functions)}", remedy)
    module, _, function = functions[name].partition(":")
    return getattr(importlib.import_module(f"convworks.recipes.{module}"), function)
