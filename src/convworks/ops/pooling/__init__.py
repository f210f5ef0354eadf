"""TODO ops/pooling."""
