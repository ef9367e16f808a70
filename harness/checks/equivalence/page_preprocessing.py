"""Whether a source prepares images as a page says: per image, on arrays. Pure.

The arrays are read from the files that workers write, one per image (harness.worker.arrays).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters.base import STEPS
from harness.adapters.recipe import NORMALISE_ROUNDING
from harness.checks.equivalence.preprocessing import Numbers, absolute_difference
from harness.core.findings import Finding
from harness.worker.arrays import load


@dataclass(frozen=True)
class _Deviation:
    """Where the preprocessing of one image differs from the page."""

    step: str
    what: str  #: the same text for every image that deviates in the same way
    detail: str  #: of this image
    difference: float
    unit: str


def against_page(source: str, model: str, prepared: Mapping[str, Path], page: Mapping[str, Any]) -> list[Finding]:
    """Whether prepared images match the page, which determines neither the decoder nor the filter.

    `prepared` maps an image's name to its file of steps; `page` is Page.preprocessing. A warning per kind of
    deviation; a note where everything holds on all images.
    """
    if not prepared or not page:
        return []
    found: dict[tuple[str, str], list[tuple[str, _Deviation]]] = {}
    sized = True  # the page says what the short side is, for every image
    for image, path in prepared.items():
        steps = load(path)
        sized &= _short_side(steps["crop"], page) is not None
        for deviation in _deviations(steps, page):
            found.setdefault((deviation.step, deviation.what), []).append((image, deviation))
    if not found:
        held = ["short side"] if sized else []
        held += ["aspect ratio", "centre crop bit for bit"]
        held += ["mean and std"] if {"mean", "std"} <= page.keys() else []
        text = f"{source} {model}: preprocessing matches the page on all {len(prepared)} images ({', '.join(held)})."
        return [Finding("preprocessing_parity", source, model, text, {"images": len(prepared)}, severity="note")]
    findings = []
    for (step, what), where in found.items():
        image, worst = max(where, key=lambda pair: pair[1].difference)
        text = (
            f"{source} {model}: preprocessing of {len(where)} of {len(prepared)} images differs from the page: {what}. "
            f"The largest difference ({worst.unit}) is {worst.difference:.4g}, in {image}: {worst.detail}."
        )
        evidence = {"step": step, "images": len(where), "of": len(prepared), "worst_image": image}
        evidence |= {"what": what, "detail": worst.detail, "max_difference": worst.difference, "unit": worst.unit}
        findings.append(Finding("preprocessing_parity", source, model, text, evidence))
    return findings


def _short_side(crop: Numbers, page: Mapping[str, Any]) -> int | None:
    """Pixels after the resize, by the page's formula, or by its list where it has no formula."""
    side = max(crop.shape[:2])
    stated: int | None = page.get("short_side", {}).get(str(side))
    return math.floor(side / page["ratio"]) if "ratio" in page else stated


def _deviations(steps: Mapping[str, Numbers], page: Mapping[str, Any]) -> Iterator[_Deviation]:
    decoded, resized, crop, normalised = (steps[step] for step in STEPS)
    short = min(resized.shape[:2])
    side = max(crop.shape[:2])
    stated = page.get("short_side", {}).get(str(side))
    expected = _short_side(crop, page)
    if expected is not None and short != expected:
        formula = f"floor({side} / {page['ratio']}) = " if "ratio" in page else ""
        aside = f", although the page also states {short} for {side}" if short == stated else ""
        what = f"the short side is not {formula}{expected}{aside}"
        yield _Deviation("resize", what, f"{short} pixels", abs(short - expected), "pixels")
    scale = short / min(decoded.shape[:2])
    off = max(abs(got - scale * given) for got, given in zip(resized.shape[:2], decoded.shape[:2], strict=True))
    if off > 1:
        square = resized.shape[0] == resized.shape[1]
        what = "the resize makes images square" if square else "the resize does not keep the aspect ratio"
        detail = " to ".join(f"{shape[1]} x {shape[0]}" for shape in (decoded.shape, resized.shape))
        yield _Deviation("resize", what, detail, off, "pixels")
    yield from _off_centre(resized, crop)
    if {"mean", "std"} <= page.keys():
        yield from _otherwise_normalised(crop, normalised, np.asarray(page["mean"]), np.asarray(page["std"]))


def _off_centre(resized: Numbers, crop: Numbers) -> Iterator[_Deviation]:
    height, width = crop.shape[:2]
    spare = [resized.shape[0] - height, resized.shape[1] - width]
    if min(spare) < 0:
        detail = f"{width} x {height} of {resized.shape[1]} x {resized.shape[0]}"
        yield _Deviation("crop", "the crop is larger than the resized image", detail, -min(spare), "pixels")
        return
    # sources round half of an odd remainder up or down
    tops, lefts = ({rest // 2, rest - rest // 2} for rest in spare)
    centres = [resized[top : top + height, left : left + width] for top in tops for left in lefts]
    if any(np.array_equal(crop, centre) for centre in centres):
        return
    nearest = min(float(absolute_difference(crop, centre).max()) for centre in centres)
    for top in range(spare[0] + 1):
        for left in np.flatnonzero((resized[top, : spare[1] + 1] == crop[0, 0]).all(axis=-1)):
            if np.array_equal(crop, resized[top : top + height, left : left + width]):
                detail = f"it begins {left} pixels from the left and {top} from the top, the centre at {min(lefts)} "
                yield _Deviation(
                    "crop", "the crop is not the centre", f"{detail}and {min(tops)}", nearest, "pixel values of 255"
                )
                return
    yield _Deviation(
        "crop", "the crop is not part of the resized image", "not found in it", nearest, "pixel values of 255"
    )


def _otherwise_normalised(crop: Numbers, normalised: Numbers, mean: Numbers, std: Numbers) -> Iterator[_Deviation]:
    pixels = crop.astype(np.float64)
    unit, half = pixels / 255, 0.5
    claimed = (unit - mean) / std

    def off(candidate: Numbers) -> float:
        return float(absolute_difference(normalised, candidate.transpose(2, 0, 1)).max())

    difference = off(claimed)
    if difference <= NORMALISE_ROUNDING:
        return
    others = {
        "the channels are reversed (BGR)": (unit[..., ::-1] - mean) / std,
        "the result is in reversed order (BGR), mean and std too": claimed[..., ::-1],
        "mean and std are in reversed order": (unit - mean[::-1]) / std[::-1],
        "mean and std are 0.5": (unit - half) / half,
        "pixels are not scaled by 255": (pixels - mean) / std,
        "pixels are scaled by 255 but not normalised": unit,
        "there is no normalisation": pixels,
    }
    # float32 rounds large values by more; on a grey image all orders of channels are equal
    rounding = {what: NORMALISE_ROUNDING * max(1.0, float(np.abs(other).max())) for what, other in others.items()}
    what = " or ".join(what for what, other in others.items() if off(other) <= rounding[what])
    detail = "this fits where mean and std as claimed do not" if what else _fitted(unit, normalised)
    what = what or "the page's mean and std do not fit"
    yield _Deviation("normalise", what, detail, difference, "normalised values")


def _fitted(unit: Numbers, normalised: Numbers) -> str:
    """The mean and std that the values have, where they have one per channel."""
    values = []
    for channel in range(3):
        scaled, result = unit[..., channel].ravel(), normalised[channel].ravel().astype(np.float64)
        if not np.isfinite(result).all() or scaled.std() == 0 or result.std() == 0:
            return "nothing tried fits"
        slope = np.cov(scaled, result, bias=True)[0, 1] / scaled.var()
        shift = result.mean() - slope * scaled.mean()
        if not np.allclose(slope * scaled + shift, result, rtol=0, atol=NORMALISE_ROUNDING):
            return "nothing tried fits"
        values.append((-shift / slope, 1 / slope))
    mean, std = (", ".join(f"{pair[part]:.4g}" for pair in values) for part in (0, 1))
    return f"mean ({mean}) and std ({std}) do"
