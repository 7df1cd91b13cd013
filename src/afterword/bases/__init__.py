"""How a run begins from another model's weights, and the models that ship to begin from.

A folder here is a model: what it was trained on, and what came of it, is in its README.md and in docs/base.md.
"""
