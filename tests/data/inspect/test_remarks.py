"""Remarks on a source before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.inspect.remarks import remarks
from convworks.data.sources.open import open_source


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["circle", "line", "circle line"], "warning: 'circle line' is one class; if it stands for several labels, "),
        (["circle", "line", "circle,line"], "warning: 'circle,line' is one class; if it stands for several labels, "),
        (["circle", "line", "circle;line"], ""),
        (["traffic light", "light", "car"], ""),
    ],
)
def test_a_class_made_of_the_names_of_others_is_warned_of(labels: list[str], line: str, tmp_path: Path) -> None:
    for index in range(len(labels)):
        Image.fromarray(np.full((8, 8), index, dtype=np.uint8)).save(tmp_path / f"{index}.png")
    rows = "".join(f'{index}.png,"{label}"\n' for index, label in enumerate(labels))
    (tmp_path / "table.csv").write_text(f"path,labels\n{rows}")
    warnings = [each for each in remarks(open_source(tmp_path / "table.csv")) if each.startswith("warning: '")]
    assert warnings == ([f"{line}write circle;line"] if line else [])


def test_classes_that_masks_do_not_show_are_warned_of(tmp_path: Path) -> None:
    for split, values in (("train", (0, 1, 2)), ("val", (0, 3))):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / split / "images" / "1.png")
        Image.fromarray(np.resize(np.array(values, np.uint8), (8, 8))).save(tmp_path / split / "masks" / "1.png")
    (tmp_path / "classes.csv").write_text("name,value\nground,0\nroad,1\ncar,2\nsky,3\n")
    assert remarks(open_source(tmp_path)) == [
        "warning: train has no pixel of class 'sky', which cannot be learnt",
        "warning: validation has no image of 2 classes 'road', 'car', which train has",
    ]
