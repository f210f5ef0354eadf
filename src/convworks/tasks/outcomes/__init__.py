"""What a network said about a split: one file a kind."""
