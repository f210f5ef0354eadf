"""What layers do while they are trained: gradients, updates, activations, at some of the steps."""
