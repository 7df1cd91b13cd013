"""The command `afterword`: one small file a command, each imported when it is asked for."""
