"""The definitions of normalisation."""
