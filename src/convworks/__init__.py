"""convworks, the convolutional-network workshop.

`convworks.train(...)` trains, `convworks.load(bundle)` loads a trained network with `.predict(images)` and
`.evaluate(source)`, `compare` puts two of them side by side. `transfer` trains one on another source, `features` and
`probe` say what it computes inside. `network` names one of your own. `restarts`, `crossval` and `tune` train several,
`lr_range` finds a learning rate.
Importing this page imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convworks.api.compare import compare
    from convworks.api.experiments import crossval, restarts, tune
    from convworks.api.lr_range import lr_range
    from convworks.api.train import train
    from convworks.api.transfer import features, probe, transfer
    from convworks.inference.predictor import load
    from convworks.models.own import network

__all__ = [
    "__version__",
    "compare",
    "crossval",
    "features",
    "load",
    "lr_range",
    "network",
    "probe",
    "restarts",
    "train",
    "transfer",
    "tune",
]
__version__ = "0.1.0"

_HOMES = {
    "train": "convworks.api.train",
    "transfer": "convworks.api.transfer",
    "features": "convworks.api.transfer",
    "probe": "convworks.api.transfer",
    "network": "convworks.models.own",
    "load": "convworks.inference.predictor",
    "restarts": "convworks.api.experiments",
    "crossval": "convworks.api.experiments",
    "tune": "convworks.api.experiments",
    "lr_range": "convworks.api.lr_range",
    "compare": "convworks.api.compare",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convworks' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
