"""A training that survives any kill: its record, its checkpoints, the loop."""
