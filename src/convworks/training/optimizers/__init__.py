"""Optimisers: configurations, states, updates."""
