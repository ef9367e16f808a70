"""report.html: a single self-contained file for a browser, which makes no network requests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from harness.checks.results import Results
from harness.core.evidence import ConventionMatch, NoMatch, PlainMatch
from harness.core.records import Outcome, Verdict
from harness.report import gallery
from harness.report import markdown as page
from harness.report.fitting import LARGEST, fitted
from harness.report.plots import Plot

#: evidence that the cause says in words already, or that only programs need
_SAID = ("known_gap", "nearest", "other_rows", "one_digit", "exchanged", "expected", "expected_convention")


def html(results: Results, context: Mapping[str, Any], figures: Sequence[Plot] = ()) -> str:
    """The page. All text of the table and of the sources is escaped, so that none of it becomes markup or script.

    `context` is what report.md shows, too; see harness.report.markdown.context.
    """
    environment = page.templates(autoescape=True)
    script = _asset("report.js")
    corrected = {entry.claim: f"{entry.corrected} {entry.claim.unit}".rstrip() for entry in results.entries
                 if entry.claim is not None and entry.corrected is not None}  # fmt: skip
    albums = gallery.albums(results)

    def rendered(fitting: Mapping[str, Any]) -> str:
        return environment.get_template("report.html.j2").render(
            **{**fitting, "rows": _numbered(fitting["rows"])},
            style=Markup(_asset("report.css")),
            script=Markup(script),
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            sections=Markup(_rendered(page.render("sections.md.j2", **fitting, collapsed=False))),
            evidence=evidence,
            albums=albums,
            figures=[(figure, Markup(figure.inline)) for figure in figures],
            corrected=lambda verdict: corrected.get(verdict.claim),
            repeat=lambda verdict: page.cell_command(results, verdict),
            detailed=lambda verdict: not fitting["brief"] or verdict.outcome is not Outcome.NOT_MEASURED,
        )

    pictures = sum(len(figure.inline) for figure in figures) + sum(len(str(album)) for album in albums)
    return fitted(rendered, context, of_cell=600, largest=LARGEST + pictures)


def _rendered(markdown: str) -> str:
    """Markdown as HTML; raw HTML in it is escaped, and wide tables can be scrolled with the keyboard."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    renderer.add_render_rule("table_open", lambda *_: '<div class="wide" tabindex="0"><table>')
    renderer.add_render_rule("table_close", lambda *_: "</table></div>")
    return str(renderer.render(markdown))


def evidence(verdict: Verdict) -> list[tuple[str, str]]:
    """What a verdict rests on, as names and values for a reader."""
    shown = [(key.replace("_", " "), _value(value)) for key, value in verdict.evidence.items() if key not in _SAID]
    basis = verdict.basis
    if isinstance(basis, NoMatch):
        shown += [("nearest", f"{near.value}: {near.convention}") for near in basis.nearest]
    if isinstance(basis, PlainMatch | ConventionMatch) and basis.other_rows:
        other_rows = basis.other_rows
        shown.append(("as the other rows are counted", f"{other_rows.value}: {other_rows.convention}"))
    if gap := verdict.known_gap:
        shown.append(("known gap", f"{gap.reason} {gap.url}"))
    return shown


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value)) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_value(one)}" for key, one in value.items())
    return str(value)


def _numbered(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each cell with an id that a link can name."""
    return [
        {**row, "ids": {metric: f"cell-{number}-{metric}" for metric in row["cells"]}}
        for number, row in enumerate(rows, 1)
    ]


def _asset(name: str) -> str:
    return (resources.files("harness.report") / "templates" / name).read_text(encoding="utf-8")
