"""A network, a loss and a callback of your own, in a run with all that convworks gives one.

Run it: `python examples/own_parts.py [RUN_FOLDER]`. It trains on the embedded digits for some seconds.
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

import convworks
from convworks.training.events import Events


@convworks.network("tiny", channels=1, size=(8, 8))
def tiny(shape):
    """Two convolutions and the mean over the map."""
    return nn.Sequential(
        nn.Conv2d(shape.channels, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, shape.classes),
    )


def focal(logits, labels):
    """The focal loss of Lin et al. 2017, which easy samples hardly count in."""
    right = F.log_softmax(logits, 1).gather(1, labels[:, None])
    return -((1 - right.exp()) ** 2 * right).mean()


class Norms(Events):
    """Tells how large the weights are after each epoch."""

    def epoch_ended(self, setup, progress):
        """Print the norm of all weights together."""
        norm = torch.stack([p.detach().norm() for p in setup.parameters.values()]).norm()
        print(f"epoch {progress.epoch}: weights of norm {norm:.2f}")


found = convworks.train(
    model="tiny", epochs=5, loss=focal, events=[Norms()], out=sys.argv[1] if len(sys.argv) > 1 else None
)
print(f"test accuracy {found['test']['top1']:.2%}")
print(convworks.load(found["bundle"]).evaluate("digits")["top1"])
