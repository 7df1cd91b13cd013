"""Odd lines of a log: kinds of line, values and rates that no good line has."""
