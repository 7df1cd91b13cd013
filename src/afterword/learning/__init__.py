"""How a network learns, in PyTorch: no disk, no clock, no terminal."""
