"""Models for other programs, and models from them."""
