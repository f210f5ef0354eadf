"""`convworks explain`."""
