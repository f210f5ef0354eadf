"""Reference definitions of normalisation."""
