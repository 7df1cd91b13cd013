"""Writing: a token drawn from what the network says (sampling), and text from tokens as they come (stream)."""
