"""Sources in tar shards, local or remote."""
