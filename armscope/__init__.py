"""The command line: composes the engine and the tasks."""
