"""Results -> report.json, report.md with its plots, report.html and report.xml. Nothing here measures or judges."""

from __future__ import annotations

import json
from pathlib import Path

from harness.checks.results import Results
from harness.core.errors import InputError
from harness.core.files import write_whole
from harness.report import html, junit, markdown, plots, report_json


def write(results: Results, folder: Path) -> Path:
    """Writes the four reports and returns the path of report.md. Raises InputError where that is not possible."""
    figures = plots.plots(results)
    shared = markdown.context(results)
    content = {
        "report.json": json.dumps(report_json.report(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": markdown.markdown(shared, figures),
        "report.html": html.html(results, shared, figures),
        "report.xml": junit.xml(results),
        **{f"{plots.FOLDER}/{figure.name}.svg": figure.svg for figure in figures},
    }
    try:
        for name, text in content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # a file name may have bytes that are not UTF-8
            write_whole(folder / name, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise InputError(
            f"--out: cannot write the report to {folder}: {error}. Completed measurements are saved. Fix the "
            "problem and run the same command again to resume"
        ) from error
    return folder / "report.md"
