"""Networks are counted further only where that may settle a figure, and then as far as it takes."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import COUNTERS, TIMM, claim, row, static
from fakes import Recorder, installed
from harness.adapters.base import FUSED_FORM

from harness.checks.counts import statics, widening
from harness.core.records import Claim, Metric, Outcome, Source, Static, Verdict
from harness.execution.session import Session
from harness.execution.store import Store

#: those that need no values
FIRST = ("plain", "thop", "torchinfo")


class Counting:
    """A source that is asked for more, and what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, networks: Iterable[Static]) -> None:
        self.networks = {one.model: one for one in networks}
        self.asked: list[tuple[str, list[str]]] = []  #: depth and models
        self.session = Session(Store(tmp_path / "store"), Recorder(), "cpu", 4)
        monkeypatch.setattr(statics, "count", self.count)

    def count(
        self, _session: Any, _installed: Any, wanted: Mapping[Source, Mapping[str, Any]], depth: str = "all", **_: Any
    ) -> dict[Source, dict[str, Static]]:
        self.asked.append((depth, [model for models in wanted.values() for model in models]))
        known = {model: at_depth(self.networks[model], depth) for models in wanted.values() for model in models
                 if model in self.networks}  # fmt: skip
        return {TIMM: known}

    def judge(self, figures: Mapping[str, str], metric: Metric = "flops", start: str = "outline") -> dict[str, Outcome]:
        rows = {model: row(number, model) for number, model in enumerate(figures, 1)}
        claims: list[tuple[Claim, Source]] = [
            (claim(text, metric, rows[model]), TIMM) for model, text in figures.items()
        ]
        built = {(rows[model], TIMM): at_depth(self.networks[model], start) for model in figures}
        self.verdicts: list[Verdict]
        self.verdicts, self.built = widening.judge(claims, built, {TIMM: installed()}, self.session)
        return {verdict.claim.row.model: verdict.outcome for verdict in self.verdicts}


def at_depth(whole: Static, depth: str) -> Static:
    """A network as it is counted at that depth."""
    if depth == "all":
        return whole
    bare = {"left_out": (*(name for name in COUNTERS if name not in FIRST), *whole.left_out)}
    if depth == "parameters":
        return dataclasses.replace(whole, multiply_adds={}, **bare)
    counts = {size: {name: own[name] for name in FIRST} for size, own in whole.multiply_adds.items()}
    return dataclasses.replace(whole, multiply_adds=counts, **bare)


NETWORKS = [static(f"net{n}", at_256=(2.31 + 0.917 * n) * 1e9, learnable=11_689_512 + 3_142_377 * n) for n in range(8)]


def printed(counter: str, factor: int = 2, decimals: int = 3) -> dict[str, str]:
    return {one.model: f"{factor * one.multiply_adds[256][counter] / 1e9:.{decimals}f}" for one in NETWORKS}


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counting:
    return Counting(monkeypatch, tmp_path, NETWORKS)


@pytest.mark.parametrize("counter", FIRST)
def test_columns_that_the_first_counters_explain_are_counted_no_further(counting: Counting, counter: str) -> None:
    assert set(counting.judge(printed(counter)).values()) <= {Outcome.REPRODUCED, Outcome.EXPLAINED}
    assert counting.asked == []


def test_a_column_by_another_counter_is_counted_whole_and_is_right(counting: Counting) -> None:
    assert set(counting.judge(printed("fvcore")).values()) == {Outcome.EXPLAINED}
    assert counting.asked == [("all", [one.model for one in NETWORKS])]
    assert {verdict.convention for verdict in counting.verdicts} == {
        "2 x multiply-adds by fvcore, at the row's input size"
    }


def test_for_a_wrong_cell_its_network_alone_is_counted_by_all(counting: Counting) -> None:
    figures = {**printed("plain"), "net3": "7.777"}
    outcomes = counting.judge(figures)
    assert [model for model, outcome in outcomes.items() if outcome is Outcome.CONTRADICTED] == ["net3"]
    assert counting.asked == [("all", ["net3"])]
    assert counting.judge(figures, start="all") == outcomes, "as if all had been counted by all"


def test_where_another_counter_gives_a_cell_the_whole_column_is_counted_by_it(counting: Counting) -> None:
    figures = {**printed("plain"), "net3": printed("fvcore")["net3"]}
    outcomes = counting.judge(figures)
    assert counting.asked == [("all", ["net3"]), ("all", [one.model for one in NETWORKS if one.model != "net3"])]
    assert counting.judge(figures, start="all") == outcomes


def test_a_wrong_cell_of_a_column_by_another_counter_is_found_as_if_all_were_counted(counting: Counting) -> None:
    figures = {**printed("ptflops", 1), "net5": "4.321"}
    assert counting.judge(figures) == counting.judge(figures, start="all")


def test_parameters_need_no_counters(counting: Counting) -> None:
    figures = {one.model: f"{one.parameters.learnable / 1e6:.2f}" for one in NETWORKS}
    assert set(counting.judge(figures, "params", start="parameters").values()) == {Outcome.REPRODUCED}
    assert counting.asked == []
    counting.judge({**figures, "net2": "99.99"}, "params", start="parameters")
    assert counting.asked == [("outline", ["net2"])], "values would tell nothing more of them"


def test_parameters_of_networks_with_a_fused_form_are_counted_with_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = [
        dataclasses.replace(
            one, parameters=dataclasses.replace(one.parameters, fused=one.parameters.learnable - 250_000)
        )
        for one in NETWORKS
    ]
    of = Counting(monkeypatch, tmp_path, whole)

    def unfused(whole: Static, depth: str, plain: Any = at_depth) -> Static:
        found = plain(whole, depth)
        if depth == "all":
            return found
        bare = dataclasses.replace(found.parameters, fused=None)
        return dataclasses.replace(found, parameters=bare, left_out=(*found.left_out, FUSED_FORM))

    monkeypatch.setitem(globals(), "at_depth", unfused)
    figures = {one.model: f"{(one.parameters.fused or 0) / 1e6:.3f}" for one in whole}
    assert set(of.judge(figures, "params").values()) == {Outcome.EXPLAINED}
    assert [depth for depth, _ in of.asked] == ["all"]


def test_what_cannot_be_counted_further_is_asked_for_once(counting: Counting) -> None:
    del counting.networks["net3"]
    figures = {**printed("plain")}
    start = {"net3": static("net3", at_256=1e9)}
    counting.networks |= start
    figures["net3"] = "7.777"
    rows = {model: row(number, model) for number, model in enumerate(figures, 1)}
    built = {(rows[model], TIMM): at_depth(counting.networks[model], "outline") for model in figures}
    del counting.networks["net3"]
    claims = [(claim(text, of=rows[model]), TIMM) for model, text in figures.items()]
    verdicts, after = widening.judge(claims, built, {TIMM: installed()}, counting.session)
    assert counting.asked == [("all", ["net3"])]
    assert after == built
    assert len(verdicts) == 8
