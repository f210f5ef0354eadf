"""TODO training/tracking."""
