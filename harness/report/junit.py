"""report.xml: one test case per cell, in the JUnit format that CI systems show."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from harness.checks.results import Results
from harness.core.records import Outcome
from harness.core.text import clean
from harness.report import report_json
from harness.report.wording import junit_message


def xml(results: Results) -> str:
    """The whole file."""
    suite = ElementTree.Element("testsuite", name="parity")
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    for verdict in results.verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=clean(f"parity.{verdict.source}"),
            name=clean(f"{verdict.claim.row.source}-{verdict.claim.row.model}-{verdict.claim.metric}"),
        )
        cell = report_json.cell(verdict)
        properties = ElementTree.SubElement(case, "properties")
        for name in ("documented", "measured", "unit", "outcome", "convention"):
            ElementTree.SubElement(properties, "property", name=name, value=clean(str(cell[name])))
        tag, count = _TAGS.get(verdict.outcome, (None, ""))
        wrong = results.wrong.get(verdict.claim, [])
        if verdict.outcome is Outcome.DOUBTFUL and results.options.strict:
            tag, count = _TAGS[Outcome.CONTRADICTED]
        if wrong:
            tag, count = _TAGS[Outcome.CONTRADICTED]
        if verdict.outcome is Outcome.DOUBTFUL and not tag:
            ElementTree.SubElement(case, "system-out").text = clean(junit_message(verdict))
        if tag:
            ElementTree.SubElement(case, tag, message=clean(junit_message(verdict, wrong)))
            counts[count] += 1
    for name, text in _errors(results):
        case = ElementTree.SubElement(suite, "testcase", classname="parity", name=clean(name))
        ElementTree.SubElement(case, "error", message=clean(text))
        counts["errors"] += 1
    suite.set("tests", str(len(suite)))
    for name, number in counts.items():
        suite.set(name, str(number))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _errors(results: Results) -> Iterator[tuple[str, str]]:
    """What could not be read or measured, in a cell or not."""
    for problem in results.problems:
        yield problem.where, problem.text
    for failure in results.failures:
        yield " ".join(filter(None, (failure.source, failure.model, failure.stage))), failure.message


_TAGS = {
    Outcome.CONTRADICTED: ("failure", "failures"),
    Outcome.ERROR: ("error", "errors"),
    Outcome.KNOWN_GAP: ("skipped", "skipped"),
    Outcome.NOT_COMPARABLE: ("skipped", "skipped"),
    Outcome.NOT_MEASURED: ("skipped", "skipped"),
}
