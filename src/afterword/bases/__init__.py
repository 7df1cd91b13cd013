"""Models from which others begin: how a run starts from one, and those that ship.

A folder here is a model. Its README.md and docs/base.md describe its training text and the results.
"""
