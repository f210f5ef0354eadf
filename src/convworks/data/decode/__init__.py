"""TODO data/decode."""
