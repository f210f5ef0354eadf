"""The commands that make several runs."""
