"""Trained networks in use: prediction, protocols, ensembles, features, probes."""
