"""The command line, the terminal and the pytest plugin."""
