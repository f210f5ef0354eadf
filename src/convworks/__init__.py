"""convworks, the convolutional-network workshop.

    result = convworks.train(data="photos")            # a folder with one folder per class
    result.plot(), result.history                      # learning curves
    result.predictor.predict("new.jpg")                # or convworks.load(result["bundle"])
    convworks.load("runs/photos").evaluate("photos")   # metrics with 95 % intervals

`transfer` fine-tunes a trained network on other images, `features` and `probe` show what it computes inside, `compare`
compares two of them. `restarts`, `crossval` and `tune` train several networks, `lr_range` finds a learning rate.
`predict_to` predicts any number of files into a file. `explain` shows which pixels count for an answer, `visualise`
what layers respond to, `landscape` the loss around trained weights. `restore` denoises or completes a single image,
without training data. `create` builds an untrained network by name, `network` registers one of your own. `export`
writes a bundle for another library, compared with PyTorch before. Wrong input raises `InputError`, work that fails
`RunError`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

# Importing this module imports nothing heavy.
if TYPE_CHECKING:
    from convworks.api.compare import compare
    from convworks.api.create import create
    from convworks.api.experiments import crossval, restarts, tune
    from convworks.api.explain import explain
    from convworks.api.export import export
    from convworks.api.landscape import landscape
    from convworks.api.load import load
    from convworks.api.lr_range import lr_range
    from convworks.api.predict import predict_to
    from convworks.api.restore import restore
    from convworks.api.train import train
    from convworks.api.transfer import features, probe, transfer
    from convworks.api.visualise import visualise
    from convworks.errors import InputError, RunError
    from convworks.models.own import network

__all__ = [
    "InputError",
    "RunError",
    "__version__",
    "compare",
    "create",
    "crossval",
    "explain",
    "export",
    "features",
    "landscape",
    "load",
    "lr_range",
    "network",
    "predict_to",
    "probe",
    "restarts",
    "restore",
    "train",
    "transfer",
    "tune",
    "visualise",
]
__version__ = "0.1.0"

_HOMES = {
    "train": "convworks.api.train",
    "transfer": "convworks.api.transfer",
    "features": "convworks.api.transfer",
    "probe": "convworks.api.transfer",
    "visualise": "convworks.api.visualise",
    "landscape": "convworks.api.landscape",
    "network": "convworks.models.own",
    "explain": "convworks.api.explain",
    "export": "convworks.api.export",
    "load": "convworks.api.load",
    "predict_to": "convworks.api.predict",
    "restore": "convworks.api.restore",
    "restarts": "convworks.api.experiments",
    "crossval": "convworks.api.experiments",
    "tune": "convworks.api.experiments",
    "lr_range": "convworks.api.lr_range",
    "compare": "convworks.api.compare",
    "create": "convworks.api.create",
    "InputError": "convworks.errors",
    "RunError": "convworks.errors",
}
#: Methods of a predictor that are looked for here, as they are commands.
_METHODS = ("evaluate", "predict")


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        hint = f"; write convworks.load(BUNDLE).{name}(...)" if name in _METHODS else ""
        message = f"module 'convworks' has no attribute {name!r}{hint}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


class _Package(ModuleType):
    """This package: a verb keeps its name when the room of the same name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
