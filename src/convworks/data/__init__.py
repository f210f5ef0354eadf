"""Data: sources, decoding, preprocessing, augmentation, batches."""
