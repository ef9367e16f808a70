"""A true table with thirty wrong cells: all of them are found, and no right one is accused.

The true table is made of torchvision's own metadata, whose FLOPs and parameters are those of its networks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run as command_line
from harness.cli.commands import documents
from harness.execution.environments import Installed

MODELS = (
    "alexnet", "squeezenet1_0", "squeezenet1_1", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "regnet_x_400mf", "regnet_y_400mf", "regnet_x_800mf", "regnet_y_800mf", "efficientnet_b0", "googlenet",
    "resnet18", "resnet34", "resnet50", "resnext50_32x4d", "densenet121", "densenet169",
)  # fmt: skip
COLUMNS = ("model", "top1", "top5", "MACs (G)", "params (M)", "input size", "source")
TOP1, TOP5, MACS, PARAMS, SIZE = 1, 2, 3, 4, 5
METRIC = {TOP1: "top1", TOP5: "top5", MACS: "flops", PARAMS: "params"}

Table = dict[str, list[str]]
#: kinds of slip; each changes cells of a table and says which (model, column) are wrong afterwards
Slip = Callable[[Table], set[tuple[str, int]]]


def writes(model: str, column: int, text: str) -> Slip:
    def slip(table: Table) -> set[tuple[str, int]]:
        assert table[model][column] != text
        table[model][column] = text
        return {(model, column)}

    return slip


def copies(model: str, column: int, of: str) -> Slip:
    return lambda table: writes(model, column, table[of][column])(table)


def scales(model: str, column: int, factor: float, decimals: int = 3) -> Slip:
    return lambda table: writes(model, column, f"{float(table[model][column]) * factor:.{decimals}f}")(table)


def swaps_digits(model: str, column: int, at: int) -> Slip:
    """The digit at this position changes places with the next one."""

    def slip(table: Table) -> set[tuple[str, int]]:
        text = table[model][column]
        return writes(model, column, text[:at] + text[at + 1] + text[at] + text[at + 2 :])(table)

    return slip


def exchanges(model: str, a: int, b: int) -> Slip:
    def slip(table: Table) -> set[tuple[str, int]]:
        table[model][a], table[model][b] = table[model][b], table[model][a]
        return {(model, a), (model, b)}

    return slip


def says_size(model: str, pixels: str) -> Slip:
    """The row says another input size than its FLOPs were counted at."""

    def slip(table: Table) -> set[tuple[str, int]]:
        table[model][SIZE] = pixels
        return {(model, MACS)}

    return slip


#: what is planted, and a part of what has to be said of it
PLANTED: tuple[tuple[str, Slip, str], ...] = (
    ("two digits swapped", swaps_digits("alexnet", PARAMS, 0), "one digit away from 61.101"),
    ("a digit changed", writes("alexnet", MACS, "0.724"), "0.714"),
    ("a digit changed", writes("squeezenet1_0", MACS, "0.879"), "0.819"),
    ("a digit left out", writes("squeezenet1_1", PARAMS, "1.35"), "a digit of 1.235 is missing"),
    ("K for M", writes("shufflenet_v2_x0_5", PARAMS, "1366.792"), "the unit is wrong"),
    ("M for G", writes("shufflenet_v2_x1_0", MACS, "144.9"), "the unit is wrong"),
    ("G for M", writes("shufflenet_v2_x1_5", PARAMS, "3.504G"), "the unit is wrong"),
    ("the point moved", writes("mnasnet1_0", PARAMS, "43.83"), "the decimal point is misplaced"),
    ("the point moved", writes("mnasnet0_75", MACS, "2.155"), "the decimal point is misplaced"),
    ("twice the multiply-adds", scales("regnet_x_400mf", MACS, 2), "count"),
    ("twice the multiply-adds", scales("resnet18", MACS, 2), "twice or half of 1.814"),
    ("at another resolution", writes("resnet34", MACS, "4.785"), "at 256 pixels"),
    ("at another resolution", writes("densenet121", MACS, "3.701"), "at 256 pixels"),
    ("the row's input size", says_size("regnet_y_400mf", "256"), "at 224 pixels"),
    ("without the classifier", writes("resnet50", PARAMS, "23.508"), "without the classifier"),
    ("with the running statistics", writes("densenet169", PARAMS, "14.308"), "by which it would be 14.149"),
    ("without normalisation", writes("regnet_x_800mf", PARAMS, "7.222"), "without normalisation"),
    ("copied from another row", copies("regnet_y_800mf", MACS, "mnasnet1_0"), "mnasnet1_0"),
    ("copied from another row", copies("googlenet", PARAMS, "mobilenet_v3_large"), "mobilenet_v3_large"),
    ("of a network that has no row", writes("resnext50_32x4d", PARAMS, "88.791"), "resnext101_32x8d"),
    ("exchanged", exchanges("efficientnet_b0", MACS, PARAMS), "are exchanged"),
    ("an odd number of thousandths", writes("alexnet", TOP1, "56.523"), "is not a whole number of 50,000 images"),
    ("exchanged", exchanges("squeezenet1_0", TOP1, TOP5), "below its top1"),
    ("two digits swapped", swaps_digits("resnet18", TOP1, 3), "upstream has 69.758"),
    ("copied from another row", copies("resnet34", TOP1, "googlenet"), "upstream has 73.314"),
    ("of other weights", writes("resnet50", TOP1, "80.858"), "resnet50.IMAGENET1K_V2"),
    ("of other weights", writes("mobilenet_v2", TOP5, "90.822"), "mobilenet_v2.IMAGENET1K_V2"),
    ("of a model that has no row", writes("densenet121", TOP5, "93.560"), "densenet161"),
    ("a digit changed", writes("mnasnet0_5", TOP5, "87.940"), "upstream has 87.49"),
)  # fmt: skip


@pytest.fixture(scope="module")
def true_table(installed: Callable[[str], Installed]) -> Table:
    found: Table = {}
    for document in documents.read(installed("torchvision")):
        for _, (name, top1, top5, macs, params, size) in document.rows:
            model, _, weights = name.partition(".")
            if model in MODELS and weights == "IMAGENET1K_V1":
                counts = [f"{float(macs):.3f}", f"{int(params) / 1e6:.3f}"]
                found[model] = [model, f"{float(top1):.3f}", f"{float(top5):.3f}", *counts, size, "torchvision"]
    assert list(found) == [model for model in found if model in MODELS]
    assert len(found) == len(MODELS)
    return {model: found[model] for model in MODELS}


def audited(table: Mapping[str, list[str]], folder: Path) -> tuple[int, dict[str, Any]]:
    lines = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *table.values())]
    page = folder / "README.md"
    page.write_text("\n".join(lines) + "\n")
    status = command_line.main(["--table", str(page), "--checks", "static", "--out", str(folder / "out")])
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return status, report


def accused(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    columns = {metric: column for column, metric in METRIC.items()}
    for entry in report["entries"]:
        if entry["metric"] and entry["severity"] != "note":
            yield entry["model"], columns[entry["metric"]]


def test_nothing_is_wrong_with_a_true_table_of_torchvision(true_table: Table, tmp_path: Path) -> None:
    status, report = audited(true_table, tmp_path)
    assert report["entries"] == []
    assert {cell["outcome"] for cell in report["cells"]} == {"reproduced", "not_measured"}
    assert {cell["evidence"]["upstream"]["status"] for cell in report["cells"]} == {"equal"}
    assert status == 0


def test_thirty_planted_cells_of_torchvision_are_found_and_no_other(true_table: Table, tmp_path: Path) -> None:
    table = {model: list(cells) for model, cells in true_table.items()}
    wrong: dict[tuple[str, int], tuple[str, str]] = {}
    for kind, slip, said in PLANTED:
        for cell in slip(table):
            assert cell not in wrong
            wrong[cell] = (kind, said)
    assert len(wrong) >= 30
    table["once more"] = list(table["mobilenet_v3_small"])
    status, report = audited(table, tmp_path)
    found = set(accused(report))
    assert {cell: wrong[cell] for cell in wrong.keys() - found} == {}, "not found"
    assert found - wrong.keys() == set(), "accused though it is right"
    for (model, column), (kind, said) in wrong.items():
        causes = [
            entry["cause"]
            for entry in report["entries"]
            if (entry["model"], entry["metric"]) == (model, METRIC[column])
        ]
        assert any(said in cause for cause in causes), (model, METRIC[column], kind, causes)
    assert any(entry["kind"] == "duplicated_row" for entry in report["entries"])
    assert status == 1
