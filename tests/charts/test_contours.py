"""Contour lines lie where the surface is at their level."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convworks.charts.contours import CASES, contour


def test_the_contour_of_a_cone_is_a_circle() -> None:
    y, x = np.mgrid[:41, :41] - 20.0
    ends = [end for segment in contour(np.hypot(x, y), 12.0) for end in segment]
    assert len(ends) > 100
    for column, row in ends:
        assert math.hypot(column - 20, row - 20) == pytest.approx(12, abs=0.02)


def test_every_case_separates_corners_above_from_those_below() -> None:
    """A line crosses exactly the edges whose ends are on different sides."""
    for case in range(16):
        above = [bool(case >> bit & 1) for bit in range(4)]
        crossed = sorted(edge for edge in range(4) if above[edge] != above[(edge + 1) % 4])
        assert sorted(edge for edges in CASES[case] for edge in edges) == crossed


def test_cells_without_a_number_have_no_lines() -> None:
    values = np.array([[0.0, 1.0, np.nan], [0.0, 1.0, np.nan]])
    assert list(contour(values, 0.25)) == [((0.25, 0.0), (0.25, 1.0))]
