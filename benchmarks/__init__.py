"""Speed of convworks as ratios against other libraries, measured in one run on one machine."""
