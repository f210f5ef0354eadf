"""Training: step, loop, schedules, optimisers, checkpoints."""
