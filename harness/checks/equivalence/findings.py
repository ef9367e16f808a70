"""Findings about two sources, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from harness.core.findings import Finding, Severity
from harness.core.records import PairResult


def pair_findings(pairs: Iterable[PairResult]) -> list[Finding]:
    """Sources that document one model and run another function, and those that could not be compared."""
    found = []
    for pair in pairs:
        sources = f"{pair.a}, {pair.b}"
        if pair.outcome == "same_function":
            if pair.wiring_differences:
                found.append(_wired_differently(pair, sources))
            continue
        if pair.outcome == "stale_gap":
            text = f"{pair.a} and {pair.b}, {pair.model}: {pair.reason}."
            found.append(Finding("stale_gap", sources, pair.model, text))
            continue
        if pair.outcome == "no_correspondence":
            text = f"The weights of {pair.model} cannot be moved from {pair.a} to {pair.b}: {pair.reason}."
            found.append(Finding("no_correspondence", sources, pair.model, text))
            continue
        text = f"{pair.a} and {pair.b} run different functions as {pair.model} with the same weights"
        first = pair.divergence
        if first:
            text += f": at {first.layer_a} (in {pair.b}: {first.layer_b}) {first.why}"
        apart = len(pair.wiring_differences)
        text += f". {apart} layers in all are built or fed differently." if apart else "."
        text += f" {operators_apart(pair)}" if operators_apart(pair) else ""
        text += f" {pair.known_gap['reason']} {pair.known_gap['url']}" if pair.known_gap else ""
        evidence = {
            "first_divergence": first and dataclasses.asdict(first),
            "max_abs_diff": pair.max_abs_diff,
            "images": pair.images,
        }
        severity: Severity = "warning" if pair.known_gap else "error"
        found.append(Finding("different_function", sources, pair.model, text, evidence, severity=severity))
    return found


def _wired_differently(pair: PairResult, sources: str) -> Finding:
    """Equal logits show that a difference has no effect with these weights; with others it may have one."""
    first, number = pair.wiring_differences[0], len(pair.wiring_differences)
    text = (
        f"{pair.a} and {pair.b} give the same logits as {pair.model} with these weights on these images, but "
        f"{number} layer{'s are' if number > 1 else ' is'} built or fed differently, first {first.layer_a} "
        f"({first.text_a}; in {pair.b}: {first.layer_b}, {first.text_b}). With other weights the logits may differ."
    )
    return Finding("wired_differently", sources, pair.model, text, {"layers": number})


def pair_sentence(pair: PairResult) -> str:
    """One line on a pair for the terminal and for pytest."""
    who = f"{pair.a} and {pair.b}, {pair.model}"
    if pair.outcome == "same_function":
        apart = f"differ by at most {pair.max_abs_diff:.2g}" if pair.max_abs_diff else "are equal bit for bit"
        return f"{who}: same function; with the same weights their logits {apart} on {pair.images} images"
    first = pair.divergence
    if pair.outcome == "different_function" and first:
        return (
            f"{who}: different function; at {first.layer_a} (in {pair.b}: {first.layer_b}) {first.why}; the "
            f"best class is the same on {pair.top1_agreement or 0:.0%} of {pair.images} images"
        )
    return f"{who}: {pair.outcome.replace('_', ' ')}; {pair.reason or 'where they differ was not found'}"


def operators_apart(pair: PairResult) -> str:
    """Kinds of operation that the two do not run equally often, as a sentence; empty where all agree."""
    a, b = pair.inventories
    kinds = [kind for kind in {**a, **b} if a.get(kind, 0) != b.get(kind, 0)]
    if not kinds:
        return ""
    listed = ", ".join(f"{kind} {a.get(kind, 0)} against {b.get(kind, 0)} times" for kind in kinds)
    return f"Operations of {pair.a} against {pair.b}: {listed}."
