"""The models of a server, and the one thread that writes texts for all requests."""
