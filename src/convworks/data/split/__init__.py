"""TODO data/split."""
