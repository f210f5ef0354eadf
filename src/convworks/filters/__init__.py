"""TODO filters."""
