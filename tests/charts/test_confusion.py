from __future__ import annotations

import io
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from convworks.charts import confusion as figures
from convworks.charts.axes import linear_ticks, log_ticks, number
from convworks.charts.curves import curves
from convworks.charts.drawing import Drawing, Rectangle, Text
from convworks.charts.lettering import shorten, shown, text_width
from convworks.charts.pictures import TILE, as_picture
from convworks.charts.raster import DENSITY, MARGIN, to_png
from convworks.charts.svg import to_svg
from convworks.metrics.classification import calibration
from convworks.pages import mistakes
from convworks.tasks.outcomes.classification import Predictions

HISTORY = [
    {"epoch": e, "train_loss": 1 / e, "validation_loss": 0.8 / e, "train_top1": 1 - 0.3 / e, "learning_rate": 0.1}
    for e in range(1, 9)
]


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def check(drawing: Drawing) -> None:
    """Render both ways: the SVG is well-formed XML, the PNG opens and is not blank."""
    assert all(math.isfinite(s.x) and math.isfinite(s.y) for s in drawing.shapes if isinstance(s, (Text, Rectangle)))
    ElementTree.fromstring(to_svg(drawing))
    image = Image.open(io.BytesIO(to_png(drawing)))
    assert image.size[0] == DENSITY * (math.ceil(drawing.width) + 2 * MARGIN)
    assert np.asarray(image).std() > 1


@pytest.mark.parametrize(
    "history",
    [
        HISTORY,
        HISTORY[:1],
        [],
        [{}],
        [{"epoch": 1}, {"epoch": 2, "train_loss": float("nan")}],
        [{"train_loss": 1.0}, {"train_loss": float("inf")}, {"train_loss": 0.0}],
        [{"step": i, "train_loss": 1 / (1 + i)} for i in range(5000)],
        [{"epoch": 1, "validation_top1": 1.0}, {"epoch": 2, "validation_top1": 1.0}],
        [{"epoch": 1, "train_loss": None, "validation_loss": -3.0}],
        [{"epoch": 1, "train_loss": 1e-9}, {"epoch": 2, "train_loss": 1e9}],
    ],
)
def test_curves_of_any_history(history: list[dict[str, float]]) -> None:
    check(curves(history))


def test_curves_tell_the_last_values_and_leave_absent_panels_out() -> None:
    drawn = texts(curves(HISTORY))
    assert {"Loss", "Accuracy", "Learning rate", "training 0.125", "validation 0.1"} <= set(drawn)
    assert "training 96.25 %" in drawn
    assert "Accuracy" not in texts(curves([{"train_loss": 1.0}]))
    assert "No training history was recorded." in texts(curves([]))


@pytest.mark.parametrize("k", [1, 2, 10, 20, 21, 100, 501])
def test_confusion_of_any_number_of_classes(k: int) -> None:
    rng = np.random.default_rng(k)
    matrix = rng.integers(0, 3, (k, k)) + 900 * np.eye(k, dtype=np.int64)
    matrix[k // 2] = 0  # a class without samples
    drawing = figures.confusion(matrix, [f"name of class {i}" for i in range(k)])
    check(drawing)
    counts = sum(text.isdigit() for text in texts(drawing))
    assert counts == (np.count_nonzero(matrix) if k <= figures.ANNOTATED else 0)
    assert max(drawing.width, drawing.height) < 1100


def test_confusion_of_a_large_matrix_keeps_single_mistakes_visible() -> None:
    fractions = np.eye(1000)
    fractions[700, 3] = 0.01
    pixels = figures._pixels(fractions)
    assert pixels.shape == (500, 500, 4)
    assert pixels[350, 1, 3] > 10
    assert (np.diag(pixels[..., 3]) > 200).all()
    assert np.count_nonzero(pixels[..., 3]) == 501


def test_names_are_escaped_and_those_without_glyphs_are_numbered() -> None:
    drawing = figures.confusion(np.eye(3, dtype=np.int64), ["<b>&\"'", "кошка", "猫"])
    check(drawing)
    assert "<b>" not in to_svg(drawing)
    assert "猫" in to_svg(drawing)
    assert shown("кошка → ß")
    assert not shown("猫")
    assert [s.fallback for s in drawing.shapes if isinstance(s, Text) and s.text == "猫"] == ["#2", "#2"]


def test_calibration_draws_a_bar_a_filled_bin() -> None:
    probabilities = np.array([[0.9, 0.1], [0.95, 0.05], [0.4, 0.6]], np.float32)
    drawing = figures.calibration(calibration(probabilities, np.array([0, 1, 1])))
    check(drawing)
    titles = {s.title for s in drawing.shapes if isinstance(s, Rectangle) and s.title}
    assert titles == {
        "1 image: confidence 60.0 %, accuracy 100.0 %",
        "1 image: confidence 90.0 %, accuracy 100.0 %",
        "1 image: confidence 95.0 %, accuracy 0.0 %",
    }


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 20, 1), (32, 32, 3), (5, 400, 3), (300, 9, 4), (1, 1, 2), (2000, 1, 5)]
)
def test_pictures_of_any_shape(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, 77, np.uint8)
    picture = as_picture(pixels)
    assert picture.mode == ("RGB" if shape[2] == 3 else "L")
    assert max(picture.size) == min(max(shape[:2]), TILE * DENSITY)
    assert np.asarray(picture).flat[0] == 77
    assert mistakes.tile_uri(picture).startswith("data:image/" + ("png" if mistakes.tiny(picture) else "jpeg"))
    sheet = Image.open(io.BytesIO(mistakes.sheet([wrong(1).caption(0)], [picture], wrong=1)))
    assert (77, 77, 77) in {color for _, color in sheet.getcolors(1 << 24) or []}


@pytest.mark.parametrize("n", [0, 1, 6, 7, 36])
def test_errors_sheet_of_any_number_of_mistakes(n: int) -> None:
    pictures = [Image.new("RGB", (20, 20), "red")] * n
    sheet = Image.open(io.BytesIO(mistakes.sheet([wrong(max(1, n)).caption(i) for i in range(n)], pictures, wrong=n)))
    assert np.asarray(sheet).std() > 1


def wrong(n: int) -> Predictions:
    names = tuple(f"test/猫/a file with a name that is much too long {i}.jpg" for i in range(n))
    return Predictions(
        split="test",
        names=names,
        classes=("a class with a long name <&>", "猫"),
        labels=np.zeros(n, np.int64),
        probabilities=np.tile(np.array([[0.25, 0.75]], np.float32), (n, 1)),
    )


def test_ticks_and_numbers() -> None:
    assert linear_ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert linear_ticks(3, 3) == [3]
    assert log_ticks(0.05, 2) == pytest.approx([0.05, 0.1, 0.2, 0.5, 1, 2])
    assert len(log_ticks(1e-9, 1e9)) <= 10
    assert [number(v) for v in (0, 0.1 + 0.2, 1500, 1e-7, 2.5e6)] == ["0", "0.3", "1500", "1e-7", "2.5e6"]


def test_shorten_keeps_both_ends() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert text_width("wide", 20) == pytest.approx(2 * text_width("wide", 10))
