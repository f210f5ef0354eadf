"""TODO layers/pooling."""
