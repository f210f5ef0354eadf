"""Targets: how those of a source are read, divided and collated."""
