"""What others published: weights, with their names in other libraries and URLs; figures of modules."""
