"""Decoded images, kept on disk in the user's cache folder."""
