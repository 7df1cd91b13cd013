"""Looking inside a model: its gates over a text, which units tell what, how far it remembers."""
