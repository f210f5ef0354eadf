"""TODO data/inspect."""
