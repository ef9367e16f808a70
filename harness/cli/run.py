"""One run for the terminal: python -m harness.run. The exit status is that of `Results.exit_status`."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.interruption import guarded
from harness.plan.arguments import add_options, options_of
from harness.plan.options import Options

if TYPE_CHECKING:  # the libraries behind these take seconds to import, which `--help` does not need
    from harness.checks.results import Results
    from harness.report.corrected_copies import Copy

EXAMPLES = """\
examples:
  python -m harness.run                                    the CSPNet table, without a data set
  python -m harness.run --sources timm,mmcls               two sources of it
  python -m harness.run --sources timm==0.6.13             another release of a source
  python -m harness.run --data imagenet/val                accuracy too, with the official checkpoints
  python -m harness.run --data ILSVRC2012_img_val.tar --labels val.txt --weights checkpoints/
  python -m harness.run --checks numerics --data imagenet/val   do two sources run the same function?
  python -m harness.run --data imagenet/val --why          why does an accuracy differ?
  python -m harness.run --data imagenet/val --runtime openvino  the same predictions, faster
  python -m harness.run --data imagenet/val --stop-early   no more images than decide a row
  python -m harness.run --data imagenet/val --device all  every GPU of this machine
  python -m harness.run --data imagenet/val --shard 3/8   one of eight jobs; then --shard merge/8 for the report
  python -m harness.run --engine ray --data s3://bucket/val --store s3://bucket/store   many machines
  python -m harness.run --table README.md --checks static  another table, or a folder or pattern of files with tables
  python -m harness.run --table zoo/ --checks documents    pages by themselves alone, in seconds, without an environment
  python -m harness.run --table README.md --checks static --fix    copies with the cells corrected, in OUT/fixed
  python -m harness.run --checks static --annotate --table '**/README.md'   errors next to the lines on GitHub

exit status:
  0  every requested cell is reproduced, within repetitions, explained, doubtful or a known gap, or was not asked to be
     measured
  1  a cell is contradicted, or with --strict doubtful
  2  wrong usage, or something that was asked for could not be measured
"""


DESCRIPTION = "Checks a published table of ImageNet classifiers, cell by cell, against the implementations."


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.run",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser, usual: Options | None = None) -> None:
    """All options of a run, and of its output; `usual` has what holds where nothing is given."""
    add_options(parser.add_argument, usual)
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and measure nothing")


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    return run(options_of(given), given.dry_run, given.quiet)


def run(options: Options, dry: bool = False, quiet: bool = False) -> int:
    """One run for the terminal, or what it would do. Returns the exit status."""
    for module in ("harness.report", "harness.checks.run", "harness.cli.progress"):
        importlib.import_module(module)  # in seconds, during which a signal still ends the process at once
    return guarded(lambda: _run(options, dry, quiet), options.store or options.out)


def _run(options: Options, dry: bool, quiet: bool) -> int:
    from harness import report
    from harness.checks import run as checks
    from harness.cli import terminal
    from harness.cli.progress import Terminal
    from harness.plan.preview import preview
    from harness.report import corrected_copies

    planned = preview(options, read=not dry)
    if dry:
        terminal.show_preview(planned)
        return 0
    with Terminal(quiet) as progress:
        progress.plan(planned)
        if options.share is not None and not options.share.merges:
            share = checks.evaluate_share(planned, progress)
            terminal.show_share(share)
            return 2 if share.failures else 0
        results = checks.execute(planned, progress)
    path = report.write(results, options.out)
    files = results.plan.table.files
    copies = corrected_copies.write(files, results.entries, options.out / "fixed") if options.fix else None
    same = sys.stdout.isatty() and sys.stderr.isatty()  # what was said there need not be said again
    return _show(results, path, copies, quiet, progress.said if same else frozenset())


def _show(results: Results, path: Path, copies: Sequence[Copy] | None, quiet: bool, said: Container[str]) -> int:
    """Prints the results. Returns the exit status."""
    from harness.cli import terminal
    from harness.report.annotations import annotations

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        terminal.show(results, path, quiet, said)
        if copies is not None:
            terminal.show_copies(copies)
        if results.options.annotate:
            print(annotations(results.entries, results.problems), end="")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return results.exit_status
