"""Gabor functions fitted to the kernels of a first layer, against untrained and shuffled controls."""
