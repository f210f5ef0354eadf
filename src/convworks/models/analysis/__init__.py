"""Counting, tracing and measuring networks without running them."""
