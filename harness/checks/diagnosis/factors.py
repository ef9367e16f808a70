"""The factors of an accuracy, each with the values that it is swapped for. Pure functions.

A worker reports what a source does (`worker.variants.identify`); a page, a row or another source may name further
values. A value that needs a library which is missing in the source's environment is listed as not tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.adapters.base import Preprocessing
from harness.checks.diagnosis.attribution import LABEL_ORDER

Parameters = Mapping[str, Any]
#: mean and std that published recipes have, of pixels scaled to 0..1
_STATISTICS = {
    "those of ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "those of 0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "those of 0 and 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
#: crop / short side that published recipes have
_RATIOS = (0.875, 0.9, 0.95, 1.0)
_SIZES = (224, 240, 256, 288)  #: pixels
FILTERS = {
    "PIL": ("bilinear", "bicubic", "lanczos", "box", "nearest"),
    "OpenCV": ("bilinear", "bicubic", "lanczos", "area", "nearest"),
}
#: filters that can do without antialiasing, of the one library that has both
_POINT_SAMPLED = {"PIL": ("bilinear", "bicubic")}
_EPSILONS = (1e-3, 1e-5, 1e-6)
_ACTIVATIONS: tuple[tuple[str, float | None], ...] = (
    ("ReLU", None),
    ("LeakyReLU", 0.01),
    ("LeakyReLU", 0.1),
    ("ReLU6", None),
    ("SiLU", None),
    ("Hardswish", None),
    ("GELU", None),
)
_PRECISIONS = ("bf16", "fp16")


@dataclass(frozen=True)
class Variant:
    """One factor with another value than the source's own."""

    factor: str
    text: str  #: "BGR instead of RGB"
    task: Mapping[str, Any] = field(default_factory=dict)  #: see varying; empty where the predictions stay the same
    label: str | None = None  #: how labels are read differently: "+1", "-1" or "order"

    @property
    def name(self) -> tuple[str, str]:
        return self.factor, self.text


@dataclass(frozen=True)
class Identified:
    """What a source does, as a worker reports it."""

    #: step -> parameters of harness.adapters.recipe; None where it is not known
    recipe: Mapping[str, Parameters | None]
    reasons: Mapping[str, str]  #: step -> why it is not known
    libraries: tuple[str, ...]  #: image libraries of the source's environment
    said: Preprocessing  #: as the source describes itself
    epsilons: Mapping[float, int]  #: epsilon of batch normalisations -> how many have it
    operations: Mapping[tuple[str, float | None], int]  #: kind and negative slope -> how often it is run


CONTROL = "none (control)"
LABELS = (
    Variant(LABEL_ORDER, "labels one lower than given", label="-1"),
    Variant(LABEL_ORDER, "labels one higher than given", label="+1"),
    Variant(LABEL_ORDER, "another order of the classes, inferred from the predictions", label="order"),
)


def control(known: Identified) -> Variant | None:
    """Every step repeated with the identified parameters; None where one is not known."""
    if any(parameters is None for parameters in known.recipe.values()):
        return None
    return Variant(CONTROL, "every step as identified in the source, nothing swapped", {"changed": known.recipe})


# -- one source ----------------------------------------------------------------------------------


def of_preprocessing(known: Identified, page: Parameters, input_size: int | None) -> list[Variant]:
    """Each step's parameters swapped, one at a time; `page` is Page.preprocessing, `input_size` the row's, pixels."""
    found = [*_decoders(known), *_resizes(known, page), *_sizes(known, input_size), *_crops(known)]
    found += _normalisations(known, page)
    return list({repr(sorted(variant.task.items())): variant for variant in found}.values())


def untried(known: Identified) -> list[tuple[str, str]]:
    """Factor -> why it was not swapped."""
    lacking = [library for library in ("PIL", "OpenCV") if library not in known.libraries]
    found = [("decoder, resize library", f"{library} is not in the source's environment") for library in lacking]
    return found + [(step, f"how the source does it is not known: {why}") for step, why in known.reasons.items()]


def _decoders(known: Identified) -> Iterator[Variant]:
    own = known.recipe["decode"]
    for library in known.libraries:
        if own is None:
            yield changed_step(
                "decoder", f"{library} instead of the unknown decoder", decode=_decoding(library, "ignored")
            )
        elif library != own["library"]:
            yield _instead("decoder", library, own["library"], decode={**own, "library": library})
    if own:
        other = "ignored" if own["orientation"] == "applied" else "applied"
        yield _instead("EXIF orientation", other, own["orientation"], decode={**own, "orientation": other})
        if own["channels"] == "BGR":
            yield _instead("channel order", "RGB", "BGR", decode={**own, "channels": "RGB"})


def _decoding(library: str, orientation: str) -> Parameters:
    return {"library": library, "orientation": orientation, "channels": "RGB"}


def _resizes(known: Identified, page: Parameters) -> Iterator[Variant]:
    own = known.recipe["resize"]
    if own is None:
        geometry = {"short_side": known.said.short_side, "aspect_ratio": "kept", "long_side": "floor"}
        for library in known.libraries:
            for kind in ("bilinear", "bicubic"):
                named = f"{library} {kind} to {geometry['short_side']} pixels instead of the unknown resize"
                yield changed_step("resize", named, resize={**geometry, **_resampling(library, kind)})
        return
    for library in known.libraries:
        if library != own["library"] and own["filter"] in FILTERS[library]:
            other = {**own, **_resampling(library, own["filter"])}
            yield _instead("resize library", library, own["library"], resize=other)
    if own["library"] in known.libraries:
        yield from _filters(own)
    yield from _geometries(known, own, page)


def _filters(own: Parameters) -> Iterator[Variant]:
    """Other filters of the library that the source resizes with."""
    point_sampled = _POINT_SAMPLED.get(own["library"], ())
    for kind in FILTERS[own["library"]]:
        if kind != own["filter"]:
            other = {**own, **_resampling(own["library"], kind)}
            if kind in point_sampled:
                other["antialias"] = own["antialias"]
            yield _instead("filter", kind, own["filter"], resize=other)
    if own["filter"] in point_sampled:
        texts = ("antialiased", "not antialiased")
        own_text, other_text = texts if own["antialias"] else texts[::-1]
        yield _instead("antialias", other_text, own_text, resize={**own, "antialias": not own["antialias"]})


def _geometries(known: Identified, own: Parameters, page: Parameters) -> Iterator[Variant]:
    """Other sizes and shapes to resize to."""
    crop = (known.recipe["crop"] or {}).get("size", known.said.crop)
    if own["aspect_ratio"] == "kept":
        for side in dict.fromkeys((own["short_side"], crop)):
            square = {**own, "aspect_ratio": "square", "short_side": side}
            yield changed_step("aspect ratio", f"a square of {side} pixels instead of the image's shape", resize=square)
    else:
        kept = {**own, "aspect_ratio": "kept", "long_side": "floor"}
        yield changed_step("aspect ratio", "the image's shape instead of a square", resize=kept)
    for side in _short_sides(own, crop, page):
        named = f"{side} pixels (ratio {crop / side:.3f}) instead of {own['short_side']}"
        yield changed_step(
            "short side", f"{named} ({crop / own['short_side']:.3f})", resize={**own, "short_side": side}
        )
    for rounding in ("floor", "round"):
        if own["aspect_ratio"] == "kept" and not own["long_side"].startswith(rounding):
            text = f"long side: {rounding} instead of {own['long_side']}"
            yield changed_step("rounding", text, resize={**own, "long_side": rounding})


def _resampling(library: str, kind: str) -> Parameters:
    """As the library does it by default."""
    return {"library": library, "filter": kind, "antialias": library == "PIL" or kind == "area"}


def _short_sides(own: Parameters, crop: int, page: Parameters) -> list[int]:
    ratios = [*([page["ratio"]] if page.get("ratio") else []), *_RATIOS]
    sides = [math.floor(crop / ratio) for ratio in ratios]
    sides += [page["short_side"][str(crop)]] if str(crop) in page.get("short_side", {}) else []
    return sorted({side for side in sides if side >= crop} - {own["short_side"]})


def _sizes(known: Identified, input_size: int | None) -> Iterator[Variant]:
    resize, crop = known.recipe["resize"], known.recipe["crop"]
    if resize is None or crop is None:
        return
    sizes = {*_SIZES, known.said.crop, *([input_size] if input_size else [])} - {crop["size"]}
    for size in sorted(sizes):
        short = math.floor(size * resize["short_side"] / crop["size"])
        steps = {"resize": {**resize, "short_side": short}, "crop": {**crop, "size": size}}
        yield changed_step("input size", f"{size} pixels (short side {short}) instead of {crop['size']}", **steps)


def _crops(known: Identified) -> Iterator[Variant]:
    own = known.recipe["crop"]
    if own is None:
        other = {"size": known.said.crop, "offset": "half to even"}
        yield changed_step("crop", "the centre instead of the unknown crop", crop=other)
        return
    for offset in ("floor", "half to even", "ceil"):
        if offset != own["offset"]:
            factor = "crop position" if own["offset"] == "corner" else "rounding"
            named = f"crop offset: {offset} instead of {own['offset']}"
            yield changed_step(factor, named, crop={**own, "offset": offset})
    if own["offset"] != "corner":
        yield changed_step(
            "crop position", "the upper left corner instead of the centre", crop={**own, "offset": "corner"}
        )


def _normalisations(known: Identified, page: Parameters) -> Iterator[Variant]:
    own = known.recipe["normalise"]
    claimed = {"those of the page": (page["mean"], page["std"])} if {"mean", "std"} <= page.keys() else {}
    statistics = {**claimed, **_STATISTICS}
    if own is None:
        for name, (mean, std) in statistics.items():
            other = {"channels": "RGB", "scale": 255.0, "mean": tuple(mean), "std": tuple(std)}
            yield changed_step("normalisation", f"mean and std {name} instead of the unknown ones", normalise=other)
        return
    channels = "BGR" if own["channels"] == "RGB" else "RGB"
    yield _instead("channel order", channels, own["channels"], normalise={**own, "channels": channels})
    scale = 1.0 if own["scale"] == 255.0 else 255.0
    texts = {255.0: "pixels divided by 255", 1.0: "pixels as they are"}
    yield _instead("scale", texts[scale], texts[own["scale"]], normalise={**own, "scale": scale})
    turned = {"mean": tuple(own["mean"][::-1]), "std": tuple(own["std"][::-1])}
    if turned["mean"] != tuple(own["mean"]) or turned["std"] != tuple(own["std"]):
        yield changed_step("mean and std", "both in reversed order", normalise={**own, **turned})
    for name, (mean, std) in statistics.items():
        if not close_to(mean, own["mean"]) or not close_to(std, own["std"]):
            other = {**own, "mean": tuple(mean), "std": tuple(std)}
            yield changed_step("mean and std", f"{name} instead of {_listed(own)}", normalise=other)


def close_to(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) < 5e-4 for a, b in zip(one, other, strict=True))


def _listed(own: Parameters) -> str:
    return " and ".join(f"({', '.join(f'{value:.4g}' for value in own[name])})" for name in ("mean", "std"))


def changed_step(factor: str, text: str, **steps: Parameters) -> Variant:
    return Variant(factor, text, {"changed": steps})


def _instead(factor: str, other: str, own: str, **steps: Parameters) -> Variant:
    return changed_step(factor, f"{other} instead of {own}", **steps)


def of_network(known: Identified) -> list[Variant]:
    """Epsilon, activation and precision."""
    found = [
        altered("epsilon", f"{value:g} instead of {listed_epsilons(known)}", {"value": value})
        for value in _EPSILONS
        if known.epsilons and set(known.epsilons) != {value}
    ]
    main = main_activation(known.operations)
    if main:
        found += [activation(main, other) for other in _ACTIVATIONS if other != main]
    return found + [altered("precision", f"{value} instead of fp32", {"value": value}) for value in _PRECISIONS]


def of_checkpoint(states: Sequence[str]) -> list[Variant]:
    """The other sets of weights in the file: averaged ones beside those that were trained, a teacher's."""
    return [Variant("weights in the file", f"{name} instead of {states[0]}", {"weights": name}) for name in states[1:]]


def main_activation(operations: Mapping[tuple[str, float | None], int]) -> tuple[str, float | None] | None:
    """The activation that is run most often, with its negative slope; gates do not count."""
    kinds = {kind for kind, _ in _ACTIVATIONS}
    counts = {activation: count for activation, count in operations.items() if activation[0] in kinds}
    return max(counts, key=lambda one: counts[one], default=None)


def listed_epsilons(known: Identified) -> str:
    return ", ".join(f"{value:g}" for value in sorted(known.epsilons))


def altered(factor: str, text: str, fields: Mapping[str, Any]) -> Variant:
    return Variant(factor, text, {"alteration": {"factor": factor, **fields}})


def activation(own: tuple[str, float | None], other: tuple[str, float | None]) -> Variant:
    slope = {} if other[1] is None else {"negative_slope": other[1]}
    text = f"{_named(other)} instead of {_named(own)}"
    return altered("activation", text, {"from": own[0], "to": other[0], **slope})


def _named(activation: tuple[str, float | None]) -> str:
    return activation[0] if activation[1] is None else f"{activation[0]} {activation[1]:g}"
