"""Tables of many kinds, each audited as its reader would: what becomes of every cell, and what is found besides.

The tables are not part of this repository; what each stands for is told at its top. The counts of their networks, as
they were once found in the sources' own environments, are in tests/support/recorded.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from folders import SHARED
from recorded_sources import use_recorded

from harness.cli import main

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here (../shared/cases)")


@dataclass(frozen=True)
class Case:
    """A table, and what has to become of it."""

    file: str  #: below the folder of the cases, as far as its name tells it from others
    #: outcome -> "model metric" of its cells; "*" for all others
    cells: Mapping[str, tuple[str, ...]]
    errors: tuple[str, ...] = ()  #: kinds of findings that are errors, all of them
    found: tuple[str, ...] = ()  #: kinds of other findings that there have to be
    never: tuple[str, ...] = ()  #: kinds of findings that there must not be
    sources: str = ""
    status: int = 0
    fixed: Mapping[str, str] = field(default_factory=dict)  #: figure -> figure in the corrected copy, all of them


_OPEN = {"not_measured": ("*",)}
_ESNET = ("ESNet_x0_25", "ESNet_x0_5", "ESNet_x0_75", "ESNet_x1_0")
_RES2NET = ("res2net50_14w_8s", "res2net50_26w_4s", "res2net50_vd_26w_4s", "res2net101_vd_26w_4s")
_FOUR = ("resnet18", "resnet34", "resnet50", "efficientnet_b0")
_FIVE = (*_FOUR, "regnetx_032")

_LINKED = (
    "resnet18_8xb16_cifar10",
    "resnet18_8xb32_in1k",
    "swin-tiny_16xb64_in1k",
    "shufflenet-v1-1x_16xb64_in1k",
    "convnext-tiny_32xb128_in1k",
)
_EFFICIENTNETS = ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2")
_CARD = ("convnext_tiny.fb_in1k", "convnext_xxlarge.clip_laion2b_soup_ft_in1k")


def _of(metric: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{model} {metric}" for model in models)


CASE_LIST = [
    # a row of CIFAR-10 beside one of ImageNet, told apart by their links
    Case(
        "tables/01",
        {
            "explained": _of("flops", *_LINKED[:2]),
            "reproduced": _of("params", *_LINKED[:2]),
            "not_measured": ("*",),
        },
        sources="mmcls==0.23.1",
    ),
    # rows that are named by the link to their configuration
    Case(
        "tables/02",
        {
            "explained": _of("flops", *_LINKED[2:]),
            "reproduced": _of("params", *_LINKED[2:]),
            "not_measured": ("*",),
        },
        sources="mmcls==0.23.1",
    ),
    # the unit of a column has slipped
    Case(
        "tables/03",
        {"contradicted": _of("flops", *_ESNET), "explained": ("*",)},
        errors=("column_unit",),
        sources="ppcls==2.4.0",
        status=1,
        fixed={"flops(G)": "flops(M)"},
    ),
    # a column whose figures are padded, and one that is not
    Case("tables/04", {"explained": ("*",)}, never=("counts_otherwise",), sources="ppcls==2.4.0"),
    # a constant that is known from other tables, in a small one
    Case(
        "tables/05",
        {"reproduced": _of("params", "inception_v4", *_EFFICIENTNETS), "explained": ("*",)},
        found=("constant_ratio", "counts_otherwise"),
        sources="timm==0.6.5",
    ),
    # two rows have changed places, and a column is in another unit
    Case(
        "tables/06",
        {
            "contradicted": (*_of("flops", *_RES2NET), "res2net50_14w_8s params", "res2net50_vd_26w_4s params"),
            "explained": ("*",),
        },
        errors=("column_unit", "exchanged_rows"),
        found=("flops_per_parameter",),
        sources="ppcls==2.4.0",
        status=1,
        fixed={"flops(M)": "flops(G)", "25.720": "25.060", "25.060": "25.720"},
    ),
    Case("tables/07", _OPEN, status=2, found=("no_source",)),
    # accuracies of ReaL, and images that the table does not name
    Case(
        "tables/08",
        {"reproduced": _of("params", "beit_large_patch16_512", "volo_d5_448", "tf_efficientnet_l2_ns"), **_OPEN},
        found=("inferred_source",),
        never=("impossible_percentage", "accuracy_and_error"),
    ),
    Case("tables/09", _OPEN, status=2, found=("no_source",)),
    # an accuracy and its error in one cell
    Case(
        "tables/10",
        {"reproduced": _of("params", "efficientnet_b3a", "efficientnet_b3"), **_OPEN},
        found=("inferred_source",),
        never=("accuracy_and_error", "top5_below_top1"),
    ),
    Case("tables/11", _OPEN, status=2, found=("no_source",)),
    Case("tables/12", _OPEN, status=2, found=("no_source",)),
    Case("tables/13", _OPEN, status=2, found=("no_source",)),
    Case("tables/14", _OPEN, status=2, found=("no_source",)),
    Case("tables/15", {"explained": ("resnet50 flops",), "reproduced": ("resnet50 params",), "not_measured": ("*",)}),
    Case("tables/16", _OPEN, status=2, found=("no_source",)),
    Case("tables/17", _OPEN, status=2, found=("no_source",)),
    Case("tables/18", _OPEN, status=2, found=("no_source",)),
    Case("tables/19", _OPEN, status=2, found=("no_source",)),
    # a name in lower case
    Case(
        "tables/20",
        {"explained": ("pcpvt_small flops",), "reproduced": ("pcpvt_small params",), "not_measured": ("*",)},
        found=("inferred_source",),
    ),
    Case("tables/21", _OPEN, status=2, found=("no_source", "no_model_table")),
    Case("tables/22", _OPEN, status=2, found=("no_source",), never=("duplicated_row",)),
    # BatchNorm folded into the convolutions; the FLOPs are a tool's that nobody here knows
    Case(
        "bugs/T01",
        {"explained": _of("params", *_FIVE), "doubtful": _of("flops", *_FIVE), "not_measured": ("*",)},
    ),
    Case(
        "bugs/T02",
        {"contradicted": ("*",)},
        errors=("column_quantity",),
        status=1,
        fixed={"44.59": "11.69", "83.15": "21.80", "97.49": "25.56", "20.17": "5.29"},
    ),
    Case("bugs/T03", {"contradicted": ("*",)}, errors=("column_quantity",), status=1),
    # a heading over two rows
    Case(
        "bugs/T04",
        {
            "reproduced": (*_of("flops", "resnet50", "resnet18"), *_of("params", "resnet50", "resnet18")),
            "not_measured": ("*",),
        },
        errors=("top5_below_top1",),
        status=1,
    ),
    Case("bugs/T05", _OPEN, status=2, found=("no_source", "unread_column")),
    Case("bugs/T06-", {"reproduced": _of("params", "resnet18", "resnet50"), "not_measured": ("*",)}),
    Case("bugs/T06b", _OPEN, errors=("top5_below_top1",), status=1),
    Case("bugs/T07", _OPEN, errors=("top5_below_top1",), status=1),
    # without what the package documents, which is not recorded
    Case(
        "bugs/T20",
        {"reproduced": _of("params", "resnet18", "resnet34", "resnet50"), "not_measured": ("*",)},
    ),
    Case("bugs/T21", _OPEN, status=2, found=("no_source",)),
    Case("bugs/T22", _OPEN, status=2, errors=("unreadable",)),
    # a card with the names of a release whose counts are not recorded
    Case(
        "bugs/T23",
        {
            "error": (*_of("flops", *_CARD), *_of("params", *_CARD)),
            "not_measured": ("*",),
        },
        errors=("failure",),
        found=("inferred_source", "no_source", "unread_column"),
        status=2,
    ),
]


def audit(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], Path]:
    """Status, report and the corrected copy of a case."""
    [path] = [one for one in CASES.glob(f"{case.file}*") if one.is_file()]
    sources = ["--sources", case.sources] if case.sources else []
    status = main.main(["audit", str(path), "--fix", "--out", str(folder), *sources])
    capsys.readouterr()
    return status, json.loads((folder / "report.json").read_text(encoding="utf-8")), folder / "fixed" / path.name


def changes(case: Case, copy: Path) -> dict[str, str]:
    """Words that differ between a table and its corrected copy, if there is one."""
    if not copy.is_file():
        return {}
    [path] = [one for one in CASES.glob(f"{case.file}*") if one.is_file()]
    pairs = zip(path.read_text(encoding="utf-8").split(), copy.read_text(encoding="utf-8").split(), strict=True)
    return {before: after for before, after in pairs if before != after}


@pytest.mark.parametrize("case", CASE_LIST, ids=[case.file for case in CASE_LIST])
def test_a_table_comes_out_as_it_should(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_recorded(monkeypatch)
    monkeypatch.setattr("harness.report.plots.plots", lambda _: [])  # they take most of the time
    status, report, copy = audit(case, tmp_path, capsys)
    rest = next(outcome for outcome, cells in case.cells.items() if "*" in cells)
    expected = {cell: outcome for outcome, cells in case.cells.items() for cell in cells if cell != "*"}
    told = {f"{cell['model']} {cell['metric']}": cell["outcome"] for cell in report["cells"]}
    assert told == {cell: expected.get(cell, rest) for cell in told}
    assert expected.keys() <= told.keys()
    kinds = {finding["kind"] for finding in report["findings"]}
    assert {finding["kind"] for finding in report["findings"] if finding["severity"] == "error"} == {*case.errors}
    assert {*case.found} <= kinds
    assert not kinds & {*case.never}
    assert status == case.status
    assert changes(case, copy) == case.fixed
