"""What samples are to be answered with: how the targets of a source are read, divided and collated."""
