"""Train on the embedded digits, load the bundle, classify an image drawn here, look at an activation.

Run it with `python examples/digits.py`; it takes some seconds and leaves its run under runs/.
"""

from __future__ import annotations

import numpy as np
import torch

import convworks

run = convworks.train("digits/default", epochs=10)
print(f"test accuracy {run['test']['top1']:.2%}, report in {run['report']}")

one = np.zeros((8, 8), dtype=np.uint8)
one[:, 3:5] = 255  # a vertical bar, as a 1 is written

predictor = convworks.load(run["bundle"])
(answer,) = predictor.predict([one], top=3)
for label, probability in zip(answer["labels"], answer["probabilities"], strict=True):
    print(f"{label}: {probability:.1%}")

network = predictor.bundle.network
print("taps:", ", ".join(network.taps))
activation = network.activations(torch.zeros(1, 1, 8, 8), ["stage1"])["stage1"]
print("stage1 gives", tuple(activation.shape))
