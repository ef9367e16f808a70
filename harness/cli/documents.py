"""What a source's package says of its own models, as a page that can be checked: python -m harness.documents.

Every document of the package becomes a table with the place that each row comes from, so that
`python -m harness.run --table PAGE` checks the source's own metadata as it checks any other page.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import InputError, MeasurementError
from harness.core.files import write_whole
from harness.core.records import Source
from harness.execution import environments, process, registry
from harness.execution.environments import Installed


def read(installed: Installed) -> list[Mapping[str, Any]]:
    """Fields of each harness.adapters.base.Document. Raises MeasurementError where the source cannot tell."""
    found: list[Mapping[str, Any]] = []
    failures: list[str] = []

    def handle(_: int, event: Mapping[str, Any]) -> None:
        if event["event"] == "documents":
            found.extend(event["documents"])
        elif event["event"] == "failed":
            failures.append(event["message"])

    with tempfile.TemporaryDirectory() as folder:
        process.run(installed, [{"kind": "documents"}], handle, Path(folder) / "worker.log")
    if failures or not found:
        reason = failures[0] if failures else "its package documents nothing that the adapter reads"
        raise MeasurementError(f"{installed.source}: {reason}")
    return found


def page(documents: Sequence[Mapping[str, Any]], source: Source) -> str:
    """The documents as Markdown, a table for each."""
    lines = [f"# What {source} documents of its own models", ""]
    lines += ["Made from the package by `python -m harness.documents`; figures are as they are written there."]
    for document in documents:
        heading = [*document["heading"], "source", "where"]
        lines += ["", f"## {document['file']}", "", _row(heading), _row([":---"] * len(heading))]
        name = Path(document["file"]).name
        lines += [_row([*cells, f"{source.name} v{source.version}", f"{name}:{n}"]) for n, cells in document["rows"]]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a source, with a release if it is not to be the default: mmcls==0.23.1")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, in Markdown")


def write(given: argparse.Namespace) -> int:
    """The page that was asked for. Returns the exit status."""
    try:
        known = registry.sources()
        name, version = registry.parse_source(given.source, known)
        source = Source(name, version or known[name].default_version)
        documents = read(environments.prepare(known[name], source.version))
        given.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(given.out, page(documents, source).encode())
    except (InputError, MeasurementError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(given.out)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.documents", description=__doc__)
    add_arguments(parser)
    return write(parser.parse_args(arguments))
