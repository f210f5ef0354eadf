"""TODO data/shards."""
