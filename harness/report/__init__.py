"""Results -> report.json, report.md, report.html and report.xml. Nothing here measures or judges."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import InputError
from harness.report import contract, junit, page, web
from harness.results import Results
from harness.store import write_whole


def write(results: Results, folder: Path) -> Path:
    """Writes the four reports and returns the path of report.md. Raises InputError where that is not possible."""
    content = {
        "report.json": json.dumps(contract.report(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": page.markdown(results),
        "report.html": web.html(results),
        "report.xml": junit.xml(results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            write_whole(folder / name, text.encode())
    except OSError as error:
        raise InputError(
            f"--out: cannot write the report to {folder}: {error}. What was measured is kept; mend this and give the "
            "same command again"
        ) from error
    return folder / "report.md"
