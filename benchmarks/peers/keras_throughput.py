"""Time Keras on PyTorch: `keras_throughput.py FOLDER resnet20 BATCH STEPS`.

Data and transforms are those of plain_throughput.py, the network is the same in Keras's layers, with channels first, as
PyTorch has them; the loop is Keras's.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
from keras import layers, ops
from plain_throughput import WARM, load_images


def convolution(x: Any, width: int, stride: int = 1) -> Any:
    x = layers.ZeroPadding2D(1)(x) if stride > 1 else x  # Keras's own padding lies on the other side then
    padding = "valid" if stride > 1 else "same"
    x = layers.Conv2D(width, 3, stride, padding, use_bias=False)(x)
    return layers.BatchNormalization(axis=1, momentum=0.9, epsilon=1e-5)(x)


def resnet20() -> keras.Model:
    inputs = keras.Input((3, 32, 32))
    x = layers.ReLU()(convolution(inputs, 16))
    for width, first in ((16, 1), (32, 2), (64, 2)):
        for number in range(3):
            stride = first if number == 0 else 1
            y = convolution(layers.ReLU()(convolution(x, width, stride)), width)
            if stride > 1:
                side = width // 4
                x = ops.pad(x[:, :, ::2, ::2], ((0, 0), (side, side), (0, 0), (0, 0)))
            x = layers.ReLU()(x + y)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


class Timer(keras.callbacks.Callback):
    """Takes the time after each step, and ends the training after the last."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last
        self.times: list[float] = []

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())
        if len(self.times) == self.last:
            raise StopIteration


def main() -> None:
    folder, _, batch_size, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    keras.config.set_image_data_format("channels_first")
    keras.utils.set_random_seed(0)
    model, timer = resnet20(), Timer(WARM + steps)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    with suppress(StopIteration):
        model.fit(load_images(folder, batch_size), epochs=10, verbose=0, callbacks=[timer])
    seconds = timer.times[-1] - timer.times[WARM - 1]
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main()
