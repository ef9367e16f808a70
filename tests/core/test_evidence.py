"""Typed causes and evidence become the words and the JSON of report.json, unchanged."""

import dataclasses
import json
import re
from typing import Any

import pytest
from builders import claim, row, verdict
from folders import ROOT

from harness.core import causes
from harness.core.causes import Cause, LeftOut, words
from harness.core.evidence import (
    Basis,
    ConstantRatio,
    ConventionMatch,
    ImagesEvaluated,
    ListedGap,
    NoMatch,
    OtherRows,
    PartEvaluated,
    PlainMatch,
    PrintedValue,
    UpstreamFigure,
)
from harness.core.records import Outcome
from harness.report import report_json

BY_PLAIN = "2 x multiply-adds by plain, at the row's input size"
MISS = NoMatch(38, (PrintedValue("9.041", BY_PLAIN), PrintedValue("9.0", "x")), "9.035", BY_PLAIN, 3)
MISS_JSON: dict[str, Any] = {
    "conventions_tried": 38,
    "nearest": [{"value": "9.041", "convention": BY_PLAIN}, {"value": "9.0", "convention": "x"}],
    "expected": "9.035",
    "expected_convention": BY_PLAIN,
    "expected_as_in_rows": 3,
    "expected_probability": 0.0,
    "probability_wrong": 1.0,
    "probability_unknown_tool": 0.0,
}
OTHER = causes.OtherNetwork("timm", "darknet53", BY_PLAIN, 8e-6)
OTHER_JSON = {"belongs_to": "darknet53", "belongs_to_convention": BY_PLAIN, "chance": 8e-6}
SAME = causes.SameFigureElsewhere(tuple(row(i, f"net{i}") for i in (2, 3, 4, 5)))
SAME_JSON = {"same_figure": [f"row {i} (net{i} of timm)" for i in (2, 3, 4, 5)]}
BELONGS = f"the figure belongs to another network of timm: darknet53 ({BY_PLAIN})"
STANDS = "the same figure is in row 2 (net2 of timm), row 3 (net3 of timm), row 4 (net4 of timm)"
RUN = ImagesEvaluated(50_000, 39_391, 256, "ab" * 32)
RUN_JSON = {"images": 50_000, "count": 39_391, "input_size": 256, "checkpoint_sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("basis", "found", "cause", "evidence"),
    [
        (None, (), None, {}),
        (None, (causes.Stated("no data"),), "no data", {}),
        (PlainMatch(4), (), None, {"digits_explained": 4, "conventions_tried": 1}),
        (
            PlainMatch(4, OtherRows("9.035", BY_PLAIN, 5)),
            (),
            None,
            {
                "digits_explained": 4,
                "conventions_tried": 1,
                "other_rows": {"value": "9.035", "convention": BY_PLAIN, "rows": 5},
            },
        ),
        (
            ConventionMatch(
                "21.57",
                4,
                5,
                3,
                1e-9,
                ("x",),
                ConstantRatio("10/9", "19.4"),
                0.04,
                LeftOut(46_848, ("BatchNorm2d",)),
                OtherRows("21.62", "learnable parameters", 4),
            ),
            (
                causes.CountedAs("parameters by x", 224, LeftOut(46_848, ("BatchNorm2d", "Linear"))),
                causes.MayBeCopied(row(2, "net")),
            ),
            "counted as parameters by x, although the row says 224 pixels, which leaves out the 46,848 parameters held "
            "by BatchNorm2d, Linear",
            {
                "value_under_convention": "21.57",
                "digits_explained": 4,
                "conventions_tried": 5,
                "rows_of_this_source_explained": 3,
                "probability_wrong": 1e-9,
                "explained_as_well_by": ["x"],
                "ratio": "10/9",
                "ratio_of": "19.4",
                "share_seen": 0.04,
                "left_out": ["BatchNorm2d"],
                "other_rows": {"value": "21.62", "convention": "learnable parameters", "rows": 4},
                "may_be_copied_from": "row 2 (net of timm)",
            },
        ),
        (
            MISS,
            (causes.NoConvention(), causes.Expected("9.035", BY_PLAIN)),
            f"no convention reproduces it; expected 9.035 ({BY_PLAIN})",
            MISS_JSON,
        ),
        (
            MISS,
            (causes.NoConvention("y"), causes.OneDigit("9.035", BY_PLAIN)),
            "no convention reproduces it better than chance: it is y, but too few digits are printed, or too many "
            "other rows are counted differently, to distinguish that from a coincidence; it is one digit away from "
            f"9.035, which is {BY_PLAIN}",
            {**MISS_JSON, "one_digit": True},
        ),
        (
            MISS,
            (causes.SlippedUnit("0.009035", "9.035", "M", "G", BY_PLAIN),),
            f"the unit is wrong: it is 9.035 M, not G ({BY_PLAIN})",
            {**MISS_JSON, "expected": "0.009035", "slipped": True},
        ),
        (
            MISS,
            (causes.SlippedPoint("90.35", "G", BY_PLAIN), causes.Exchanged("21.6")),
            "FLOPs and parameters of the row are exchanged",
            {**MISS_JSON, "expected": "21.6", "slipped": True, "exchanged": True},
        ),
        (MISS, (causes.NoConvention(), OTHER), BELONGS, {**MISS_JSON, **OTHER_JSON}),
        (MISS, (causes.NoConvention(), OTHER, SAME), f"{BELONGS}; {STANDS}", {**MISS_JSON, **OTHER_JSON, **SAME_JSON}),
        (MISS, (causes.NoConvention(), SAME, OTHER), BELONGS, {**MISS_JSON, **SAME_JSON, **OTHER_JSON}),
        (
            dataclasses.replace(RUN, documented_count=39_791.0, allowed_images=6.5, off_by_images=-400.0),
            (causes.Stated("off by 400"), causes.Diagnosed("named", ("filter",), "top1 is off")),
            "off by 400. Top1 is off",
            {
                **RUN_JSON,
                "documented_count": 39_791.0,
                "allowed_images": 6.5,
                "off_by_images": -400.0,
                "attribution": {"outcome": "named", "factors": ["filter"]},
            },
        ),
        (
            dataclasses.replace(
                RUN, documented_count=0.0, allowed_images=6.5, part=PartEvaluated(50_000, (38_000, 38_500), 0.01)
            ),
            (causes.Stated("refuted"), causes.StaleGap("76.40", "reproduced", "76.00 to 77.00")),
            "the known gap listed for it is stale: it says that 76.40 is measured, but the cell is reproduced and "
            "76.00 to 77.00 is measured. Correct or remove the entry",
            {
                **RUN_JSON,
                "documented_count": 0.0,
                "allowed_images": 6.5,
                "population": 50_000,
                "possible_counts": [38_000, 38_500],
                "possible_percent": [76.0, 77.0],
                "error_rate": 0.01,
            },
        ),
    ],
)
def test_a_verdict_is_written_as_report_json_always_had_it(
    basis: Basis | None, found: tuple[Cause, ...], cause: str | None, evidence: dict[str, Any]
) -> None:
    cell = report_json.cell(verdict(Outcome.CONTRADICTED, basis=basis, causes=found))
    assert cell["cause"] == cause
    assert json.dumps(cell["evidence"]) == json.dumps(evidence), "the same keys in the same order"
    listed = verdict(
        Outcome.KNOWN_GAP, basis=basis, causes=found, known_gap=ListedGap("why", "https://x.y"),
        upstream=UpstreamFigure("other_model", "79.5 %", "zoo.md:3", "twin", "zoo.md:4"),
    )  # fmt: skip
    assert json.dumps(report_json.cell(listed)["evidence"]) == json.dumps(
        {
            **evidence,
            "known_gap": {"reason": "why", "url": "https://x.y"},
            "upstream": {
                "status": "other_model",
                "figure": "79.5 %",
                "document": "zoo.md:3",
                "owner": "twin",
                "owner_document": "zoo.md:4",
            },
        }
    )


def test_upstream_without_an_owner_names_none() -> None:
    equal = verdict(Outcome.REPRODUCED, upstream=UpstreamFigure("equal", "79.5 %", "zoo.md:3"))
    assert equal.evidence == {"upstream": {"status": "equal", "figure": "79.5 %", "document": "zoo.md:3"}}


def test_what_a_count_should_say_is_the_latest_that_is_known() -> None:
    assert verdict(Outcome.CONTRADICTED, claim("9.1")).expected is None
    wrong = verdict(Outcome.CONTRADICTED, basis=MISS, causes=(causes.NoConvention(),))
    assert wrong.expected == "9.035"
    slipped = dataclasses.replace(wrong, causes=(causes.SlippedPoint("90.35", "G", "x"),))
    assert slipped.expected == "90.35"
    assert dataclasses.replace(slipped, causes=(*slipped.causes, causes.Exchanged("21.6"))).expected == "21.6"


def test_nothing_found_is_no_words() -> None:
    assert words(()) is None
    assert words((causes.MayBeCopied(row(2)),)) is None


def test_no_module_decides_by_the_keys_of_the_evidence() -> None:
    """The mapping is written to report.json and shown on the page of a cell, and read nowhere else."""
    readers = [path for suffix in ("py", "j2") for path in (ROOT / "harness").rglob(f"*.{suffix}")]
    reading = re.compile(r"\b(?:v|verdict|cell|cells\[0\]|first|judged|judgement|run)\.evidence\s*(?:\[|\.|\bis\b|\|)")
    assert reading.search('if verdict.evidence["expected"]:')
    assert reading.search("{% if v.evidence.nearest is defined %}")
    allowed = "verdict.evidence.items()"  # shows all of it
    for path in readers:
        text = path.read_text(encoding="utf-8").replace(allowed, "")
        assert not reading.search(text), path
