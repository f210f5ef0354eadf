"""The default configuration of `convworks transfer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from convworks.data.config import AugmentConfig
from convworks.data.decode.shape import image_shape, read_headers
from convworks.data.inspect.photographs import ICON
from convworks.data.labels import nfc
from convworks.data.source import Source, require_train
from convworks.errors import InputError, nearest
from convworks.models.config import ModelConfig, Start
from convworks.models.transfer.head_config import DENSE, HEADS, MACHINES
from convworks.recipes import of_data
from convworks.recipes.folder import PHOTO
from convworks.training.config import RunConfig
from convworks.training.optimizers.config import AdamW
from convworks.training.schedules.config import OneCycle
from convworks.training.svm.config import machine_training

if TYPE_CHECKING:
    from convworks.data.decode.preprocess import Preprocessing

#: Keep the head of the bundle, to continue training on the same classes.
KEEP = "keep"
#: Learning rate of a stage, relative to the stage after it.
DEPTH_DECAY = 0.4


class InputSize(NamedTuple):
    """The size (height, width) at which a transferred network reads images, and why."""

    size: tuple[int, int]
    reason: str


def input_size(source: Source, preprocessing: Preprocessing, accepts: Callable[[tuple[int, int]], bool]) -> InputSize:
    """Return the size for a source: that of the bundle, unless its network was made for smaller images.

    A network for icons of 32 pixels sees little of a photograph: such images are read at up to 96 pixels, as `train
    --data` reads them, where the network `accepts` that size.
    """
    own = preprocessing.size
    images = image_shape(read_headers(require_train(source)), largest=PHOTO, fit=preprocessing.fit).size
    written, kept = _written(images), _written(own)
    if min(images) <= ICON or min(images) <= max(own):
        return InputSize(own, f"images are read at {kept}, as the network was trained")
    if not accepts(images):
        reason = f"images are read at {kept}: the network takes no other size, which is small for these images"
        return InputSize(own, reason)
    reason = f"images are read at {written}: {kept}, at which the network was trained, is small for these images"
    return InputSize(images, f"{reason} (--set data.size={own[0]},{own[1]} reads them at that)")


def _written(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def default(
    source: Source,
    name: str,
    model: ModelConfig,
    preprocessing: Preprocessing,
    *,
    size: tuple[int, int],
    freeze: str | None,
) -> RunConfig:
    """Train a pretrained network on another source: `convworks transfer BUNDLE --data SOURCE`.

    Images are preprocessed as the bundle specifies, but for their `size`; augmentation and epochs are those of `train
    --data`. Only the layers up to `freeze` are frozen, and the learning rate decreases with the distance of a stage
    from the head; a head that is a support vector machine is fitted in one step.
    """
    config = of_data(source, name)
    data = config.data.model_copy(
        update={
            "size": size,
            "channels": preprocessing.channels,
            "fit": preprocessing.fit,
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "max_pixels": preprocessing.decoding.max_pixels,
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


def check_head(head: str | None, source: Source) -> None:
    """Raise InputError for an unknown head, and for one that has other targets than the source."""
    heads = (*HEADS, KEEP)
    if head in (None, KEEP):
        return
    if head not in HEADS:
        raise InputError(
            "--head", f"there is no head {head!r}{nearest(str(head), heads)}", f"choose one of {', '.join(heads)}"
        )
    if source.masked and head not in DENSE:
        reason = f"{head} names the class of an image, but {source.name} has masks"
        raise InputError("--head", reason, f"choose one of {', '.join(DENSE)}")
    if head in DENSE and not source.masked:
        reason = f"{head} names the class of every pixel, but {source.name} has no masks"
        raise InputError("--head", reason, "choose another, such as linear")


def adapted(model: ModelConfig, *, path: str, cut: str, head: str, outputs: int, layers: Sequence[str]) -> ModelConfig:
    """Return a bundle's model, cut at a tap and with a new head; its `layers` are initialised from the bundle."""
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
    """Return a bundle's model unchanged, for further training; its `layers` are initialised from the bundle."""
    return model.model_copy(update={"start": Start(path=path, layers=tuple(layers))})


def check_same_classes(bundle: Sequence[str], source: Source) -> None:
    """Raise InputError if the classes of bundle and source differ, so that the head cannot be kept."""
    bundle, classes = list(map(nfc, bundle)), list(map(nfc, source.classes))
    if bundle == classes:
        return
    parts = {
        "only the bundle has": [name for name in bundle if name not in classes],
        "only the source has": [name for name in classes if name not in bundle],
    }
    differences = [
        f"{what} {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" for what, names in parts.items() if names
    ]
    reason = "; ".join(differences) or f"are in another order: the bundle has {', '.join(bundle[:10])}"
    raise InputError(source.where, f"classes differ: {reason}", "take a new head: --head linear")
