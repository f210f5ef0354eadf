"""The definitions of activations."""
