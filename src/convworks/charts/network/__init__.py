"""The picture of a network: stages as tiles in rows, or as an hourglass."""
