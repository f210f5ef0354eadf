"""Train on the embedded digits, then take one number of the network apart: forward, backward, and a weight's gradient.

Run it with `python examples/one_unit.py`; it takes some seconds and leaves its run under runs/.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

import convworks
from convworks.data.inputs.images import normalise
from convworks.explain.observe import observe
from convworks.explain.unit import Explanation, explain_gradient, explain_message, explain_unit


def show(found: Explanation) -> None:
    """Print the largest terms of a number, and that all of them add up to it."""
    terms = found.terms
    print(f"\n{found.layer} {found.what} {found.index}, by {found.kind}: {len(terms.values)} terms")
    for n in np.argsort(-np.abs(terms.products))[:4]:
        product = f"{terms.values[n]:+.5f} x {terms.weights[n]:+.5f} = {terms.products[n]:+.5f}"
        print(f"  {product}   from {terms.positions[n]}")
    print(f"  bias {terms.bias:+.5f}; sum {terms.sum:+.6f}; in the tensor {found.value:+.6f}")


run = convworks.train("digits/default", epochs=5)
predictor = convworks.load(run["bundle"])
image = np.zeros((8, 8), dtype=np.uint8)
image[:, 3:5] = 255  # a vertical bar, as a 1 is written
given = predictor.bundle.preprocessing
images = normalise(torch.from_numpy(image)[None, None], given.mean, given.std)

observed = observe(predictor.bundle.network, images, lambda logits: F.cross_entropy(logits, torch.tensor([1])))
print("layers:", ", ".join(filter(None, observed.layers)))
show(explain_unit(observed, "stages.stage1.conv", (0, 0, 3, 3)))
show(explain_unit(observed, "stages.stage1.pool", (0, 0, 1, 1)))
show(explain_message(observed, "stages.stage1.conv", (0, 0, 3, 3)))
show(explain_gradient(observed, "stem.conv", "weight", (0, 0, 1, 1)))
