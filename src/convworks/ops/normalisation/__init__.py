"""TODO ops/normalisation."""
