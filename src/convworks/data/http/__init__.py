"""Asking for things over HTTP: sizes, waiting and redirects are bounded."""
