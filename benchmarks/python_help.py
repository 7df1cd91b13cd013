"""A text that every Python has."""

from pydoc_data.topics import topics as texts


def topics() -> str:
    """The topics of Python's help, one after the other: some 465,000 characters of prose and code."""
    return "\n\n".join(texts[name].strip("\n") for name in sorted(texts)) + "\n"
