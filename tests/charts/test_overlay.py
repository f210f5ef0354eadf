"""The pictures of several runs and of a range test: what is drawn, and that all of it lies on the paper."""

from __future__ import annotations

import io
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.charts.clip import clipped
from convworks.charts.draw_file import write_drawing
from convworks.charts.drawing import PALETTE, Drawing, Line, Text
from convworks.charts.lr_range import draw
from convworks.charts.overlay import NAMED, Curves, overlay, smoothed
from convworks.charts.raster import to_png


def run(name: str, top1: list[float]) -> Curves:
    rows = [
        {"epoch": n, "train_loss": 2 - v, "train_top1": v, "validation_top1": v, "validation_loss": 3 - v}
        for n, v in enumerate(top1, start=1)
    ]
    return Curves(name=name, remark=f"{max(top1):.2%}", rows=rows)


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def check_on_paper(drawing: Drawing) -> None:
    for shape in drawing.shapes:
        if isinstance(shape, Line):
            assert all(-1 <= x <= drawing.width + 1 and -1 <= y <= drawing.height + 1 for x, y in shape.points)
    assert Image.open(io.BytesIO(to_png(drawing))).size[0] > drawing.width


def test_every_run_has_its_colour_in_every_panel_and_in_the_legend() -> None:
    runs = [run(f"run {i}", [0.1 + 0.05 * i, 0.3 + 0.05 * i, 0.5 + 0.05 * i]) for i in range(3)]
    drawing = overlay(runs, title="three runs")
    assert {"run 0", "run 1", "run 2", "50.00%", "Validation accuracy", "Training loss"} <= set(texts(drawing))
    for colour in ("blue", "orange", "green"):
        lines = [s for s in drawing.shapes if isinstance(s, Line) and s.stroke == colour]
        assert len(lines) == 5  # legend and four panels
    check_on_paper(drawing)


def test_many_runs_are_told_apart_or_grey() -> None:
    drawing = overlay([run(f"run {i:02}", [i / 40, i / 30]) for i in range(30)], title="many")
    pens = {(s.stroke, s.dashed) for s in drawing.shapes if isinstance(s, Line) and s.stroke not in ("grid", "muted")}
    assert len(pens) == NAMED
    assert f"and {30 - NAMED} more in grey" in texts(drawing)
    assert {s.stroke for s in drawing.shapes if isinstance(s, Line)} <= PALETTE.keys()
    check_on_paper(drawing)


def test_bad_first_epochs_do_not_squeeze_the_rest() -> None:
    drawing = overlay([run("a", [0.1, *np.linspace(0.97, 0.99, 30).tolist()])], title="one")
    assert "98 %" in texts(drawing)
    check_on_paper(drawing)


@pytest.mark.parametrize("rows", [[0.5], [0.0, 0.0], [1.0, 1.0, 1.0]])
def test_flat_and_single_points_are_drawn(rows: list[float]) -> None:
    check_on_paper(overlay([run("a", rows), run("b", rows)], title="flat"))


def test_a_metric_that_is_missing_or_no_number_has_no_panel() -> None:
    rows = [{"epoch": 1, "validation_loss": math.nan, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5}]
    drawing = overlay([Curves(name="a", remark="", rows=rows)], title="one")
    assert "Training loss" in texts(drawing)
    assert "Validation loss" not in texts(drawing)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(-5, 0), st.floats(0.5, 5))
def test_cutting_a_line_keeps_what_is_inside(values: list[float], low: float, high: float) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    parts = clipped(points, low, high)
    assert all(low - 1e-9 <= y <= high + 1e-9 for part in parts for _, y in part)
    places = np.linspace(0, len(values) - 1, 501)
    exact = np.interp(places, range(len(values)), values)
    for x, y in zip(places, exact, strict=True):
        if low + 1e-6 < y < high - 1e-6:
            drawn = [part for part in parts if part[0][0] - 1e-9 <= x <= part[-1][0] + 1e-9]
            assert len(drawn) >= 1
            across, up = np.array(drawn[0]).T
            assert np.interp(x, across, up) == pytest.approx(y, abs=1e-6)


def found(losses: list[float], **more: object) -> dict[str, object]:
    rates = np.geomspace(1e-5, 10, len(losses)).tolist()
    base = {"model": "lenet5", "source": "mnist", "edge": 0.5, "steepest": 0.01, "tenth": 0.2, "exploded": True}
    return {**base, "rates": rates, "losses": losses, "smoothed": losses, **more}


def test_a_range_test_is_drawn_with_its_marks(tmp_path: Path) -> None:
    losses = [2.3, 2.3, 2.2, 1.5, 0.9, 0.6, 0.7, 40.0, 1e6]
    drawing = draw(found(losses))
    assert {"suggested: 0.5", "steepest: 0.01", "lowest / 10: 0.2"} <= set(texts(drawing))
    check_on_paper(drawing)
    for name in ("a.svg", "b.png", "c.SVG"):
        write_drawing(tmp_path / name, drawing)
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "c.SVG").read_text()
    with Image.open(tmp_path / "b.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("losses", [[2.0] * 10, [1e-9] * 10, [2.0], [-1.0, -2.0, -1.5], [5.0, 4.0, 1e30]])
def test_odd_sweeps_are_drawn(losses: list[float]) -> None:
    check_on_paper(draw(found(losses, edge=None, steepest=None, tenth=None)))


def test_noisy_lines_are_smoothed_and_stay_visible_behind() -> None:
    rng = np.random.default_rng(0)
    rows = [{"epoch": n / 10, "train_loss": 2 - n / 200 + 0.2 * rng.normal()} for n in range(200)]
    drawing = overlay([Curves(name="run", remark="", rows=rows)], title="noise")
    lines = [s for s in drawing.shapes if isinstance(s, Line) and s.stroke == "blue" and len(s.points) > 20]
    (raw,) = [line for line in lines if line.opacity < 1]
    (smooth,) = [line for line in lines if line.opacity == 1]
    assert raw.width < smooth.width
    roughness = [np.abs(np.diff([y for _, y in line.points])).mean() for line in (raw, smooth)]
    assert roughness[1] < 0.25 * roughness[0]
    check_on_paper(drawing)


def test_smoothing_keeps_ends_and_straight_lines() -> None:
    straight = [(float(x), 2.0 * x) for x in range(50)]
    assert np.allclose(smoothed(straight), straight)
    few = [(0.0, 1.0), (1.0, 0.0)]
    assert smoothed(few) == few
