"""TODO charts/network."""
