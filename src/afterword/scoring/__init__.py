"""Scoring: the cost of a text for a model, in nats per token and bits per character."""
