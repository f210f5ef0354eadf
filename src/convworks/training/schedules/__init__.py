"""TODO training/schedules."""
