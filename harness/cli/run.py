"""The command line: python -m harness.run. Exit status: see `verdicts.exit_status`."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from harness import report
from harness.checks.results import Results
from harness.checks.run import execute
from harness.cli.interruption import INTERRUPTED, raising
from harness.cli.progress import Terminal
from harness.cli.terminal import show, show_ahead, show_copies
from harness.core.cancellation import Abandoned, interruptible
from harness.core.errors import InputError
from harness.dataset.remote import parse_location
from harness.plan.options import CHECKS, DEFAULT_CHECKS, DEVICES, ENGINES, PRECISIONS, RUNTIMES, Options
from harness.plan.preview import preview
from harness.report import corrected_copies
from harness.report.annotations import annotations as annotations_of

EXAMPLES = """\
examples:
  python -m harness.run                                    the CSPNet table, without a data set
  python -m harness.run --sources timm,mmcls               two sources of it
  python -m harness.run --sources timm==0.6.13             another release of a source
  python -m harness.run --data imagenet/val                accuracy too, with the official checkpoints
  python -m harness.run --data ILSVRC2012_img_val.tar --labels val.txt --weights checkpoints/
  python -m harness.run --checks numerics --data imagenet/val   do two sources run the same function?
  python -m harness.run --data imagenet/val --why          why does an accuracy differ?
  python -m harness.run --data imagenet/val --runtime openvino  the same predictions, sooner
  python -m harness.run --data imagenet/val --stop-early   no more images than it takes to refute a row
  python -m harness.run --engine ray --data s3://bucket/val --store s3://bucket/store   many machines
  python -m harness.run --table README.md --checks static  another table, or a folder or pattern of files with tables
  python -m harness.run --table README.md --checks static --fix    copies with the cells corrected, in OUT/fixed
  python -m harness.run --checks static --annotate --table '**/README.md'   what is wrong, beside the lines on GitHub

exit status:
  0  every requested cell is reproduced, explained or a known gap, or was not asked to be measured
  1  a cell is contradicted
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that a run can be asked for."""
    default = Options()
    add = parser.add_argument
    add(
        "--table",
        type=Path,
        dest="tables",
        nargs="+",
        default=default.tables,
        metavar="PATH",
        help="Markdown files with documented tables, folders or patterns of them (default: CSPNet)",
    )
    add(
        "--upstream",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help="documents that the sources publish, Markdown or CSV, besides those in their packages",
    )
    add("--sources", type=names_of, default=(), metavar="NAME[==VERSION],…", help="sources to check (default: all)")
    add("--models", type=names_of, default=(), metavar="NAME,…", help="models to check (default: all)")
    add(
        "--data",
        type=parse_location,
        help="ImageNet val or any labelled images: a folder per synset, a folder, or a tar",
    )
    add("--labels", type=Path, metavar="FILE", help="lines of 'path index' for a flat folder or a tar")
    add("--weights", metavar="DIR|auto|none", help="where checkpoints come from (default: auto with --data, else none)")
    add(
        "--checks",
        type=names_of,
        default=DEFAULT_CHECKS,
        metavar=",".join(CHECKS),
        help=f"what to check (default: {','.join(DEFAULT_CHECKS)}); numerics and preprocessing compare the sources",
    )
    add("--why", action="store_true", help="why an accuracy differs: one factor swapped at a time; takes --data")
    add("--limit", type=int, metavar="N", help="evaluate N images in a shuffled order")
    add(
        "--stop-early",
        action="store_true",
        help="end a row's evaluation once a part of the images, in shuffled order, refutes or confirms its accuracies",
    )
    add("--batch-size", type=int, default=default.batch_size, metavar="N", help="images per forward pass (default: 32)")
    add("--device", default=default.device, metavar="|".join(DEVICES), help="where networks run (default: cpu)")
    add(
        "--runtime",
        default=default.runtime,
        metavar="|".join(RUNTIMES),
        help="what runs the networks; the predictions are those of native (default: native)",
    )
    add(
        "--precision",
        default=default.precision,
        metavar="|".join(PRECISIONS),
        help="of the arithmetic; the predictions are those of native fp32 (default: fp32)",
    )
    add(
        "--engine",
        default=default.engine,
        metavar="|".join(ENGINES),
        help="where evaluations run: here or on a Ray cluster",
    )
    add("--ray-address", metavar="ADDRESS", help="the cluster (default: RAY_ADDRESS, else one on this machine)")
    add("--ray-cpus", type=int, metavar="N", help="processors for each part (default: those of the smallest node)")
    add("--store", type=parse_location, metavar="DIR|URL", help="where measurements are kept (default: OUT/store)")
    add("--out", type=Path, default=default.out, metavar="DIR", help="reports and store (default: parity-report/)")
    add("--fix", action="store_true", help="write copies of the tables with the cells corrected into OUT/fixed")
    add("--gallery", action="store_true", help="show the images on which sources flip; only if they may be copied")
    add("--annotate", action="store_true", help="print what is wrong as annotations for GitHub")
    add("--quiet", "-q", action="store_true", help="say what is wrong and nothing else, neither progress nor outcomes")
    add("--dry-run", action="store_true", help="show what would be done, and measure nothing")


def options_of(given: argparse.Namespace) -> Options:
    """What was asked for, of the arguments that `add_arguments` has added."""
    fields = {field.name: getattr(given, field.name) for field in dataclasses.fields(Options)}
    return Options(**{**fields, "tables": tuple(given.tables), "upstream": tuple(given.upstream)})


def names_of(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    return run(options_of(given), given.dry_run, given.quiet)


def run(options: Options, dry: bool = False, quiet: bool = False) -> int:
    """One run for the terminal, or what it would do. Returns the exit status."""
    kept = options.store or options.out
    try:
        with raising():
            return interruptible(lambda: _run(options, dry, quiet))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(f"interrupted; what was measured is kept in {kept}, the same command goes on from there", file=sys.stderr)
        if isinstance(interruption, Abandoned):
            os._exit(INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        # every file system of a URL has exceptions of its own
        if not isinstance(error, OSError) and all(
            isinstance(one, Path | None) for one in (options.data, options.store)
        ):
            traceback.print_exc()  # a fault of the harness, which says nothing of the table
            return 2
        print(
            f"error: {str(error) or type(error).__name__}. What was measured before is kept in {kept}; mend this and "
            "give the same command again, which goes on from there",
            file=sys.stderr,
        )
        return 2


def _run(options: Options, dry: bool, quiet: bool) -> int:
    seen = preview(options)
    if dry:
        show_ahead(seen)
        return 0
    with Terminal(quiet) as terminal:
        terminal.plan(seen)
        results = execute(seen, terminal)
    path = report.write(results, options.out)
    files = results.plan.table.files
    copies = corrected_copies.write(files, results.entries, options.out / "fixed") if options.fix else None
    return _show(results, path, copies, quiet)


def _show(results: Results, path: Path, copies: Sequence[corrected_copies.Copy] | None, quiet: bool) -> int:
    """Prints what came out. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        show(results, path, quiet)
        if copies is not None:
            show_copies(copies)
        if results.options.annotate:
            print(annotations_of(results.entries, results.problems), end="")
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return results.exit_status
