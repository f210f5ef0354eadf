"""Decoding: from anything that holds an image to the pixels that a network reads."""
