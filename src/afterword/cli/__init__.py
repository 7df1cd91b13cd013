"""The command line: one way from what is typed to a request, and one way to print records."""
