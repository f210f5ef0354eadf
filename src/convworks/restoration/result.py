"""What a restoration gives: pictures, the record of its fits, and their curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from convworks.hardware import precision_name
from convworks.restoration.ending import ending, ends
from convworks.restoration.fit import LEAST_ERROR
from convworks.restoration.session import Session
from convworks.tasks.outcomes.reconstruction import psnr


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The restored picture, or the samples; what they started from, the record of the fits, and their curve."""

    images: list[UInt8[np.ndarray, "h w c"]]
    before: UInt8[np.ndarray, "h w c"]
    record: dict[str, Any]
    curve: list[dict[str, Any]]

    @property
    def image(self) -> UInt8[np.ndarray, "h w c"]:
        """The restored picture; the first of several samples."""
        return self.images[0]


def result(session: Session) -> Restored:
    """Return what a session has come to."""
    request, images, clean = session.request, session.pictures(), session.material.clean
    record = {
        "problem": request.problem,
        "model": request.network,
        "size": list(session.material.size),
        "restored_size": list(images[0].shape[:2]),
        "precision": precision_name(session.computation.precision),
        "seed": request.seed,
        "stop": request.rule.name,
        "notes": list(session.notes),
        "why": ending(request, ends(session.records)),
        "fits": session.records,
        "psnr_before": None if clean is None else pixel_ratio(session.before, clean),
        "psnr": None if clean is None else [pixel_ratio(image, clean) for image in images],
        "seconds": round(session.budget.spent, 1),
    }
    return Restored(images=images, before=session.before, record=record, curve=session.curve)


def averaged(fits: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of runs that a picture is the mean of: of several tiles, the smallest."""
    runs = Counter(fit["part"]["tile"] for fit in fits if fit["averaged"] and not fit["part"]["sample"])
    return min(runs.values())


def pixel_ratio(picture: UInt8[np.ndarray, "h w c"], clean: UInt8[np.ndarray, "h w c"]) -> float:
    """Return the peak signal-to-noise ratio of a picture, in dB."""
    error = float(np.square((picture.astype(np.float64) - clean) / 255).mean())
    return round(psnr(max(error, LEAST_ERROR)), 3)
