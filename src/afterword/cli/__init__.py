"""The command `afterword`: one small file per command, imported when that command runs."""
