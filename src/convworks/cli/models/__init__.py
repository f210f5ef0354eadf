"""`convworks models`."""
