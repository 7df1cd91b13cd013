"""Writing: a token drawn from what the network says, and text from tokens as they come."""
