"""TODO models/transfer."""
