"""Pages: a run's report, its errors, comparisons."""
