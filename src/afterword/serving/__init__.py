"""Models over HTTP: an OpenAI-style API for programs, and a page for people."""
