"""Diagrams of networks: stages as tiles in rows, or as an hourglass."""
