"""How much a text sounds like the writer of a model's text."""
