"""Recipes for masks: the class of every pixel."""

from __future__ import annotations

from convworks.data.config import AffineConfig, AugmentConfig, DataConfig, ElasticConfig, Fit
from convworks.data.decode.shape import Headers, image_shape, read_headers
from convworks.data.source import Source, training_split
from convworks.losses.config import CrossEntropy
from convworks.models.config import ModelConfig
from convworks.training.config import RunConfig, TrainingConfig
from convworks.training.optimizers.config import AdamW
from convworks.training.schedules.config import OneCycle

#: The longest side of images in training, in pixels.
LARGEST = 256
#: Training budget of a run in pixels.
PIXELS = 24_000 * 128 * 128
EPOCHS, FEWEST = 120, 8


def default(source: Source, name: str, headers: Headers | None = None) -> RunConfig:
    """Train on any source of images with masks: `convworks train --data PAIRS`.

    Image size and epochs follow from size and number of the images:

        data.size       the size of the images, at most 256 pixels a side
        data.fit        squash images of one shape, letterbox others
        epochs          24,000 presentations of 128x128 pixels, at least 8, at most 120 epochs
    """
    train = training_split(source)
    headers = headers or read_headers(train)
    fit = _fit(headers)
    size = _size(headers, fit)
    channels = image_shape(headers, largest=LARGEST, fit=fit).channels
    return RunConfig(
        recipe="segmentation/default",
        data=DataConfig(source=name, size=size, channels=channels, fit=fit),
        augment=AugmentConfig(flip=True, affine=AffineConfig(scale=0.2, rotate=10)),
        model=ModelConfig(name="unet_padded", table={"widths": [16, 32, 64, 128, 256], "dropout": 0.2}),
        training=TrainingConfig(
            epochs=_epochs(len(train), size),
            batch_size=8,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.003),
            loss=CrossEntropy(),
            best="mean_iou",
        ),
    )


def _fit(headers: Headers) -> Fit:
    """Squash images of one shape, which keeps it; letterbox others."""
    shapes = {round(probe.width / probe.height, 2) for probe in headers.probes}
    return "squash" if len(shapes) == 1 else "letterbox"


def _size(headers: Headers, fit: Fit) -> tuple[int, int]:
    """Return the size of the images, scaled down to LARGEST pixels at most; a square for images of several shapes."""
    if fit == "letterbox" or not headers.probes:
        return image_shape(headers, largest=LARGEST, fit=fit).size
    height = min(probe.height for probe in headers.probes)
    width = min(probe.width for probe in headers.probes)
    factor = min(1.0, LARGEST / max(height, width))
    return round(height * factor), round(width * factor)


def _epochs(n: int, size: tuple[int, int]) -> int:
    return max(FEWEST, min(EPOCHS, round(PIXELS / (n * size[0] * size[1]))))


def membrane_unet() -> RunConfig:
    """Find cell membranes in electron micrographs: `convworks train membrane/unet`.

    U-Net with padding, its channels divided by four, on the 30 slices of the ISBI 2012 challenge, of which a fifth is
    held out.
    """
    return RunConfig(
        recipe="membrane/unet",
        data=DataConfig(source="membrane", size=(512, 512), fit="squash", validation=0.2),
        augment=AugmentConfig(
            flip=True, elastic=ElasticConfig(alpha=120.0, sigma=12.0), affine=AffineConfig(rotate=15, scale=0.1)
        ),
        model=ModelConfig(name="unet_padded", table={"widths": [16, 32, 64, 128, 256], "dropout": 0.5}),
        training=TrainingConfig(
            epochs=60,
            batch_size=2,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.002),
            best="mean_iou",
        ),
    )


def camvid_unet() -> RunConfig:
    """Name what a driver sees: `convworks train camvid/unet`.

    U-Net with padding, its channels divided by two, on street scenes of 240x180 pixels with 11 classes.
    """
    return RunConfig(
        recipe="camvid/unet",
        data=DataConfig(source="camvid", size=(180, 240), fit="squash", ignore="unlabelled"),
        augment=AugmentConfig(flip=True, affine=AffineConfig(scale=0.3, rotate=5)),
        model=ModelConfig(name="unet_padded", table={"widths": [32, 64, 128, 256, 512], "dropout": 0.3}),
        training=TrainingConfig(
            epochs=60,
            batch_size=8,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.002),
            best="mean_iou",
        ),
    )
