"""Shows what changed between two reports: python -m harness.compare."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.interruption import guarded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("before", type=Path, help="a report.json, or the --out folder of a run")
    add("after", type=Path, help="the report.json or folder of the other run")
    add("--format", choices=("markdown", "json"), default="markdown", help="(default: markdown)")
    add("--out", type=Path, metavar="FILE", help="where to write it (default: standard output)")


def show(given: argparse.Namespace) -> int:
    """Prints or writes the comparison. Returns the exit status."""
    return guarded(lambda: _show(given.before, given.after, given.format, given.out))


def _show(before: Path, after: Path, form: str, out: Path | None) -> int:
    from rich.console import Console
    from rich.markdown import Markdown

    from harness.core.files import write_whole
    from harness.report.diff import compare, markdown, read

    comparison = compare(read(before), read(after))
    content = {**dataclasses.asdict(comparison), "exit_status": comparison.exit_status}
    text = markdown(comparison) if form == "markdown" else json.dumps(content, indent=1) + "\n"
    if out is not None:
        write_whole(out, text.encode())
    elif form == "markdown" and sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        print(text, end="")
    return comparison.exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m harness.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return show(parser.parse_args(arguments))
