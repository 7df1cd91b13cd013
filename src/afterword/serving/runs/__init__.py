"""Training runs: those that a server watches, and those that it starts."""
