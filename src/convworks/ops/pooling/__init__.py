"""Reference definitions of pooling."""
