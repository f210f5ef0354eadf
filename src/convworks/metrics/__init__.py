"""Metrics as pure functions of targets and predictions; intervals, ranking, calibration."""
