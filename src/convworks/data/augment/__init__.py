"""Augmentation as batched functions of (images, random numbers), one idea a file; pipeline.py applies them in order."""
