"""`python -m harness.compare`: what changed between two reports."""

from harness.cli.start import start

if __name__ == "__main__":
    start("commands.compare")
