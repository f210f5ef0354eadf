"""TODO training/checkpoints."""
