"""Forecasts of series, by a model that has learned from their tables, beside simpler methods."""
