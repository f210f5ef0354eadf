"""HTTP requests with bounded sizes, waiting times and redirects."""
