"""The page of a restored picture: which iteration is marked on its curves."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from convworks.restoration import page

GREY = np.full((24, 24, 1), 128, dtype=np.uint8)
PART = {"tile": 0, "sample": 0, "run": 0}
RATIOS = {10: 30.0, 20: 20.0, 30: 10.0}


def marks(best: int) -> list[str]:
    """Return the places that are marked on the curves of a fit with this best iteration."""
    fit = {"part": PART, "iterations": 36, "best_iteration": best, "ended": "iterations", "averaged": True}
    record = {
        "problem": "denoise",
        "stop": "held-out",
        "why": "",
        "size": [24, 24],
        "restored_size": [24, 24],
        "seconds": 1.0,
        "psnr": None,
        "notes": [],
        "fits": [{**fit, "seconds": 1.0}],
    }
    curve = [{**PART, "iteration": float(each), "loss": 1.0, "psnr": ratio} for each, ratio in RATIOS.items()]
    section = page.section("x", before=GREY, images=[GREY], clean=None, record=record, curve=curve)
    return re.findall(r"<circle[^>]*>", str(section.body))


@pytest.mark.parametrize(("best", "row"), [(36, 30), (26, 30), (4, 10), (24, 20)])
def test_the_row_nearest_to_the_kept_iteration_is_marked(best: int, row: int) -> None:
    """The ratio to the truth, which decides nothing, is best at 10."""
    assert marks(best) == marks(row)
    assert len({str(marks(each)) for each in RATIOS}) == len(RATIOS)


@pytest.mark.parametrize(("after", "words"), [(28, "from -100 (blue) to 100 (orange)"), (129, "from -1 (blue) to 1")])
def test_a_difference_says_what_its_colours_mean(after: int, words: str) -> None:
    fit = {"part": PART, "iterations": 36, "best_iteration": 36, "ended": "iterations", "averaged": True, "seconds": 1}
    record = {
        "problem": "denoise",
        "stop": "held-out",
        "size": [24, 24],
        "restored_size": [24, 24],
        "seconds": 1.0,
        "psnr": None,
        "notes": [],
    }
    images = [np.full_like(GREY, after)]
    options: dict[str, Any] = {"record": {**record, "fits": [fit]}, "curve": (), "clean": None}
    assert words in str(page.section("x", before=GREY, images=images, **options).body)


def test_an_image_that_is_enlarged_is_beside_the_bicubic_one() -> None:
    fit = {"part": PART, "iterations": 36, "best_iteration": 36, "ended": "iterations", "averaged": True, "seconds": 1}
    record = {"problem": "superres", "stop": "iterations", "size": [12, 12], "restored_size": [24, 24], "fits": [fit]}
    notes = ["has several frames"]
    options: dict[str, Any] = {"record": {**record, "seconds": 1.0, "psnr": None, "notes": notes}, "curve": ()}
    body = str(page.section("x", before=GREY, images=[GREY], clean=None, **options).body)
    assert "before, by bicubic interpolation" in body
    assert "Has several frames." in body
