"""Percentages that cannot be true: of no whole number of images, with another error beside them, top-5 below top-1.

Pure functions on claims. A cell is an error where it is certainly wrong, and a warning that says what would settle it
where the figures of its table leave room for another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.core.findings import Finding, Severity, Suspect
from harness.core.records import Claim, Metric, Row
from harness.tables.percentages import grid, kinds, settle
from harness.tables.percentages.image_sets import VAL, with_images
from harness.tables.percentages.settle import CERTAIN

#: Probability below which nothing is said of a cell.
WORTH_SAYING = 0.05

_PERCENTAGES: tuple[Metric, ...] = ("top1", "top5")


def impossible(claims: Sequence[Claim], images: int | None = None, asides: Sequence[Claim] = ()) -> list[Finding]:
    """What is wrong with the percentages of one or several tables, table by table.

    `images`: of how many images they certainly are, else each table tells; `asides`: figures that stand beside claims.
    """
    found: list[Finding] = []
    beside = _by_table(asides)
    for place, of_table in _by_table(claims).items():
        found += _no_number_of_images([*of_table, *beside.get(place, ())], images)
        found += _other_errors(of_table, beside.get(place, ()))
        found += exchanged(of_table)
    return found


def _by_table(claims: Iterable[Claim]) -> dict[tuple[str, int], list[Claim]]:
    tables: dict[tuple[str, int], list[Claim]] = {}
    for claim in claims:
        if claim.metric in _PERCENTAGES:
            tables.setdefault((claim.row.file, claim.row.table), []).append(claim)
    return tables


def _no_number_of_images(claims: Sequence[Claim], images: int | None) -> Iterator[Finding]:
    """Percentages to which no whole number of their images rounds, ties either way."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        told = claim.measured_on
        if images is not None or told is None or told.images is not None:
            groups.setdefault("" if told is None else told.name, []).append(claim)
    for group in groups.values():
        meant = settle.meant(group) if images is None else {grid.Meaning(images): 1.0}
        wrong = {text: grid.probability_wrong(text, meant) for text in {claim.text for claim in group}}
        for claim in group:
            if wrong[claim.text] >= WORTH_SAYING:
                yield _impossible(claim, meant, wrong[claim.text])


def _impossible(claim: Claim, meant: Mapping[grid.Meaning, float], probability: float) -> Finding:
    against = [meaning for meaning in meant if not grid.possible(claim.text, meaning)]
    images = max(against, key=lambda meaning: meant[meaning]).images or 0
    shown = {count: _printed(claim, text) for count, text in grid.nearest(claim.text, images).items()}
    named = " and ".join(f"{text} ({count:,} images)" for count, text in shown.items())
    text = (
        f"The documented {what(claim)} of {claim.row.model}, {kinds.printed(claim)}, is not a whole number of "
        f"{images:,} images{_of_set(claim, images)} (one image is {_short(100 / images)} points). The nearest possible "
        f"are {named}. "
    )
    if probability >= CERTAIN:
        text += "A digit is wrong, or it was measured on other images or averaged."
    else:
        text += (
            f"It is wrong with a probability of {probability:.0%}: the table has too few figures to tell that they are "
            f"of these images. A heading that names the images settles it."
        )
    evidence = {"nearest": {text: count for count, text in shown.items()}, "images": images}
    return _wrong("impossible_percentage", [claim], text, evidence, probability)


def _printed(claim: Claim, text: str) -> str:
    return f"{100 - float(text):.{claim.decimals}f}" if claim.is_error else text


def _of_set(claim: Claim, images: int) -> str:
    told = claim.measured_on
    if told is not None and told.images == images:
        return f" of {told.name} (told by {told.told_by})"
    names = [known.name for known in with_images(images)]
    return f" of {names[0]}" if names else ""


def _other_errors(claims: Sequence[Claim], asides: Sequence[Claim]) -> Iterator[Finding]:
    """Accuracies that do not make 100 together with the error that stands beside them, however both were rounded."""
    errors = {(claim.row, claim.metric, _set_of(claim)): claim for claim in asides if claim.is_error}
    for claim in claims:
        error = errors.get((claim.row, claim.metric, _set_of(claim)))
        if error is None or claim.is_error:
            continue
        # each may have been rounded twice, which is 0.55 of its last digit at most
        if abs(claim.value - error.value) <= 0.55 * (claim.step + error.step) * (1 + 1e-9):
            continue
        text = (
            f"The documented {claim.metric} of {claim.row.model} is {claim.text} and its error {kinds.printed(error)}, "
            f"together {claim.value + 100 - error.value:.{max(claim.decimals, error.decimals)}f} and not 100. One of "
            "the two is wrong."
        )
        figures = {"accuracy": claim.text, "error": kinds.printed(error)}
        yield _wrong("accuracy_and_error", [claim], text, figures, 1.0)


def _set_of(claim: Claim) -> str:
    return VAL if claim.measured_on is None else claim.measured_on.name


def exchanged(claims: Sequence[Claim]) -> Iterator[Finding]:
    """A top-5 that is below the top-1 however both were rounded."""
    pairs: dict[tuple[Row, str], dict[Metric, Claim]] = {}
    for claim in claims:
        pairs.setdefault((claim.row, _set_of(claim)), {})[claim.metric] = claim
    both = [pair for pair in pairs.values() if len(pair) == len(_PERCENTAGES)]
    probability = 1 - kinds.of_errors(claims)
    for pair in both:
        top1, top5 = pair["top1"], pair["top5"]
        if top5.value + top5.step / 2 < top1.value - top1.step / 2 and probability >= WORTH_SAYING:
            yield _below(top1, top5, probability)


def _below(top1: Claim, top5: Claim, probability: float) -> Finding:
    if top1.is_error:
        text = (
            f"{top1.row.model} has a top5 error of {kinds.printed(top5)} above its top1 error of "
            f"{kinds.printed(top1)}, but every image that is wrong by top5 is wrong by top1. "
        )
    else:
        text = (
            f"{top1.row.model} has a top5 of {top5.text} below its top1 of {top1.text}, but every image that is "
            "right by top1 is right by top5. "
        )
    if probability >= CERTAIN:
        text += "The two may be exchanged."
    else:
        text += "The two may be exchanged, or the table is of errors; a heading that says so settles it."
    return _wrong("top5_below_top1", [top1, top5], text, {}, probability)


def what(claim: Claim) -> str:
    """The metric of a percentage, as its column counts it."""
    return f"{claim.metric} error" if claim.is_error else claim.metric


def _wrong(
    kind: str, documented: Sequence[Claim], text: str, evidence: Mapping[str, Any], probability: float
) -> Finding:
    """A finding about percentages of one row, each of which may be the wrong one."""
    figures = {claim.metric: f"{kinds.printed(claim)} {claim.unit}" for claim in documented}
    severity: Severity = "error" if probability >= CERTAIN else "warning"
    more = {"documented": figures, **evidence, "probability": round(probability, 4)}
    return Finding.about_row(kind, documented[0].row, text, more, tuple(map(Suspect, documented)), severity)


def _short(number: float) -> str:
    """Two significant digits."""
    return f"{number:.2g}"
