"""Dividing a source: validation splits, folds, strata."""
