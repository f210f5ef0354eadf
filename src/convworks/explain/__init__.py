"""Looking inside a network: what it computed, re-derived number by number from the definitions in `convworks.ops`."""
