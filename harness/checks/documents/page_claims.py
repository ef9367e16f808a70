"""What a page says outside of its tables, compared with what was built."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from harness.checks.counts.widening import Built
from harness.core.findings import Finding
from harness.core.operators import SAME_KIND
from harness.core.paths import shown_file
from harness.core.records import Row, Source, Static
from harness.plan.page import Page
from harness.plan.plan import Plan

#: operations that only reshape do not count as part of a head
_RESHAPING = {"Flatten", "view", "reshape", "squeeze", "Slice"}


def check_page(page: Page, statics: Iterable[tuple[Row, Source, Static]]) -> list[Finding]:
    """Findings where a built network or a source's preprocessing is not what the page says."""
    found = _self_contradictions(page)
    for row, source, static in statics:
        found += _operators(page, row, source, static)
        found += _preprocessing(page, row, source, static)
    return found


def _self_contradictions(page: Page) -> list[Finding]:
    ratio = page.preprocessing.get("ratio")
    wrong = {
        int(size): (stated, math.floor(int(size) / ratio))
        for size, stated in page.preprocessing.get("short_side", {}).items()
        if ratio and math.floor(int(size) / ratio) != stated
    }
    return [
        Finding(
            "page_contradicts_itself", "", "",
            f"The page resizes the short side to floor(input / {ratio}) and gives {stated} for an input of {size}, "
            f"but floor({size} / {ratio}) is {computed}.",
            {"file": shown_file(page.file or ""), "input_size": size, "stated": stated, "computed": computed},
        )
        for size, (stated, computed) in wrong.items()
    ]  # fmt: skip


def _operators(page: Page, row: Row, source: Source, static: Static) -> list[Finding]:
    found = []
    built = {SAME_KIND.get(kind, kind) for kind in static.operators}
    missing = [kind for kind in page.operators if kind not in built]
    if missing and static.operators:
        activations = {kind: n for kind, n in static.operators.items() if kind.endswith(("LU", "LU6", "wish"))}
        found.append(
            Finding(
                "operator_claim", str(source), row.model,
                f"The page names {', '.join(missing)} among the common operators, but {row.model} as built by "
                f"{source} runs none. Activations that it runs: "
                f"{', '.join(f'{n} x {kind}' for kind, n in activations.items()) or 'none'}.",
                {"missing": missing, "operators": dict(static.operators)},
            )
        )  # fmt: skip
    head = tuple(SAME_KIND.get(kind, kind) for kind in static.last_operators if kind not in _RESHAPING)
    if page.head and static.last_operators and head[-len(page.head) :] != page.head:
        found.append(
            Finding(
                "head_claim", str(source), row.model,
                f"The page says that the head is {' and '.join(page.head)}; {row.model} as built by {source} ends in "
                f"{', '.join(head)}.",
                {"claimed": list(page.head), "built": list(head)},
            )
        )  # fmt: skip
    return found


def _preprocessing(page: Page, row: Row, source: Source, static: Static) -> list[Finding]:
    claimed, own = page.preprocessing, static.preprocessing
    differences = []
    if claimed.get("ratio") and math.floor(own.crop / claimed["ratio"]) != own.short_side:
        computed = math.floor(own.crop / claimed["ratio"])
        differences.append(
            f"short side {own.short_side} for a crop of {own.crop}, where floor({own.crop} / "
            f"{claimed['ratio']}) is {computed}"
        )
    for name in ("mean", "std"):
        if name in claimed and any(abs(a - b) > 5e-4 for a, b in zip(claimed[name], getattr(own, name), strict=True)):
            differences.append(f"{name} {tuple(getattr(own, name))}, claimed {tuple(claimed[name])}")
    if row.input_size and row.input_size != own.crop:
        differences.append(f"an input of {own.crop} pixels by default, where the row says {row.input_size}")
    if not differences:
        return []
    return [
        Finding(
            "preprocessing_claim", str(source), row.model,
            f"{source} prepares images for {row.model} with {'; '.join(differences)}.",
            {"claimed": dict(claimed), "own": dataclasses.asdict(own)},
        )
    ]  # fmt: skip


def page_findings(planned: Plan, built: Built) -> list[Finding]:
    """What each page says outside of its tables, compared with what was built."""
    return [
        finding
        for file, page in planned.pages.items()
        for finding in check_page(
            page, [(row, source, static) for (row, source), static in built.items() if row.file == file]
        )
    ]
