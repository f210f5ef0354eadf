"""Logging of runs to TensorBoard and MLflow."""
