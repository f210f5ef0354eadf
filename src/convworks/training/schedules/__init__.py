"""Learning rates as functions of step and history."""
