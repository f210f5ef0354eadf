"""TODO models/published."""
