"""Convolution kernels applied to photographs."""
