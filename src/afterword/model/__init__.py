"""A trained model: its shape, its equations in NumPy, and its folder on the disk."""
