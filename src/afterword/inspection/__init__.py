"""Looking inside a model: its gates over a text, what its units predict, how far it remembers."""
