"""TODO data/http."""
