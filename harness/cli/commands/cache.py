"""Shows what is kept between runs, and removes what nobody needs: parity cache list, parity cache prune."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.cli.interruption import guarded

if TYPE_CHECKING:
    from harness.execution.cached import Entry

EXAMPLES = """\
examples:
  parity cache list                       environments, networks and weights that are kept, with their sizes
  parity cache prune --dry-run            what no installed source would use
  parity cache prune --unused-for 30      and what was not used for 30 days
"""
_STATES = {
    "ready": "",
    "unfinished": "unfinished",
    "replaced": "its requirement files have changed",
    "no source": "its source is not installed",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="Shows what is kept, its size and when it was used last.", allow_abbrev=False)
    prune = actions.add_parser(
        "prune", help="Removes what no installed source would use, and what is unfinished.", allow_abbrev=False
    )
    prune.add_argument("--unused-for", type=_days, metavar="DAYS", help="also what was not used for so many days")
    prune.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(given: argparse.Namespace) -> int:
    return guarded(_listed if given.action == "list" else _pruned(given.unused_for, given.dry_run))


def _listed() -> int:
    from harness.execution import cached
    from harness.execution.environments import cache

    every = cached.entries()
    for entry in every:
        print(_line(entry))
    print(f"{len(every)} entries of {_gigabytes(every)} in {cache()}")
    return 0


def _pruned(unused_for: float | None, dry_run: bool) -> Callable[[], int]:
    def prune() -> int:
        from harness.execution import cached

        found = cached.useless(cached.entries(), unused_for)
        removed = [entry for entry in found if dry_run or cached.remove(entry)]
        for entry in found:
            print(_line(entry) if entry in removed else f"{_line(entry)}; in use, it stays")
        print(f"{'would be removed' if dry_run else 'removed'}: {len(removed)} entries of {_gigabytes(removed)}")
        return 0

    return prune


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


def _line(entry: Entry) -> str:
    used = time.strftime("%Y-%m-%d", time.localtime(entry.used))
    more = f"; {_STATES[entry.state]}" if _STATES[entry.state] else ""
    return f"{entry.size / 1e6:>9,.1f} MB  {used}  {entry.kind}/{entry.name}{more}"


def _gigabytes(every: Sequence[Entry]) -> str:
    return f"{sum(entry.size for entry in every) / 1e9:.2f} GB"
