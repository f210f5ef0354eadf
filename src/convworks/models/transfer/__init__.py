"""Networks cut at a tap, with new heads."""
