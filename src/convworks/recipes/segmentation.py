"""Recipes for masks: the class of every pixel."""

from __future__ import annotations

from convworks.data.config import AffineConfig, AugmentConfig, DataConfig, ElasticConfig, Fit
from convworks.data.decode.shape import Headers, image_shape, read_headers
from convworks.data.source import Source, training_split
from convworks.losses.config import BorderCrossEntropy, SumLoss
from convworks.models.config import ModelConfig
from convworks.training.config import RunConfig, TrainingConfig
from convworks.training.optimizers.config import SGD, AdamW
from convworks.training.schedules.config import OneCycle, StepSchedule

#: The longest side of images in training, in pixels, and the shortest of the coarsest maps of the network.
LARGEST, COARSEST = 256, 4
#: Training budget of a run in pixels: 24,000 presentations of 128x128 images.
PIXELS = 24_000 * 128 * 128
EPOCHS, FEWEST = 120, 8
#: A quarter of the channels of U-Net.
WIDTHS = (16, 32, 64, 128, 256)


def default(source: Source, name: str, headers: Headers | None = None) -> RunConfig:
    """Train on any source of images with masks: `convworks train --data PAIRS`.

    Image size, network and epochs follow from size and number of the images:

        data.size       the size of the images, at most 256 pixels a side
        data.fit        squash images of one shape, letterbox others
        model           U-Net with padding, a quarter of its channels, instance normalisation, five scales or fewer
        epochs          24,000 presentations of 128x128 pixels, at least 8, at most 120 epochs

    The network was chosen on membrane at 128x128 pixels, 6 of 30 slices held out, by pixel error after 90 steps: 0.121,
    against 0.147 without normalisation and 0.226 (all pixels of one class) of unet_resnet18 from random weights.
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
        model=_narrow(size),
        training=TrainingConfig(
            epochs=_epochs(len(train), size),
            batch_size=8,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.003),
            loss=SumLoss(),
            best="mean_iou",
        ),
    )


def _narrow(size: tuple[int, int]) -> ModelConfig:
    """Return a U-Net with a quarter of the channels, and as many scales as images of this size have room for."""
    scales = next((n for n in range(len(WIDTHS), 2, -1) if min(size) >> (n - 1) >= COARSEST), 2)
    table = {"widths": list(WIDTHS[:scales]), "normalisation": "instance", "dropout": 0.2}
    return ModelConfig(name="unet_padded", table=table)


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
    """Find cell membranes as in the paper of U-Net: `convworks train membrane/unet`.

    The published network, without padding, on the 30 slices of the ISBI 2012 challenge, of which a fifth is held out:
    single crops of 508x508 pixels, SGD with momentum 0.99, elastic deformations, weights for borders between cells.
    What deformations take in from outside is mirrored.
    Validation measures the centre that the network scores; `convworks predict` mirrors the image beyond its borders.
    Differs from the paper: it says neither the learning rate nor how long it was trained. It displaces the points of a
    3x3 grid with a standard deviation of 10 pixels; here every pixel is displaced by smoothed noise, with one of 1.6.
    For a GPU; it has been run for some steps, not to the end.
    """
    return RunConfig(
        recipe="membrane/unet",
        data=DataConfig(source="membrane", size=(508, 508), stored=(512, 512), fit="pad", validation=0.2),
        augment=AugmentConfig(
            flip=True,
            elastic=ElasticConfig(alpha=120.0, sigma=12.0),
            affine=AffineConfig(rotate=15, scale=0.1),
            border="reflect",
        ),
        model=ModelConfig(name="unet"),
        training=TrainingConfig(
            epochs=200,
            batch_size=1,
            optimizer=SGD(momentum=0.99, nesterov=False, weight_decay=0.0),
            schedule=StepSchedule(rate=0.001, milestones=(0.75,)),
            loss=BorderCrossEntropy(),
            best="mean_iou",
        ),
    )


def membrane_narrow() -> RunConfig:
    """Find cell membranes on a CPU: `convworks train membrane/narrow`.

    U-Net with padding, a quarter of its channels and instance normalisation, at half the size of the 30 slices; a
    fifth of them is held out. After 36 epochs (432 steps of 2 slices; 78 s on two cores) pixel error 0.0822 and 0.0807,
    Rand error 0.088 and 0.160, mean IoU 79.6 and 79.3 %, with the seeds 0 and 1, on the 6 slices that the epoch was
    chosen on; the best single threshold has a pixel error of 0.180.
    """
    return RunConfig(
        recipe="membrane/narrow",
        data=DataConfig(source="membrane", size=(256, 256), fit="squash", validation=0.2),
        augment=AugmentConfig(flip=True, elastic=ElasticConfig(alpha=60.0, sigma=8.0)),
        model=_narrow((256, 256)),
        training=TrainingConfig(
            epochs=60,
            batch_size=2,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.002),
            loss=SumLoss(),
            best="mean_iou",
        ),
    )


def camvid_unet() -> RunConfig:
    """Name what a driver sees: `convworks train camvid/unet`.

    U-Net on ResNet-18, from random weights, on street scenes of 240x180 pixels with 11 classes.
    """
    return _camvid("camvid/unet", "unet_resnet18")


def camvid_fcn8s() -> RunConfig:
    """Name what a driver sees by a fully convolutional network: `convworks train camvid/fcn8s`.

    FCN-8s on ResNet-18, from random weights: VGG-16, that of the paper (`--model fcn8s`), has ten times as many
    and learns little from 367 images without those of ImageNet.
    """
    return _camvid("camvid/fcn8s", "fcn8s_resnet18")


def _camvid(recipe: str, model: str) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        data=DataConfig(source="camvid", size=(180, 240), fit="squash", ignore="unlabelled"),
        augment=AugmentConfig(flip=True, affine=AffineConfig(scale=0.3, rotate=5)),
        model=ModelConfig(name=model),
        training=TrainingConfig(
            epochs=60,
            batch_size=8,
            optimizer=AdamW(),
            schedule=OneCycle(rate=0.003),
            loss=SumLoss(),
            best="mean_iou",
        ),
    )
