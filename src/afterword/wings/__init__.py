"""Parts of the house that come off: each a folder, and a row of the table in `afterword.commands`."""
