"""How a command begins: before anything else is imported, so that nothing can be put in its place or be interrupted."""

import os
import sys


def start(command: str) -> None:
    """Runs `main` of a module of harness.cli and ends the process with its status."""
    forget_working_folder()
    from harness.cli import interruption

    def main() -> int:
        import importlib

        status: int = importlib.import_module(f"harness.cli.{command}").main()
        return status

    interruption.start(main)


def parity() -> None:
    """The console script."""
    start("main")


def forget_working_folder() -> None:
    """Has nothing more imported from the folder that `python -m` was started in, which may be anybody's.

    What Python itself imports before this it looks for there; only `parity` and `python -P -m harness.run` never do.
    """
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - see above
        del sys.path[0]
