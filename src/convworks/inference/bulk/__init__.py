"""Answers for any number of files, in a file: written as they come, and resumable."""
