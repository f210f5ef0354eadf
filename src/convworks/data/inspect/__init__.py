"""Inspecting a source: counts, contact sheets, duplicates."""
