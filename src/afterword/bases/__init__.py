"""Starting a run from another model's weights, and the models that ship for it.

A folder here is a model. Its README.md and docs/base.md describe its training text and the results.
"""
