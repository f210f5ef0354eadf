"""Telling TensorBoard and MLflow of a run."""
