"""`convworks serve`: trained networks behind HTTP; the server decodes nothing, a worker process for each name does."""
