"""TODO ops/activation."""
