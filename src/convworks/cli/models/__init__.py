"""TODO cli/models."""
