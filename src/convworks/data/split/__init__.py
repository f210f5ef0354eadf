"""Dividing a source: validation splits, folds, stratification."""
