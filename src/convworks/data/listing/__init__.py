"""The images that a command is given, in order: millions of them in little memory."""
