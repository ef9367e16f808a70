"""`python -m harness.run`: one run, see `python -m harness.run --help`."""

from harness.cli.start import start

if __name__ == "__main__":
    start("run")
