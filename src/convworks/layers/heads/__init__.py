"""Heads: the last layers of a network."""
