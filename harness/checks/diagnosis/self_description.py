"""Compares a source with its own description."""

from __future__ import annotations

import dataclasses

from harness.checks.diagnosis.factors import Identified
from harness.core.findings import Finding


def misdescribed(source: str, model: str, known: Identified) -> list[Finding]:
    """Where a source differs from its own description."""
    said, does = known.said, known.recipe
    resize, crop, normalise = (does[step] or {} for step in ("resize", "crop", "normalise"))
    wrong = [
        f"a {name} of {given} pixels, but {done} come out"
        for name, given, done in (
            ("short side", said.short_side, resize.get("short_side")),
            ("crop", said.crop, crop.get("size")),
        )
        if done is not None and given != done
    ]
    resampling = said.resize.lower()
    named = {library for library, mark in (("PIL", "pil"), ("OpenCV", "cv")) if mark in resampling}
    if resize and (resize["filter"] not in resampling or (named and resize["library"] not in named)):
        wrong.append(f"the resize {said.resize!r}, but its pixels are those of {resize['library']} {resize['filter']}")
    if resize.get("aspect_ratio") == "square":
        wrong.append("a short side, but both sides become that")
    if "BGR" in (normalise.get("channels"), (does["decode"] or {}).get("channels")):
        wrong.append("RGB, but the channels are turned to BGR")
    if normalise and normalise["scale"] != 255.0:
        wrong.append("pixels scaled to 0..1, but they are not divided by 255")
    for name in ("mean", "std"):
        if normalise and any(abs(a - b) > 5e-4 for a, b in zip(getattr(said, name), normalise[name], strict=True)):
            done = ", ".join(f"{value:.4g}" for value in normalise[name])
            wrong.append(f"a {name} of {tuple(getattr(said, name))}, but it is ({done})")
    if not wrong:
        return []
    text = f"{source} does not prepare images for {model} as it says: it says {'; it says '.join(wrong)}."
    evidence = {"said": dataclasses.asdict(said), "does": dict(does)}
    return [Finding("preprocessing_description", source, model, text, evidence)]
