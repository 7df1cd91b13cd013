"""Forecasts of series by a model that has learned from tables, compared with simpler methods."""
