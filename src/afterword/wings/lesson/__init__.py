"""A lesson about gates: measurements inside a model, and a page of one step of one unit."""
