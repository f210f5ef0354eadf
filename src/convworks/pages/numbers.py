"""Numbers as pages write them."""

from __future__ import annotations


def percent(fraction: float) -> str:
    """Write a fraction as percent with two decimals."""
    return f"{100 * fraction:.2f}\u00a0%"


def percent_interval(low: float, high: float) -> str:
    """Write an interval of fractions as percent, which is named once."""
    return f"{100 * low:.2f} to {percent(high)}"


def thousands(count: int) -> str:
    """Write a count with its digits in groups of three."""
    return f"{count:,}"


def duration(seconds: float | int) -> str:
    """Write seconds as people read them."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def p_value(p: float) -> str:
    """Write the p of a test."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def decibels(ratio: float | None) -> str:
    """Write a ratio in decibels; None is an infinite one."""
    return "∞ dB" if ratio is None else f"{ratio:.2f} dB"
