"""report.xml: one test case per cell, in the JUnit format that CI systems show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.records import Outcome, Verdict
from harness.report import contract
from harness.results import Results

#: characters that XML 1.0 cannot hold
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(results: Results) -> str:
    suite = ElementTree.Element("testsuite", name="parity", tests=str(len(results.verdicts)))
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    for verdict in results.verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_clean(f"parity.{verdict.source}"),
            name=_clean(f"{verdict.claim.row.source}-{verdict.claim.row.model}-{verdict.claim.metric}"),
        )
        cell = contract.cell(verdict)
        properties = ElementTree.SubElement(case, "properties")
        for name in ("documented", "measured", "unit", "outcome", "convention"):
            ElementTree.SubElement(properties, "property", name=name, value=_clean(str(cell[name])))
        tag, count = _TAGS.get(verdict.outcome, (None, ""))
        if tag:
            ElementTree.SubElement(case, tag, message=_clean(sentence(verdict)))
            counts[count] += 1
    for name, number in counts.items():
        suite.set(name, str(number))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


_TAGS = {
    Outcome.CONTRADICTED: ("failure", "failures"),
    Outcome.ERROR: ("error", "errors"),
    Outcome.KNOWN_GAP: ("skipped", "skipped"),
    Outcome.NOT_MEASURED: ("skipped", "skipped"),
}


def sentence(verdict: Verdict) -> str:
    """What a verdict says in one line: what was documented, what was measured, and why they part."""
    claim = verdict.claim
    parts = [f"{claim.row.model} of {verdict.source}, {claim.metric}: documented {claim.text} {claim.unit}".rstrip()]
    if verdict.measured is not None:
        parts.append(f"measured {claim.printed(verdict.measured)} {claim.unit}".rstrip())
    parts.append(str(verdict.outcome).replace("_", " "))
    if verdict.cause:
        parts.append(verdict.cause)
    return "; ".join(parts)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
