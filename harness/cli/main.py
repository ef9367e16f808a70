"""The console script: parity run, compare, audit, doctor, cache and documents."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import shtab

from harness.cli import run
from harness.cli.commands import cache, compare, documents
from harness.cli.interruption import guarded
from harness.plan.arguments import options_of
from harness.plan.options import Options

EXAMPLES = """\
examples:
  parity audit README.md                  the counts of a page's models, without weights and images
  parity run --data imagenet/val          the CSPNet table with its accuracies
  parity compare before/ after/           what changed between two reports
  parity doctor --data imagenet/val       is everything there that the run needs?
"""


AUDIT = """\
examples:
  parity audit README.md                  one page
  parity audit README.md docs/ --fix      pages and folders of them, and corrected copies in OUT/fixed
  parity audit 'zoo/**/*.md' --annotate   errors next to the lines on GitHub
  parity audit zoo/ --checks documents    pages by themselves alone, in seconds, without an environment
"""
COMPARE = """\
examples:
  parity compare before/ after/                    two --out folders, in Markdown
  parity compare before/ after/ --format json      for a program

exit status:
  0  nothing became worse
  1  something did
  2  a report could not be read
"""
DOCTOR = """\
examples:
  parity doctor                                              the CSPNet table, without a data set
  parity doctor --data imagenet/val --weights checkpoints/   with accuracies
"""


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="parity",
        description="Proves or refutes published tables of ImageNet classifiers, cell by cell.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    shtab.add_argument_to(whole, ["--print-completion"], help="print the shell's completion script")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, examples: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=what,
            description=what,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    run.add_arguments(command("run", run.DESCRIPTION, run.EXAMPLES.replace("python -m harness.run", "parity run")))
    audit = command(
        "audit", "Checks FLOPs and parameters on pages, and that pages agree with themselves, without weights.", AUDIT
    )
    audit.add_argument("pages", type=Path, nargs="+", metavar="PAGE", help="Markdown or CSV files, folders, patterns")
    run.add_arguments(audit, Options(checks=("static",)))
    compare.add_arguments(command("compare", "Shows what changed between two reports.", COMPARE))
    run.add_arguments(command("doctor", "Checks that a run with the same options finds all it needs.", DOCTOR))
    cache.add_arguments(
        command("cache", "Shows what is kept between runs, and removes what nobody needs.", cache.EXAMPLES)
    )
    documents.add_arguments(command("documents", "Writes what a source's package documents as a page."))
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.command == "compare":
        return compare.show(given)
    if given.command == "cache":
        return cache.run(given)
    if given.command == "documents":
        return documents.write(given)
    if given.command == "audit":
        given.tables = given.pages
    options = options_of(given)
    if given.command == "doctor":
        return guarded(lambda: _diagnose(options))
    return run.run(options, given.dry_run, given.quiet)


def _diagnose(options: Options) -> int:
    from harness.cli import doctor, terminal

    diagnoses = doctor.examine(options)
    terminal.show_diagnoses(diagnoses)
    return 2 if any(one.state == "bad" for one in diagnoses) else 0
