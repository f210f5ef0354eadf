"""The definitions of pooling."""
