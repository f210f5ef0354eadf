"""Restoring one picture with an untrained network as its prior (Ulyanov et al., Deep Image Prior, 2018)."""
