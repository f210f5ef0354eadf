"""`convworks models`."""

#: What is said of a network that no task trains.
BUILT = "only built: no task trains it yet"
