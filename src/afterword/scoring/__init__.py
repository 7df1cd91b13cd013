"""What a text costs a model: nats a token, bits a character."""
