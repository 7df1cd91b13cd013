"""Forecasts of series, by a model that has learned from their tables, compared with simpler methods."""
