"""The sections of a report that show an outcome: one file a task."""
