"""Last layers."""
