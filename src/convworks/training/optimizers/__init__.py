"""TODO training/optimizers."""
