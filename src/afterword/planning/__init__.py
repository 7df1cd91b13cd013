"""Every number of a run, with its reason."""
