"""TODO training/lr_range."""
