"""convworks, the convolutional-network workshop.

`convworks.train(...)` trains, `convworks.load(bundle)` loads a trained network with `.predict(images)` and
`.evaluate(source)`. Importing this page imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convworks.api import train
    from convworks.evaluate.predictor import load

__all__ = ["__version__", "load", "train"]
__version__ = "0.1.0"

_HOMES = {"train": "convworks.api", "load": "convworks.evaluate.predictor"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convworks' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
