"""What a text costs a model: nats per token, bits per character."""
