"""Reference definitions of activation functions."""
