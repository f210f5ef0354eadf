"""The loss around trained weights, in one and two dimensions (Li et al. 2018)."""
