"""Figures that cannot be true are found, one digit or unit at a time, and nothing is found in tables that hold."""

import dataclasses
import json
from pathlib import Path

import pytest
from builders import claim, row
from folders import REFERENCE

from harness.checks.documents.plausibility import FLOPS_PER_PARAMETER, NAMESAKES_DIFFER, impossible
from harness.core.findings import Finding
from harness.core.records import Claim, Row, Source
from harness.tables.claims import Table, read_table

TABLES = [REFERENCE / "cspnet.md", REFERENCE / "efficientnet_lite.md"]


def edited(tmp_path: Path, old: str, new: str) -> list[Finding]:
    """What is found in the CSPNet table with one figure changed."""
    text = (REFERENCE / "cspnet.md").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "table.md"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return impossible(read_table(path).claims)


def network(flops: str, params: str, size: int | None = 224, of: Row | None = None) -> list[Claim]:
    """FLOPs in G, parameters in M."""
    where = of or row(input_size=size)
    return [claim(flops, "flops", where), claim(params, "params", where)]


def kinds(found: list[Finding]) -> list[str]:
    return [finding.kind for finding in found]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_nothing_is_found_in_the_reference_tables(path: Path) -> None:
    table: Table = read_table(path)
    assert table.claims
    assert impossible(table.claims) == []


# --- percentages


def test_an_odd_last_digit_is_no_whole_number_of_images(tmp_path: Path) -> None:
    (found,) = edited(tmp_path, "79.582", "79.583")
    assert (found.kind, found.severity) == ("impossible_percentage", "error")
    assert (found.source, found.model) == ("timm==0.6.5", "cspresnet50")
    assert "79.582 (39,791 images) and 79.584 (39,792 images)" in found.text
    assert "one image is 0.002 points" in found.text
    assert found.evidence == {
        "documented": {"top1": "79.583 %"},
        "nearest": {"79.582": 39_791, "79.584": 39_792},
        "images": 50_000,
        "probability": pytest.approx(0.95, abs=0.02),
    }
    json.dumps(found.evidence)


@pytest.mark.parametrize("metric", ["top1", "top5"])
@pytest.mark.parametrize(
    "text", ["0", "0.000", "0.002", "50", "78.0", "79.55", "79.57", "79.584", "79.5840", "100.000"]
)
def test_a_possible_percentage_is_left_alone(text: str, metric: str) -> None:
    assert impossible([claim(text, metric)]) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0.001", "79.581", "79.589", "79.5841", "79.58400001", "93.5628", "99.999"])
def test_an_impossible_percentage_is_found(text: str) -> None:
    assert kinds(impossible([claim(text, "top1")])) == ["impossible_percentage"]


def test_every_count_of_images_is_possible_in_any_precision() -> None:
    for count in range(0, 50_001, 7):
        texts = [f"{count / 500:.{decimals}f}" for decimals in range(6)]
        claims = [claim(text, "top5", row(number)) for number, text in enumerate(texts, 1)]
        assert impossible(claims) == [], count


def test_two_decimals_are_always_possible() -> None:
    claims = [claim(f"{value / 100:.2f}", "top1", row(value + 1)) for value in range(10_001)]
    assert impossible(claims) == []


def test_the_number_of_images_is_the_callers() -> None:
    assert impossible([claim("79.58", "top1")]) == []
    (found,) = impossible([claim("79.58", "top1")], images=500)
    assert found.evidence["nearest"] == {"79.40": 397, "79.60": 398}
    assert impossible([claim("33.333", "top1")], images=30_000) == []  # 9,999.9 images: 10,000 round to it


def test_fractions_are_read_as_the_percentages_they_are(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    path.write_text("| model | source | top1 |\n| - | - | - |\n| a | timm | 0.79582 |\n| b | timm | 0.79583 |\n")
    (found,) = impossible(read_table(path).claims)
    assert found.model == "b"


# --- top-5 below top-1


def test_exchanged_accuracies_are_found(tmp_path: Path) -> None:
    (found,) = edited(tmp_path, "80.050 | 94.946", "94.946 | 80.050")
    assert (found.kind, found.severity, found.model) == ("top5_below_top1", "error", "cspresnext50")
    assert found.evidence["documented"] == {"top1": "94.946 %", "top5": "80.050 %"}
    assert found.row == found.suspects[0].claim.row


@pytest.mark.parametrize(
    ("top1", "top5", "wrong"),
    [("79.580", "79.580", 0), ("79.582", "79.580", 1), ("79.58", "79.6", 0), ("80.6", "80.56", 0), ("80.6", "80.4", 1)],
)
def test_rounding_is_not_held_against_a_row(top1: str, top5: str, wrong: int) -> None:
    found = impossible([claim(top1, "top1"), claim(top5, "top5")])
    assert kinds(found) == ["top5_below_top1"] * wrong


def test_accuracies_of_different_rows_are_not_compared() -> None:
    assert impossible([claim("79.582", "top1", row(1)), claim("50.000", "top5", row(2))]) == []


# --- FLOPs per parameter

#: multiply-adds in G, parameters in M and input size of real networks, the extremes among them
REAL = {
    "AlexNet": ("0.71", "61.1", 224),
    "VGG-16": ("15.5", "138.36", 224),
    "ResNet-50": ("4.1", "25.56", 224),
    "DenseNet-121": ("2.87", "7.98", 224),
    "SqueezeNet 1.0": ("0.82", "1.25", 224),
    "EfficientNet-B0": ("0.39", "5.29", 224),
    "EfficientNet-B7": ("38.33", "66.35", 600),
    "EfficientNet-L2": ("479.12", "480.31", 800),
    "EfficientNet-CC-B0 8e": ("0.42", "24.01", 224),
    "MobileNetV3-small x0.35": ("0.01456", "1.67", 224),
    "MicroNet-M1": ("0.006", "1.8", 224),
    "TinyNet-E": ("0.03", "2.04", 106),
    "ViT-B/16": ("17.58", "86.57", 224),
    "ViT-B/16 at 384": ("55.54", "86.86", 384),
    "ViT-S/8": ("22.4", "21.67", 224),
    "XCiT-T24/8": ("9.21", "12.11", 224),
    "ConvMixer-1536/20": ("51.1", "51.63", 224),
    "EVA-giant at 560": ("1906.76", "1014.45", 560),
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("with_size", [True, False])
def test_a_real_network_is_left_alone_as_multiply_adds_and_as_flops(name: str, factor: int, with_size: bool) -> None:
    macs, params, size = REAL[name]
    assert impossible(network(f"{float(macs) * factor:.5f}", params, size if with_size else None)) == []


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("slip", [1e-3, 1e3])
def test_a_slip_of_a_thousand_is_found_in_any_network(name: str, factor: int, slip: float) -> None:
    macs, params, size = REAL[name]
    (found,) = impossible(network(f"{float(macs) * factor * slip:.9f}", params, size))
    assert (found.kind, found.severity) == ("flops_per_parameter", "warning")
    low, high = FLOPS_PER_PARAMETER
    assert not low <= found.evidence["flops_per_parameter"] <= high
    assert set(found.evidence["documented"]) == {"flops", "params"}


def test_the_bounds_leave_room_for_no_slip_of_a_thousand() -> None:
    low, high = FLOPS_PER_PARAMETER
    assert high / low <= 1000


def test_a_slip_is_found_without_an_input_size() -> None:
    assert kinds(impossible(network("4100", "25.6", None))) == ["flops_per_parameter"]


def test_the_input_size_counts() -> None:
    """As much work per parameter is plausible at 800 pixels and not at 224."""
    assert impossible(network("1000", "80", 800)) == []
    assert kinds(impossible(network("1000", "80", 224))) == ["flops_per_parameter"]


def test_a_slip_of_ten_is_found_where_the_table_has_the_network_twice(tmp_path: Path) -> None:
    found = edited(tmp_path, "14.519 | 27.607", "145.19 | 27.607")
    assert [(finding.kind, finding.source) for finding in found] == [("flops_per_parameter", "timm==0.6.5")]
    assert "145.19 G FLOPs and 27.607 M parameters of cspdarknet53 are 4,027" in found[0].text  # beyond every network
    found = edited(tmp_path, "14.519 | 27.607", "1.4519 | 27.607")
    assert [finding.source for finding in found] == ["timm==0.6.5"]
    assert found[0].evidence["flops_per_parameter"] == pytest.approx(40.27, rel=1e-3)
    assert [entry["line"] for entry in found[0].evidence["namesakes"]] == [12, 13]
    assert "279 by mmcls (row 6), 342 by ppcls (row 7)" in found[0].text


@pytest.mark.parametrize("slip", [0.1, 10])
@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_slip_of_ten_is_found_whichever_way_the_other_row_counts(slip: float, factor: float) -> None:
    other = row(2, "Network", 224, Source("mmcls", "0.23.1"))
    here = network("2.0", "25.6", of=row(1, "network", 224))
    assert impossible([*here, *network(f"{2.0 * factor:g}", "25.6", of=other)]) == []
    found = impossible([*here, *network(f"{2.0 * factor * slip:g}", "25.6", of=other)])
    assert kinds(found) == ["flops_per_parameter"] * 2  # nothing tells which of two is right
    assert 2 < NAMESAKES_DIFFER < 10 / 2


def test_a_row_beyond_every_network_accuses_no_other() -> None:
    other = row(2, "network", 224, Source("mmcls", "0.23.1"))
    found = impossible([*network("4.1", "25.6", of=row(1, "network", 224)), *network("4100", "25.6", of=other)])
    assert [(finding.source, finding.row.line) for finding in found if finding.row] == [("mmcls==0.23.1", 6)]


def test_other_models_and_other_tables_are_no_namesakes() -> None:
    here = row(1, "network", 224)
    for other in (row(2, "network_small", 224), dataclasses.replace(row(2, "network", 224), file="other.md")):
        assert impossible([*network("4.1", "25.6", of=here), *network("0.41", "25.6", of=other)]) == []


def test_a_row_without_one_of_the_two_figures_says_nothing() -> None:
    assert impossible(network("4100", "25.6")[:1]) == impossible(network("4100", "25.6")[1:]) == []
