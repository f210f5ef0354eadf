"""The networks of the challenge's years on an ImageNet folder, each trained as its paper says.

ImageNet (ILSVRC2012) has to be fetched from image-net.org with an account: put it under $CONVWORKS_DATA/imagenet, or
name its folder with --data. Any other labelled source does as well: `convworks train imagenet/resnet18 --data FOLDER`.
Its validation images choose the learning rate and the epoch that is kept, as in the papers, and are what the published
errors were measured on. None of these recipes was run to its end for this page.

What all of them have other than their papers:
- Crops are cut from the middle square of a photograph, scaled to the size that is kept, not from all of it.
- Squares are decoded once and kept where the disk has room: all 1.28 million take the space given below. Elsewhere they
  are decoded whenever they are wanted (--set data.decode=always).
- Colours are shifted along the published principal components where the paper shifts them, not along those of the set.
- The bundle holds the best epoch on validation, measured on the whole middle square scaled to the network's size, not
  on one or ten crops or on a dense grid.
- One process takes the whole batch; --set training.accumulation=8 cuts it into parts where memory is short.

On a small set weights that are averaged over 10,000 steps stay those of the beginning: --set training.ema=0.9.
"""

from __future__ import annotations

from convworks.data.config import AugmentConfig, DataConfig
from convworks.losses.config import CrossEntropy
from convworks.models.config import ModelConfig, Start
from convworks.training.config import Clip, RunConfig, TrainingConfig
from convworks.training.optimizers.config import SGD, RMSProp
from convworks.training.schedules.config import Exponential, Plateau

#: Pixels in 0..255 with the mean subtracted, not divided by their standard deviation.
RAW = (1 / 255, 1 / 255, 1 / 255)
#: The first four convolutions of A and its fully connected layers, from which D and E were initialised (section 3.1).
OF_VGG_A = ("stem", "stage2.conv1", "stage3.conv1", "stage3.conv2", "head.hidden6", "head.hidden7", "head.logits")


def alexnet() -> RunConfig:
    """AlexNet as Krizhevsky et al. 2012 trained it, section 5: `convworks train imagenet/alexnet`.

    Batches of 128, momentum 0.9, weight decay 0.0005 of the weights, learning rate 0.01 divided by 10 three times, when
    validation stops improving; 90 epochs; centred raw pixels; weights N(0, 0.01^2) and the paper's biases; dropout.
    Crops of 227 pixels out of 256, mirrored, colours shifted (section 4.1). Published: 40.7 % top-1, 18.2 % top-5. The
    decoded images take 260 GB.

    It differs in the points that all of them have, and: crops have 227 pixels, with which the paper's layers have the
    sizes that it gives, not 224; the mean is taken out by channel, not by pixel; "stops improving" is five epochs
    without a better one, which the authors judged by eye.
    """
    training = TrainingConfig(
        epochs=90,
        batch_size=128,
        optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=5e-4),
        schedule=Plateau(rate=0.01, factor=0.1, patience=5, drops=3),
    )
    return RunConfig(
        recipe="imagenet/alexnet",
        data=DataConfig(source="imagenet", size=(227, 227), stored=(256, 256), std=RAW),
        augment=AugmentConfig(flip=True, lighting=0.1),
        model=ModelConfig(name="alexnet"),
        training=training,
    )


def vgg_a() -> RunConfig:
    """VGG A as Simonyan and Zisserman 2014 trained it, section 3.1: `convworks train imagenet/vgg_a`.

    Batches of 256, momentum 0.9, weight decay 0.0005, learning rate 0.01 divided by 10 three times, when validation
    stops improving; 74 epochs (370,000 steps); dropout; crops of 224 pixels out of 256 (S = 256), mirrored, colours
    shifted. Published: 29.6 % top-1, 10.4 % top-5. The decoded images take 260 GB. D and E begin with its layers:
    `imagenet/vgg_d`.

    It differs in the points that all of them have, and: first weights are those of Glorot and Bengio, which
    the paper recommends in a note, not of variance 0.01; with these, the paper's centred raw pixels made the loss
    infinite within 5 steps (of 16 photographs), so pixels are divided by their deviation; "stops improving" is five
    epochs without a better one.
    """
    return _vgg("vgg_a", None)


def vgg_d() -> RunConfig:
    """VGG D (16 layers), grown from A: `convworks train imagenet/vgg_d --set model.start.path=runs/imagenet-vgg_a`.

    As `imagenet/vgg_a`; the first four convolutions and the fully connected layers begin with A's, and learn as fast
    as the others. Without A, as in the paper's note: --set model.start=None. Published: 27.0 % top-1, 8.8 % top-5
    (S = 256); 25.6 %, 8.1 % with S drawn from 256 to 512, which this recipe does not do. A's fourth convolution and
    D's have the same place in their stage (stage3.conv2), not the same number.
    """
    return _vgg("vgg_d", Start(layers=OF_VGG_A))


def vgg_e() -> RunConfig:
    """VGG E (19 layers), grown from A: `convworks train imagenet/vgg_e --set model.start.path=runs/imagenet-vgg_a`.

    As `imagenet/vgg_d`. Published: 27.3 % top-1, 9.0 % top-5 (S = 256); 25.5 %, 8.0 % with S drawn from 256 to 512,
    which this recipe does not do.
    """
    return _vgg("vgg_e", Start(layers=OF_VGG_A))


def googlenet() -> RunConfig:
    """GoogLeNet as Szegedy et al. 2014 trained it, section 6: `convworks train imagenet/googlenet`.

    Momentum 0.9, the learning rate 4 % lower every 8 epochs, crops of 8 to 100 % of the area with sides of ratio 3/4
    to 4/3, averaged weights; the losses of both auxiliary classifiers count 0.3. Published: 7.89 % top-5 with 144
    crops and 10.07 % with one, of one network. The decoded images take 260 GB.

    It differs in the points that all of them have, and: the paper does not give batch size, learning rate,
    weight decay and epochs, so they are those of its replication in Caffe (32, 0.01, 0.0002, 250); one process instead
    of asynchronous ones; no photometric distortions, which it does not describe; pixels are divided by their deviation;
    the average is exponential, over some 10,000 steps.
    """
    training = TrainingConfig(
        epochs=250,
        batch_size=32,
        optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=2e-4),
        schedule=Exponential(rate=0.01, factor=0.96, epochs=8),
        ema=0.9999,
    )
    return RunConfig(
        recipe="imagenet/googlenet",
        data=DataConfig(source="imagenet", size=(224, 224), stored=(256, 256)),
        augment=AugmentConfig(flip=True, crop=0.08),
        model=ModelConfig(name="googlenet"),
        training=training,
    )


def inception_v3() -> RunConfig:
    """Inception v3 as Szegedy et al. 2015 trained it, section 8: `convworks train imagenet/inception_v3`.

    RMSProp with decay 0.9 and epsilon 1.0, batches of 32, 100 epochs, learning rate 0.045 times 0.94 every two epochs,
    gradients clipped at 2.0, labels smoothed by 0.1 (section 7), averaged weights; the auxiliary classifier's loss
    counts 0.4. Published: 21.2 % top-1, 5.6 % top-5, one crop. The decoded images take 463 GB.

    It differs in the points that all of them have, and: one process, not 50 asynchronous ones; epsilon is
    added to the root, not under it; the norm of all gradients together is clipped, as the paper does not say which;
    the average is exponential with 0.9999, weight decay is 4e-5 and crops are GoogLeNet's, all as released.
    """
    training = TrainingConfig(
        epochs=100,
        batch_size=32,
        optimizer=RMSProp(smoothing=0.9, momentum=0.0, epsilon=1.0, weight_decay=4e-5),
        schedule=Exponential(rate=0.045, factor=0.94, epochs=2),
        loss=CrossEntropy(smoothing=0.1),
        clip=Clip(kind="global_norm", limit=2.0),
        ema=0.9999,
    )
    return RunConfig(
        recipe="imagenet/inception_v3",
        data=DataConfig(source="imagenet", size=(299, 299), stored=(342, 342)),
        augment=AugmentConfig(flip=True, crop=0.08),
        model=ModelConfig(name="inception_v3"),
        training=training,
    )


def resnet50() -> RunConfig:
    """ResNet-50 as He et al. 2015 trained it, section 3.4: `convworks train imagenet/resnet50`.

    Batches of 256, momentum 0.9, weight decay 0.0001 of all parameters, learning rate 0.1 divided by 10 when validation
    stops improving, 120 epochs (600,000 steps), no dropout. Published: 20.74 % top-1, 5.25 % top-5, dense at several
    scales (22.85 %, 6.71 % with ten crops). Crops of 224 pixels out of images scaled to 256 to 480, mirrored, colours
    shifted. The decoded images take 893 GB.

    It differs in the points that all of them have, and: of the scale of a crop, the area is drawn evenly, not the
    side; the mean is taken out by channel, not by pixel; "stops improving" is five epochs without
    a better one, at most three times. The stride is on the first 1x1 convolution, as in the paper; --model
    resnet50_v1_5 has it on the 3x3.
    """
    return _resnet("resnet50")


def resnet18() -> RunConfig:
    """ResNet-18 as He et al. 2015 trained it, section 3.4: `convworks train imagenet/resnet18`.

    As `imagenet/resnet50`. The paper's 27.88 % top-1 (ten crops) is of the network without projections: --model
    resnet18_a; its twin without shortcuts, 27.94 %: --model plain18.
    """
    return _resnet("resnet18")


def resnet34() -> RunConfig:
    """ResNet-34 as He et al. 2015 trained it, section 3.4: `convworks train imagenet/resnet34`.

    As `imagenet/resnet50`. Published: 21.84 % top-1, 5.71 % top-5; its twin without shortcuts, 28.54 % top-1 with ten
    crops: --model plain34.
    """
    return _resnet("resnet34")


def resnet101() -> RunConfig:
    """ResNet-101 as He et al. 2015 trained it, section 3.4: `convworks train imagenet/resnet101`.

    As `imagenet/resnet50`. Published: 19.87 % top-1, 4.60 % top-5.
    """
    return _resnet("resnet101")


def resnet152() -> RunConfig:
    """ResNet-152 as He et al. 2015 trained it, section 3.4: `convworks train imagenet/resnet152`.

    As `imagenet/resnet50`. Published: 19.38 % top-1, 4.49 % top-5.
    """
    return _resnet("resnet152")


def _vgg(name: str, start: Start | None) -> RunConfig:
    training = TrainingConfig(
        epochs=74,
        batch_size=256,
        optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=5e-4, decays="all"),
        schedule=Plateau(rate=0.01, factor=0.1, patience=5, drops=3),
    )
    return RunConfig(
        recipe=f"imagenet/{name}",
        data=DataConfig(source="imagenet", size=(224, 224), stored=(256, 256)),
        augment=AugmentConfig(flip=True, lighting=0.1),
        model=ModelConfig(name=name, start=start),
        training=training,
    )


def _resnet(name: str) -> RunConfig:
    training = TrainingConfig(
        epochs=120,
        batch_size=256,
        optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=1e-4, decays="all"),
        schedule=Plateau(rate=0.1, factor=0.1, patience=5, drops=3),
    )
    return RunConfig(
        recipe=f"imagenet/{name}",
        data=DataConfig(source="imagenet", size=(224, 224), stored=(480, 480)),
        augment=AugmentConfig(
            flip=True, crop=(224 / 480) ** 2, crop_largest=(224 / 256) ** 2, crop_ratio=1, lighting=0.1
        ),
        model=ModelConfig(name=name),
        training=training,
    )
