"""Exported files: a network with its preprocessing and its task in the format of another library, read and run."""
