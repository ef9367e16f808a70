"""`python -m harness.standins`: stand-in checkpoints, where the official ones cannot be had."""

from harness.cli.start import start

if __name__ == "__main__":
    start("commands.stand_ins")
