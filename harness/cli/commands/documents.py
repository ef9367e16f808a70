"""Writes the figures that a source's package documents for its own models as a page: python -m harness.documents.

Every document of the package becomes a table that says which file and entry each row comes from, so that
`python -m harness.run --table PAGE` checks the source's own metadata like any other page.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.interruption import guarded

if TYPE_CHECKING:
    from harness.adapters.base import Document
    from harness.core.records import Source
    from harness.execution.environments import Installed
    from harness.worker.protocol import Event


def read(installed: Installed) -> list[Document]:
    """The package's documents. Raises MeasurementError where the source documents nothing."""
    from harness.core.errors import MeasurementError
    from harness.execution import process
    from harness.worker.protocol import Documents, Failed
    from harness.worker.tasks import ListDocuments

    found: list[Document] = []
    failures: list[str] = []

    def handle(_: int, event: Event) -> None:
        if isinstance(event, Documents):
            found.extend(event.documents)
        elif isinstance(event, Failed):
            failures.append(event.message)

    with tempfile.TemporaryDirectory() as folder:
        process.run(installed, [ListDocuments()], handle, Path(folder) / "worker.log")
    if failures or not found:
        reason = failures[0] if failures else "its package has no document that the adapter can read"
        raise MeasurementError(f"{installed.source}: {reason}")
    return found


def page(documents: Sequence[Document], source: Source) -> str:
    """The documents as Markdown, a table for each."""
    lines = [f"# What {source} documents of its own models", ""]
    lines += ["Made from the package by `python -m harness.documents`; figures are as they are written there."]
    for document in documents:
        heading = [*document.heading, "source", "where"]
        lines += ["", f"## {document.file}", "", _row(heading), _row([":---"] * len(heading))]
        name = Path(document.file).name
        lines += [_row([*cells, f"{source.name} v{source.version}", f"{name}:{n}"]) for n, cells in document.rows]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a source, with a release (mmcls==0.23.1) unless the default release is wanted")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, in Markdown")


def write(given: argparse.Namespace) -> int:
    """Writes the page. Returns the exit status."""
    return guarded(lambda: _write(given.source, given.out))


def _write(asked: str, out: Path) -> int:
    from harness.core.files import write_whole
    from harness.core.records import Source
    from harness.execution import environments, registry

    known = registry.sources()
    name, version = registry.parse_source(asked, known)
    source = Source(name, version or known[name].default_version)
    documents = read(environments.prepare(known[name], source.version))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page(documents, source).encode())
    print(out)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.documents", description=__doc__)
    add_arguments(parser)
    return write(parser.parse_args(arguments))
