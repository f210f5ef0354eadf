"""Metrics as pure functions of targets and predictions, with intervals."""
