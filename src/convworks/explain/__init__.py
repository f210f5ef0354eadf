"""Explanations of a network: its computations, re-derived number by number from the definitions in `convworks.ops`."""
