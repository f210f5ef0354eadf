"""Transfer learning: networks cut at a tap, with new heads."""
