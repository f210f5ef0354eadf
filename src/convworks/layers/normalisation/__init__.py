"""TODO layers/normalisation."""
