"""Losses as functions of (outputs, targets), with their configurations."""
