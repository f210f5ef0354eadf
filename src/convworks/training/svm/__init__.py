"""Support vector machines as heads, fitted to the features of a network that stays as it is."""
