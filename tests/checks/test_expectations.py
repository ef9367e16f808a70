"""Findings about a row stand in its accuracy cells, where they may be the cause."""

import dataclasses

import pytest
from builders import TIMM, claim, row, verdict

from harness.checks.expectations import BEARING, with_expectations
from harness.core.findings import KINDS, Finding, Severity, Suspect
from harness.core.records import Outcome, Verdict

ROW = row()


def cell(outcome: Outcome = Outcome.NOT_MEASURED, metric: str = "top1") -> Verdict:
    of = claim("79.582", metric, ROW)  # type: ignore[arg-type]
    return dataclasses.replace(verdict(outcome), claim=of, source=TIMM)


def expected(finding: Finding, of: Verdict) -> tuple[str, ...]:
    return with_expectations([of], [finding])[0].expectations


def activation(source: str = str(TIMM), model: str = ROW.model) -> Finding:
    return Finding("operator_claim", source, model, "it runs ReLU.")


@pytest.mark.parametrize("kind", BEARING)
def test_every_kind_that_bears_on_accuracies_is_registered(kind: str) -> None:
    assert kind in KINDS


@pytest.mark.parametrize(
    ("outcome", "texts"),
    [
        (Outcome.NOT_MEASURED, ("it runs ReLU.",)),
        (Outcome.NOT_COMPARABLE, ("it runs ReLU.",)),
        (Outcome.WITHIN_REPETITIONS, ("it runs ReLU.",)),
        (Outcome.CONTRADICTED, ("it runs ReLU.",)),
        (Outcome.REPRODUCED, ()),
        (Outcome.EXPLAINED, ()),
    ],
)
def test_a_finding_stands_in_the_accuracies_that_do_not_hold(outcome: Outcome, texts: tuple[str, ...]) -> None:
    assert expected(activation(), cell(outcome)) == texts
    assert expected(activation(), cell(outcome, "top5")) == texts
    assert expected(activation(), cell(outcome, "flops")) == ()


@pytest.mark.parametrize(
    "source", [f"{TIMM}, mmcls==0.23.1", f"mmcls==0.23.1, {TIMM}", f"{TIMM} and mmcls==0.23.1", str(TIMM)]
)
def test_a_finding_about_two_sources_or_several_models_is_about_each(source: str) -> None:
    assert expected(activation(source, f"other, {ROW.model}"), cell())


@pytest.mark.parametrize(("source", "model"), [("mmcls==0.23.1", ROW.model), (str(TIMM), "other"), (str(TIMM), "net")])
def test_a_finding_about_another_row_says_nothing(source: str, model: str) -> None:
    assert expected(activation(source, model), cell()) == ()


def test_a_finding_about_a_figure_is_about_that_figure_alone() -> None:
    top5 = cell(metric="top5").claim
    finding = Finding.about_row("upstream_different", ROW, "it publishes 94.", {}, (Suspect(top5),))
    assert expected(finding, cell(metric="top5")) == ("it publishes 94.",)
    assert expected(finding, cell()) == ()


def test_a_finding_about_counts_of_a_row_bears_on_its_accuracies() -> None:
    flops = cell(metric="flops").claim
    finding = Finding.about_row("figures_of_another_network", ROW, "they are DarkNet53's.", {}, (Suspect(flops),))
    assert expected(finding, cell()) == ("they are DarkNet53's.",)
    elsewhere = dataclasses.replace(finding, row=row(2))
    assert expected(elsewhere, cell()) == ()


@pytest.mark.parametrize(("severity", "texts"), [("note", ()), ("warning", ("it resizes to 252.",))])
def test_a_preparation_that_agrees_is_no_cause(severity: Severity, texts: tuple[str, ...]) -> None:
    finding = Finding("preprocessing_parity", str(TIMM), ROW.model, "it resizes to 252.", severity=severity)
    assert expected(finding, cell()) == texts


def test_errors_come_first_and_no_text_twice() -> None:
    error = Finding("figures_of_another_network", str(TIMM), ROW.model, "they are DarkNet53's.")
    (found,) = with_expectations([cell()], [activation(), activation(), error])
    assert found.expectations == ("they are DarkNet53's.", "it runs ReLU.")
