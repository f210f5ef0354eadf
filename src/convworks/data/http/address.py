"""What is an address."""

from __future__ import annotations


def is_address(text: str) -> bool:
    """Say whether a text is an http(s) address rather than a path."""
    return text.lower().startswith(("http://", "https://"))
