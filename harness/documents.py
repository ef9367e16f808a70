"""`python -m harness.documents`: what a source's package says of its own models, as a page."""

from harness.cli.start import start

if __name__ == "__main__":
    start("commands.documents")
