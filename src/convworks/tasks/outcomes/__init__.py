"""Outcomes, one file a kind."""
