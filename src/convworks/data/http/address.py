"""Recognising URLs."""

from __future__ import annotations


def is_address(text: str) -> bool:
    """Return whether a text is an http(s) URL rather than a path."""
    return text.lower().startswith(("http://", "https://"))
