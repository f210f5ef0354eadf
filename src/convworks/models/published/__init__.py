"""Published weights: names in other libraries, and URLs."""
