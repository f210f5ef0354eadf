"""Numbers as pages write them."""

from __future__ import annotations

import pytest

from convworks.pages.numbers import decibels, duration, p_value, percent, percent_interval, thousands


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.50 s"), (12.34, "12.3 s"), (61, "1 min 1 s"), (7300, "2 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_fractions_counts_and_ratios() -> None:
    assert percent(0.12345) == "12.35\u00a0%"
    assert percent_interval(0.1, 0.25) == "10.00 to 25.00\u00a0%"
    assert thousands(1234567) == "1,234,567"
    assert (p_value(0.0123), p_value(0.0009)) == ("0.012", "< 0.001")
    assert (decibels(20.125), decibels(None)) == ("20.12 dB", "∞ dB")
