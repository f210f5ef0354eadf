"""Tasks: what a network is trained to do, one file each."""
