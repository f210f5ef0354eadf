"""Several runs that answer one question together: restarts, cross-validation, tuning."""
