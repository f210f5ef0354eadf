"""Number formatting for pages."""

from __future__ import annotations

import zlib


def percent(fraction: float) -> str:
    """Format a fraction as a percentage with two decimals."""
    return f"{100 * fraction:.2f}\u00a0%"


def percent_interval(low: float, high: float) -> str:
    """Format an interval of fractions as percentages, with one percent sign."""
    return f"{100 * low:.2f} to {percent(high)}"


def thousands(count: int) -> str:
    """Format a count with thousands separators."""
    return f"{count:,}"


def duration(seconds: float | int) -> str:
    """Format seconds as a readable duration."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def digest(text: str) -> str:
    """Return a short name for any text, for an anchor."""
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def p_value(p: float) -> str:
    """Format the p-value of a test."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def decibels(ratio: float | None) -> str:
    """Format a ratio in decibels; None means infinity."""
    return "∞ dB" if ratio is None else f"{ratio:.2f} dB"
