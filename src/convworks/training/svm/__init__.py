"""Support vector machines as heads, fitted to the features of a frozen network."""
