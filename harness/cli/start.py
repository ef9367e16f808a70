"""The start of a command, before other imports, so that no file can replace a module and no signal hits an import."""

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
    """Stops imports from the folder that `python -m` was started in, which may belong to others.

    Python itself searches that folder for its earlier imports, except with `parity` and `python -P -m harness.run`.
    """
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - see above
        del sys.path[0]
