"""Sources in tar shards, on a disk or behind an address."""
