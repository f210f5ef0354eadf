"""The sections of a report for an outcome, one file a task."""
