"""Looking inside a model: its traces and gates over a text, and their page."""
