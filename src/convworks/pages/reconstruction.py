"""Report sections for networks that output images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup

from convworks.pages import blocks
from convworks.pages.numbers import decibels
from convworks.pages.render import render


def headline(
    metrics: Mapping[str, Any], *, split: str, errors: Float64[np.ndarray, " n"], chosen: str = "", note: str = ""
) -> Markup:
    """Show the signal-to-noise ratio, the split, and the ratio of the inputs.

    `errors` are the mean squared errors of the images.
    """
    words = render("reconstruction/words.html", figures=metrics, split=split, notes=blocks.notes(split, chosen, note))
    low, median, high = np.percentile(errors, [5, 50, 95])
    facts = [
        ("Mean squared error", f"{metrics['mse']:.4g}"),
        ("RMSE, in grey levels", f"{255 * metrics['mse'] ** 0.5:.1f} of 255"),
        ("Median error", f"{median:.3g}"),
        ("From 5 to 95 %", f"{low:.2g} to {high:.2g}"),
    ]
    value, unit = decibels(metrics["psnr"]).split(" ")
    return blocks.headline(value, unit=unit, words=words, beside=blocks.tiles(facts))
