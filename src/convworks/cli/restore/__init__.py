"""`convworks restore`: its options and its work."""
