"""The registry of finding kinds: it is complete, it is enforced, and the documentation is generated from it."""

import re

import pytest
from folders import ROOT

from harness.core import findings
from harness.core.findings import KINDS, SEVERITIES, Finding, reference_page

#: a kind is written as the first argument of one of these
CONSTRUCTED = re.compile(
    r"(?:\bFinding|Finding\.about_row|_wrong|_error|_of_column)\(\s*(?:\*\()?f?\"([a-z0-9_{}.]+)\""
)


def test_a_finding_has_the_severity_of_its_kind() -> None:
    assert Finding("labels", "timm", "network", "Wrong.").severity == "error"
    assert Finding("attribution", "timm", "network", "Nothing.").severity == "warning"


def test_a_kind_with_two_severities_takes_either() -> None:
    assert Finding("attribution", "timm", "network", "Nothing.", severity="note").severity == "note"


def test_an_unregistered_kind_is_an_error_that_names_it() -> None:
    with pytest.raises(
        ValueError, match=r"unknown kind of finding 'planted': register it in harness.core.findings.kinds"
    ):
        Finding("planted", "timm", "network", "Wrong.")


def test_a_severity_that_the_kind_does_not_allow_is_an_error() -> None:
    with pytest.raises(ValueError, match="a finding of kind 'labels' has severity error, not 'note'"):
        Finding("labels", "timm", "network", "Wrong.", severity="note")


def test_every_kind_that_the_code_writes_is_registered_and_every_registered_one_is_written() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "harness").rglob("*.py")]
    written = {kind for source in sources for kind in CONSTRUCTED.findall(source)}
    upstream = {name for name in KINDS if re.fullmatch("upstream_(different|other_.*)", name)}
    contradicted = {name for name in KINDS if name.startswith("contradicted_")}
    doubtful = {name for name in KINDS if name.startswith("doubtful_")}
    assert {"labels", "counts_otherwise", "top5_below_top1", "padded_digits", "failure"} < written, "the pattern holds"
    assert written - {"upstream_{one.status}"} == set(KINDS) - upstream - contradicted - doubtful


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_a_kind_is_described_in_one_sentence(kind: findings.FindingKind) -> None:
    assert kind.severities
    assert set(kind.severities) <= set(SEVERITIES)
    assert re.fullmatch(r"[A-Z].*[a-z]\.", kind.meaning)
    assert kind.anchor == f"reference/findings.md#{kind.name}"


def test_the_page_of_the_documentation_is_generated_from_the_registry() -> None:
    page = ROOT / "docs" / findings.PAGE
    assert page.read_text(encoding="utf-8") == reference_page(), (
        "write reference_page() of harness.core.findings to the page again"
    )
    assert all(f"\n## {name}\n" in reference_page() for name in KINDS)
    assert f"Findings: {findings.PAGE}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
