"""Image kernels on photographs."""
