"""The verbs of convworks in Python."""
