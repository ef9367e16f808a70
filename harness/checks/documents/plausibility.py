"""Documented figures that cannot be true, found in the table alone: no network is built.

Pure functions on claims. A percentage outside 0..100 and a count of 0 or less never become a claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.checks.documents import percentages
from harness.core.findings import Finding, Suspect
from harness.core.model_names import folded
from harness.core.records import Claim, Metric, Row
from harness.dataset.image_set import ImageSet
from harness.plan.page import Page

#: FLOPs per parameter at 224 pixels that an ImageNet network can have, with room for rounding.
#: Lowest multiply-adds per parameter: MicroNet-M1 3.3 (6 M, 1.8 M; https://github.com/liyunsheng13/micronet),
#: MobileNetV3-small x0.35 8.7, AlexNet 12, EfficientNet-CC-B0 8e 17. Highest: ViT-S/8 1,030 (22.4 G, 21.7 M),
#: ConvMixer-1536/20 990, XCiT at patch 8 760, SqueezeNet 1.0 660, DenseNet-121 360; a document that counts a
#: multiply-add as two prints twice that. For scale: ResNet-50 160, ViT-B/16 200. Only weight sharing across the
#: depth goes beyond (Perceiver, 9,000), which is why this is a warning.
#: The bounds differ by a factor of 1,000, so that M for G, or K for M, is outside for every network.
#: An error of 10 or 100 need not be; _off_its_namesakes() finds it where the table has the network twice.
FLOPS_PER_PARAMETER = (2.5, 2_500.0)
#: Pixels, EfficientNet-L2: the largest input that a row without an input size can have.
LARGEST_INPUT = 800
#: Factor by which two rows of one network may differ in FLOPs per parameter: 2 for multiply-adds or FLOPs, 2 for what
#: is counted. An error of 10 is above it even where that factor of 2 hides half of it.
NAMESAKES_DIFFER = 4.0

_PLAIN_INPUT = 224  #: pixels


def impossible(claims: Sequence[Claim], images: int | None = None, asides: Sequence[Claim] = ()) -> list[Finding]:
    """What is wrong with the claims of one or several tables, and with the figures that stand beside them.

    `images`: those that the percentages certainly count, else the tables tell. Each finding has file, line and the
    printed figures in its evidence.
    """
    return [*percentages.impossible(claims, images, asides), *_counts(claims)]


def _counts(claims: Sequence[Claim]) -> list[Finding]:
    """Counts that no network has, in the order of the rows."""
    rows: dict[Row, dict[Metric, Claim]] = {}
    for claim in claims:
        rows.setdefault(claim.row, {})[claim.metric] = claim
    ratios = {row: ratio for row, cells in rows.items() if (ratio := _flops_per_parameter(row, cells)) is not None}
    found: list[Finding] = []
    namesakes: dict[tuple[str, str], dict[Row, float]] = {}
    for row, ratio in ratios.items():
        namesakes.setdefault((row.file, folded(row.model)), {})[row] = ratio
    for row, cells in rows.items():
        if row in ratios:
            found += _out_of_bounds(row, cells, ratios[row]) or _off_its_namesakes(
                row, cells, namesakes[row.file, folded(row.model)]
            )
    return found


def _flops_per_parameter(row: Row, cells: dict[Metric, Claim]) -> float | None:
    """At 224 pixels, with FLOPs in proportion to the area of the input; None where a figure is missing."""
    if "flops" not in cells or "params" not in cells:
        return None
    return cells["flops"].value / cells["params"].value * (_PLAIN_INPUT / (row.input_size or _PLAIN_INPUT)) ** 2


def _bounds(row: Row) -> tuple[float, float]:
    low, high = FLOPS_PER_PARAMETER
    return (low, high) if row.input_size else (low, high * (LARGEST_INPUT / _PLAIN_INPUT) ** 2)


def _is_known(row: Row, ratio: float) -> bool:
    low, high = _bounds(row)
    return low <= ratio <= high


def _out_of_bounds(row: Row, cells: dict[Metric, Claim], ratio: float) -> list[Finding]:
    if _is_known(row, ratio):
        return []
    low, high = _bounds(row)
    return [
        _wrong(
            "flops_per_parameter", [cells["flops"], cells["params"]],
            f"{_figures(row, cells)} are {_short(ratio)} FLOPs per parameter{_at(row)}; every known ImageNet network "
            f"has between {_short(low)} and {_short(high)}. A unit is wrong, or a figure is another network's.",
            {"flops_per_parameter": ratio, "low": low, "high": high},
        )
    ]  # fmt: skip


def _off_its_namesakes(row: Row, cells: dict[Metric, Claim], ratios: dict[Row, float]) -> list[Finding]:
    """A row that contradicts every other row of the same model in the table; rows out of bounds are ignored.

    Of two rows that contradict each other, both are reported: the table does not show which is right.
    """
    namesakes = {
        other: ratio
        for other, ratio in ratios.items()
        if other != row and _is_known(other, ratio) and (other.input_size is None) == (row.input_size is None)
    }
    factors = [max(ratio / ratios[row], ratios[row] / ratio) for ratio in namesakes.values()]
    if not factors or min(factors) <= NAMESAKES_DIFFER:
        return []
    theirs = ", ".join(f"{_short(ratio)} by {other.source} (row {other.number})" for other, ratio in namesakes.items())
    return [
        _wrong(
            "flops_per_parameter", [cells["flops"], cells["params"]],
            f"{_figures(row, cells)} are {_short(ratios[row])} FLOPs per parameter{_at(row)}, but the table has "
            f"{theirs} for the same model. No two ways of counting differ by more than a factor of "
            f"{NAMESAKES_DIFFER:g}: a digit or a unit is wrong in one of the rows.",
            {
                "flops_per_parameter": ratios[row],
                "namesakes": [
                    {"source": other.source, "line": other.line, "flops_per_parameter": ratio}
                    for other, ratio in namesakes.items()
                ],
            },
        )
    ]  # fmt: skip


def _wrong(kind: str, documented: Sequence[Claim], text: str, evidence: Mapping[str, Any]) -> Finding:
    """A finding about claims of one row, each of which may be the wrong one."""
    figures = {claim.metric: f"{claim.text} {claim.unit}".strip() for claim in documented}
    suspects = tuple(map(Suspect, documented))
    return Finding.about_row(kind, documented[0].row, text, {"documented": figures, **evidence}, suspects)


def _figures(row: Row, cells: dict[Metric, Claim]) -> str:
    flops, params = cells["flops"], cells["params"]
    return (
        f"The documented {flops.text} {flops.unit} FLOPs and {params.text} {params.unit} parameters of {row.model}"
    ).replace("  ", " ")


def _at(row: Row) -> str:
    return f" at {_PLAIN_INPUT} pixels" if row.input_size else ""


def _short(number: float) -> str:
    """Two significant digits, or all digits before the decimal point."""
    return f"{number:,.0f}" if number >= 99.5 else f"{number:.2g}"


def impossible_on_page(
    claims: Sequence[Claim], asides: Sequence[Claim], page: Page, images: ImageSet | None
) -> list[Finding]:
    """What cannot be true on one page; accuracies are about ImageNet val unless the page says otherwise."""
    if page.data is None:
        return impossible(claims, None, asides)
    if images is not None and page.is_about(images):
        return impossible(claims, len(images.images), asides)
    # the number of images is not known
    return [finding for finding in impossible(claims, None, asides) if finding.kind != "impossible_percentage"]
