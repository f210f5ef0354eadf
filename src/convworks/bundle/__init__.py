"""The only format that leaves a run: weights, model, preprocessing, classes."""
