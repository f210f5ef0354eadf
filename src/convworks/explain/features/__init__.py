"""What layers respond to: kernels, maps, patches, preferred images, receptive fields, embeddings, inversions."""
