"""Decoded images on the disk, kept in the user's cache folder."""
