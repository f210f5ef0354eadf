"""Inputs: what networks read, one file a kind; everything above asks these values for sizes, batches and examples."""
