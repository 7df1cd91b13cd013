"""Lines that do not belong among good ones."""
