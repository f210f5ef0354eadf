"""The commands that use trained networks."""
