"""What two sources may do differently: the factors that are swapped between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.checks.diagnosis.factors import (
    FILTERS,
    Identified,
    Parameters,
    Variant,
    activation,
    altered,
    changed_step,
    close_to,
    listed_epsilons,
    main_activation,
)

#: step, parameters that go together, and the factor that they are
_GROUPS = (
    ("decode", ("library",), "decoder"),
    ("decode", ("orientation",), "EXIF orientation"),
    ("decode", ("channels",), "channel order"),
    ("resize", ("library", "antialias"), "resize library"),
    ("resize", ("filter",), "filter"),
    ("resize", ("library", "filter", "antialias"), "resize library and filter"),
    ("resize", ("aspect_ratio",), "aspect ratio"),
    ("resize", ("short_side",), "short side"),
    ("resize", ("long_side",), "rounding"),
    ("crop", ("size",), "input size"),
    ("crop", ("offset",), "rounding"),
    ("normalise", ("channels",), "channel order"),
    ("normalise", ("scale",), "scale"),
    ("normalise", ("mean", "std"), "mean and std"),
)


def between(own: Identified, other: Identified) -> list[Variant]:
    """What the other source does differently, each taken over alone, in the order of the steps."""
    found = []
    for step, names, factor in _GROUPS:
        of_own, of_other = own.recipe[step], other.recipe[step]
        if of_own is None or of_other is None:
            continue
        taken = {name: of_other[name] for name in names}
        differing = [name for name in names if not _equal(of_own[name], of_other[name])]
        if not differing or not _possible(step, {**of_own, **taken}, own):
            continue
        if "filter" in names and "library" in names and not {"library", "filter"} <= set(differing):
            continue  # one of them alone is there already
        named = factor
        if differing == ["antialias"]:
            named = "antialias"
        elif names == ("offset",) and "corner" in (of_own["offset"], of_other["offset"]):
            named = "crop position"
        texts = (_values(taken), _values({name: of_own[name] for name in names}))
        what = {"long_side": "long side: ", "offset": "crop offset: "}.get(names[0], "")
        found.append(changed_step(named, f"{what}{texts[0]} instead of {texts[1]}", **{step: {**of_own, **taken}}))
    return found


def _equal(a: Any, b: Any) -> bool:
    return close_to(a, b) if isinstance(a, (list, tuple)) else bool(a == b)


def _possible(step: str, parameters: Parameters, own: Identified) -> bool:
    """Whether the source's environment can do it."""
    if "library" in parameters and parameters["library"] not in own.libraries:
        return False
    also = ("hamming",) if parameters.get("library") == "PIL" else ()
    return step != "resize" or parameters["filter"] in (*FILTERS[parameters["library"]], *also)


def _values(parameters: Mapping[str, Any]) -> str:
    def shown(name: str, value: Any) -> str:
        if name == "antialias":
            return "antialiased" if value else "not antialiased"
        if isinstance(value, (list, tuple)):
            return f"{name} ({', '.join(f'{part:.4g}' for part in value)})"
        return str(value) if isinstance(value, str) else f"{value:g}"

    return ", ".join(shown(name, value) for name, value in parameters.items())


def of_other_network(own: Identified, other: Identified, taken: Mapping[str, Any], suffix: str = "") -> list[Variant]:
    """The other source's epsilon and activation, on top of what is `taken` over from it; `suffix` ends each text."""
    found = []
    if len(other.epsilons) == 1 and own.epsilons and set(own.epsilons) != set(other.epsilons):
        value = next(iter(other.epsilons))
        found.append(altered("epsilon", f"{value:g} instead of {listed_epsilons(own)}", {"value": value}))
    own_activation, other_activation = main_activation(own.operations), main_activation(other.operations)
    if own_activation and other_activation and own_activation != other_activation:
        found.append(activation(own_activation, other_activation))
    return [Variant(v.factor, v.text + suffix, {**v.task, **taken}) for v in found]
