"""`python -m convworks` is the command line."""

from convworks.cli.main import main

main()
