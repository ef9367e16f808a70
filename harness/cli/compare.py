"""What changed between two reports, on the terminal: python -m harness.compare."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from harness.core.errors import InputError
from harness.core.files import write_whole
from harness.report.diff import compare, markdown, read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("before", type=Path, help="a report.json, or the --out folder of a run")
    add("after", type=Path, help="the same of the other run")
    add("--format", choices=("markdown", "json"), default="markdown", help="(default: markdown)")
    add("--out", type=Path, metavar="FILE", help="where to write it (default: standard output)")


def show(given: argparse.Namespace) -> int:
    """The comparison as it was asked for. Returns the exit status."""
    try:
        found = compare(read(given.before), read(given.after))
        content = {**dataclasses.asdict(found), "exit_status": found.exit_status}
        text = markdown(found) if given.format == "markdown" else json.dumps(content, indent=1) + "\n"
        if given.out is None and given.format == "markdown" and sys.stdout.isatty():
            Console().print(Markdown(text))
        elif given.out is None:
            print(text, end="")
        else:
            write_whole(given.out, text.encode())
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return found.exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m harness.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return show(parser.parse_args(arguments))
