"""Where images and labels come from, before decoding: one file per kind of source."""
