"""Metrics, predictions and the report of a run."""
