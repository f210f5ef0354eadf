"""TODO layers/heads."""
