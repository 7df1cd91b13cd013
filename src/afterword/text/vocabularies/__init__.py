"""The kinds of vocabulary: a file each, and a line each in table.py."""
