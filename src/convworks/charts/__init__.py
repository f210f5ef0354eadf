"""Drawings of curves, matrices and networks, as SVG and PNG."""
