"""Counting, tracing and measuring networks without computing them."""
