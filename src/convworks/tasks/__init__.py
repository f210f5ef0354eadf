"""What is asked of a network: one file a task."""
