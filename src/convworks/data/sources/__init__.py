"""Where images and labels come from, before any decoding: one file a kind."""
