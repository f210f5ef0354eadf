"""Looking at a source: counts, contact sheets, duplicates."""
