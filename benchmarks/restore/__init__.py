"""The deep image prior, measured: what `python -m benchmarks.restore` runs."""
