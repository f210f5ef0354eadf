"""TODO data/cache."""
