"""What `convworks transfer` does where nothing else is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convworks.data.config import AugmentConfig
from convworks.data.labels import nfc
from convworks.data.source import Source, require_train
from convworks.errors import InputError, nearest
from convworks.models.config import ModelConfig, Start
from convworks.models.transfer.head_config import HEADS, MACHINES
from convworks.recipes.folder import default as from_scratch
from convworks.training.config import RunConfig
from convworks.training.optimizers.config import AdamW
from convworks.training.schedules.config import OneCycle
from convworks.training.svm.config import machine_training

if TYPE_CHECKING:
    from convworks.data.decode.preprocess import Preprocessing

#: The head that the bundle has, for more training on the same classes.
KEEP = "keep"
#: A stage learns this many times as fast as the one behind it.
DEPTH_DECAY = 0.4


def default(
    source: Source, name: str, model: ModelConfig, preprocessing: Preprocessing, *, freeze: str | None
) -> RunConfig:
    """Train a network that was trained before on another source: `convworks transfer BUNDLE --data SOURCE`.

    Images are as the bundle wants them; how they are varied, and how often each is seen, is as in `train --data`.
    Nothing is frozen but what `freeze` names, and stages learn the slower the deeper they lie; a head that is a support
    vector machine is fitted at once.
    """
    config = from_scratch(source, name)
    given = preprocessing
    data = config.data.model_copy(
        update={
            "size": given.size,
            "channels": given.channels,
            "fit": given.fit,
            "mean": given.mean,
            "std": given.std,
            "max_pixels": given.decoding.max_pixels,
        }
    )
    changes = {"recipe": "transfer", "data": data, "model": model}
    if model.head is not None and model.head.kind in MACHINES:
        training = machine_training(len(require_train(source)), model.cut or "")
        if freeze is not None:
            training = training.model_copy(update={"freeze": freeze})
        return config.model_copy(update={**changes, "augment": AugmentConfig(), "training": training})
    training = config.training.model_copy(
        update={
            "optimizer": AdamW(),
            "schedule": OneCycle(rate=2e-3),
            "freeze": freeze,
            "depth_decay": DEPTH_DECAY,
        }
    )
    return config.model_copy(update={**changes, "training": training})


def adapted(model: ModelConfig, *, path: str, cut: str, head: str, outputs: int, layers: Sequence[str]) -> ModelConfig:
    """Return a bundle's model, cut at a tap and with a new head, whose kept `layers` begin with the bundle's weights.

    Raises InputError for a head that there is not.
    """
    if head not in HEADS:
        known = (*HEADS, KEEP)
        raise InputError(
            "--head", f"there is no head {head!r}{nearest(head, known)}", f"choose one of {', '.join(known)}"
        )
    values = {
        "name": model.name,
        "table": model.table,
        "start": Start(path=path, layers=tuple(layers)) if layers else None,
        "cut": cut,
        "head": {"kind": head},
        "outputs": outputs,
        "earlier": model.adapted,
    }
    return ModelConfig.model_validate(values)


def kept(model: ModelConfig, *, path: str, layers: Sequence[str]) -> ModelConfig:
    """Return a bundle's model as it is, to be trained on: all its `layers` begin with the bundle's weights."""
    return model.model_copy(update={"start": Start(path=path, layers=tuple(layers))})


def check_same_classes(bundle: Sequence[str], source: Source) -> None:
    """Refuse to keep a head where the classes of bundle and source differ, and say which."""
    bundle, classes = list(map(nfc, bundle)), list(map(nfc, source.classes))
    if bundle == classes:
        return
    parts = {
        "only the bundle has": [name for name in bundle if name not in classes],
        "only the source has": [name for name in classes if name not in bundle],
    }
    told = [
        f"{what} {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" for what, names in parts.items() if names
    ]
    reason = "; ".join(told) or f"are in another order: the bundle has {', '.join(bundle[:10])}"
    raise InputError(source.where, f"classes differ: {reason}", "take a new head: --head linear")
