"""TODO cli/experiments."""
