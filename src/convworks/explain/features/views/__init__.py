"""What `convworks visualise --show NAME` draws: one function a view, and their table."""
