"""Augmentation as batched functions of (images, random numbers), one per file; pipeline.py applies them in order."""
