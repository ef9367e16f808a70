"""Which factors are swapped, for which values, and that a swap is of nothing else."""

import inspect
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from harness.adapters import recipe
from harness.adapters.base import STEPS, Preprocessing

from harness.checks.diagnosis.factors import (
    CONTROL,
    LABELS,
    Identified,
    Variant,
    control,
    main_activation,
    of_network,
    of_preprocessing,
    untried,
)
from harness.checks.diagnosis.judge import other_labels
from harness.checks.diagnosis.source_factors import between, of_other_network
from harness.checks.diagnosis.together import pairs
from harness.checks.diagnosis.wording import misdescribed
from harness.plan.page import Page

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
AS_PRINTED = "mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)"
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
NONE = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
TYPICAL: Mapping[str, Mapping[str, Any]] = {
    "decode": {"library": "PIL", "orientation": "ignored", "channels": "RGB"},
    "resize": {
        "short_side": 256,
        "aspect_ratio": "kept",
        "long_side": "floor",
        "library": "PIL",
        "filter": "bicubic",
        "antialias": True,
    },
    "crop": {"size": 224, "offset": "half to even"},
    "normalise": {"channels": "RGB", "scale": 255.0, **IMAGENET},
}
SAID: dict[str, Any] = {"decoder": "PIL, RGB", "short_side": 256, "crop": 224, "resize": "PIL bicubic", **IMAGENET}
BOTH = ("PIL", "OpenCV")
PAGE = {"ratio": 0.887, "short_side": {"224": 255, "256": 288}, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}

#: factor -> step -> parameters that a swap of it may change
PARAMETERS: Mapping[str, Mapping[str, set[str]]] = {
    "decoder": {"decode": {"library"}},
    "EXIF orientation": {"decode": {"orientation"}},
    "resize library": {"resize": {"library", "antialias"}},
    "filter": {"resize": {"filter"}},
    "antialias": {"resize": {"antialias"}},
    "aspect ratio": {"resize": {"aspect_ratio", "short_side", "long_side"}},
    "short side": {"resize": {"short_side"}},
    "rounding": {"resize": {"long_side"}, "crop": {"offset"}},
    "input size": {"resize": {"short_side"}, "crop": {"size"}},
    "crop position": {"crop": {"offset"}},
    "channel order": {"normalise": {"channels"}},
    "scale": {"normalise": {"scale"}},
    "mean and std": {"normalise": {"mean", "std"}},
}
OPENCV = {"library": "OpenCV", "filter": "bilinear", "antialias": False}
SOURCES: Mapping[str, Mapping[str, Any]] = {
    "typical": {},
    "statistics of 0.5": {"normalise": HALF},
    "as JSON gives it": {"normalise": {name: list(values) for name, values in IMAGENET.items()}},
    "orientation applied": {"decode": {"orientation": "applied"}},
    "decoded by OpenCV": {"decode": {"library": "OpenCV"}},
    "resized by OpenCV": {"resize": OPENCV},
    "lanczos": {"resize": {"filter": "lanczos"}},
    "hamming": {"resize": {"filter": "hamming"}},
    "square": {"resize": {"aspect_ratio": "square"}},
    "short side as the crop": {"resize": {"short_side": 224}},
    "rounded up": {"resize": {"long_side": "ceil"}, "crop": {"offset": "ceil"}},
    "corner": {"crop": {"offset": "corner"}},
    "BGR": {"normalise": {"channels": "BGR"}},
    "scale missing": {"normalise": {"scale": 1.0}},
    "not normalised": {"normalise": NONE},
}


def known(libraries: tuple[str, ...] = BOTH, **given: Any) -> Identified:
    """A typical source but for `given`: parameters of a step, None for one that is not known, or other fields."""
    steps = {step: given.pop(step, {}) for step in STEPS}
    told = {step: None if other is None else {**TYPICAL[step], **other} for step, other in steps.items()}
    reasons = {step: "nothing fits" for step, other in steps.items() if other is None}
    plain = {"said": Preprocessing(**SAID), "epsilons": {1e-5: 53}, "operations": {("ReLU", None): 49}}
    return Identified(recipe=told, reasons=reasons, libraries=libraries, **{**plain, **given})


def swaps(of: Identified, page: Mapping[str, Any] | None = None, input_size: int | None = 224) -> list[Variant]:
    return of_preprocessing(of, page or {}, input_size)


def changed(variants: Iterable[Variant], factor: str, step: str, *names: str) -> list[Any]:
    """The values that a factor is swapped for, in order."""
    steps = [variant.task["changed"][step] for variant in variants if variant.factor == factor]
    return [one[names[0]] if len(names) == 1 else tuple(one[name] for name in names) for one in steps]


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}


# --- one source


def test_every_factor_of_a_typical_source_is_swapped() -> None:
    found = swaps(known())
    assert {variant.factor for variant in found} == PARAMETERS.keys()
    assert changed(found, "decoder", "decode", "library") == ["OpenCV"]
    assert changed(found, "EXIF orientation", "decode", "orientation") == ["applied"]
    assert changed(found, "resize library", "resize", "library", "filter") == [("OpenCV", "bicubic")]
    assert changed(found, "filter", "resize", "filter") == ["bilinear", "lanczos", "box", "nearest"]
    assert changed(found, "antialias", "resize", "antialias") == [False]
    assert changed(found, "aspect ratio", "resize", "aspect_ratio", "short_side") == [("square", 256), ("square", 224)]
    assert changed(found, "short side", "resize", "short_side") == [224, 235, 248]
    assert changed(found, "input size", "crop", "size") == [240, 256, 288]
    assert changed(found, "input size", "resize", "short_side") == [274, 292, 329]
    assert changed(found, "crop position", "crop", "offset") == ["corner"]
    assert changed(found, "channel order", "normalise", "channels") == ["BGR"]
    assert changed(found, "scale", "normalise", "scale") == [1.0]
    reversed_ = ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229))
    statistics = [tuple(one.values()) for one in (HALF, NONE)]
    assert changed(found, "mean and std", "normalise", "mean", "std") == [reversed_, *statistics]
    rounding = [variant.task["changed"] for variant in found if variant.factor == "rounding"]
    assert [one["resize"]["long_side"] for one in rounding if "resize" in one] == ["round"]
    assert [one["crop"]["offset"] for one in rounding if "crop" in one] == ["floor", "ceil"]


def test_a_source_with_statistics_of_a_half_is_tried_with_those_of_imagenet() -> None:
    found = changed(swaps(known(normalise=HALF)), "mean and std", "normalise", "mean", "std")
    assert found == [tuple(IMAGENET.values()), tuple(NONE.values())]


@pytest.mark.parametrize(
    ("own", "turned"),
    [
        ({"std": HALF["std"]}, ((0.406, 0.456, 0.485), HALF["std"])),
        ({"mean": HALF["mean"]}, (HALF["mean"], (0.225, 0.224, 0.229))),
    ],
)
def test_statistics_that_are_half_those_of_a_recipe_are_swapped_for_all_of_it(
    own: dict[str, Any], turned: tuple[Any, Any]
) -> None:
    found = changed(swaps(known(normalise=own)), "mean and std", "normalise", "mean", "std")
    assert found == [turned, *(tuple(one.values()) for one in (IMAGENET, HALF, NONE))]


@pytest.mark.parametrize("page", [{}, PAGE])
@pytest.mark.parametrize("given", SOURCES.values(), ids=SOURCES)
def test_a_swap_changes_its_own_parameters_and_no_other(given: Mapping[str, Any], page: Mapping[str, Any]) -> None:
    source = known(**given)
    for variant in swaps(source, page, 192):
        assert variant.task.keys() == {"changed"}
        assert variant.label is None
        different = {}
        for step, parameters in variant.task["changed"].items():
            own, other = plain(source.recipe[step] or {}), plain(parameters)
            assert other.keys() == own.keys()
            different[step] = {name for name in own if own[name] != other[name]}
        if variant.factor == "filter" and (source.recipe["resize"] or {})["library"] == "OpenCV":
            different["resize"].discard("antialias")  # goes with the filter
        allowed = PARAMETERS[variant.factor]
        assert all(names <= allowed[step] for step, names in different.items()), variant
        assert any(different.values()), variant


@pytest.mark.parametrize("page", [{}, PAGE, {"ratio": 0.875, **IMAGENET, "short_side": {"224": 248}}])
@pytest.mark.parametrize("given", SOURCES.values(), ids=SOURCES)
def test_no_swap_is_there_twice(given: Mapping[str, Any], page: Mapping[str, Any]) -> None:
    found = swaps(known(**given), page, 240)
    tasks = [str({step: plain(one) for step, one in variant.task["changed"].items()}) for variant in found]
    assert len(tasks) == len(set(tasks))
    names = [(variant.factor, variant.text) for variant in found]
    assert len(names) == len(set(names)), "a swap is kept by its factor and text"


@pytest.mark.parametrize("given", SOURCES.values(), ids=SOURCES)
def test_a_swap_says_what_it_is(given: Mapping[str, Any]) -> None:
    for variant in swaps(known(**given), PAGE):
        assert variant.text
        assert not any(odd in variant.text for odd in ("None", "  ", "{", "[")), variant.text


def test_texts_name_the_value_and_the_sources_own() -> None:
    texts = {variant.text for variant in swaps(known(), PAGE)}
    assert {
        "OpenCV instead of PIL",
        "applied instead of ignored",
        "bilinear instead of bicubic",
        "not antialiased instead of antialiased",
        "a square of 224 pixels instead of the image's shape",
        "248 pixels (ratio 0.903) instead of 256 (0.875)",
        "long side: round instead of floor",
        "240 pixels (short side 274) instead of 224",
        "crop offset: ceil instead of half to even",
        "BGR instead of RGB",
        "pixels as they are instead of pixels divided by 255",
        "those of 0.5 instead of (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)",
        "those of the page instead of (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)",
    } <= texts
    other = {v.text for v in swaps(known(normalise={"scale": 1.0}, resize={"antialias": False}))}
    assert {"pixels divided by 255 instead of pixels as they are", "antialiased instead of not antialiased"} <= other


def test_what_a_page_says_is_tried() -> None:
    found = swaps(known(), PAGE)
    # floor(224 / 0.887), and what the page prints for 224
    assert changed(found, "short side", "resize", "short_side") == [224, 235, 248, 252, 255]
    assert ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)) in changed(found, "mean and std", "normalise", "mean", "std")
    for_256 = swaps(known(crop={"size": 256}, resize={"short_side": 292}), PAGE)
    assert 288 in changed(for_256, "short side", "resize", "short_side")
    assert 255 not in changed(for_256, "short side", "resize", "short_side")


def test_a_page_that_says_what_the_source_does_adds_nothing() -> None:
    page = {"ratio": 0.875, "short_side": {"224": 256}, **{name: list(values) for name, values in IMAGENET.items()}}
    assert swaps(known(), page) == swaps(known())
    rounded = {"mean": [0.48501961, 0.45603922, 0.40601961], "std": IMAGENET["std"]}
    assert swaps(known(), rounded) == swaps(known())


def test_a_page_with_a_mean_alone_is_not_mistaken_for_one_with_both() -> None:
    assert swaps(known(), {"mean": [0.1, 0.2, 0.3]}) == swaps(known())


def test_the_short_side_is_never_below_the_crop() -> None:
    assert min(changed(swaps(known(), {"ratio": 1.2}), "short side", "resize", "short_side")) == 224


@pytest.mark.parametrize(
    ("crop", "said", "row", "sizes"),
    [
        (224, 224, None, [240, 256, 288]),
        (224, 224, 192, [192, 240, 256, 288]),
        (256, 224, 256, [224, 240, 288]),
        (224, 320, 224, [240, 256, 288, 320]),
    ],
)
def test_the_rows_and_the_sources_own_input_size_are_tried(
    crop: int, said: int, row: int | None, sizes: list[int]
) -> None:
    source = known(crop={"size": crop}, said=Preprocessing(**{**SAID, "crop": said}))
    found = swaps(source, input_size=row)
    assert changed(found, "input size", "crop", "size") == sizes
    assert changed(found, "input size", "resize", "short_side") == [size * 256 // crop for size in sizes]


@pytest.mark.parametrize(
    ("resize", "library", "filters"),
    [
        ({"filter": "bicubic"}, ["OpenCV"], ["bilinear", "lanczos", "box", "nearest"]),
        ({"filter": "box"}, [], ["bilinear", "bicubic", "lanczos", "nearest"]),
        ({"filter": "hamming"}, [], ["bilinear", "bicubic", "lanczos", "box", "nearest"]),
        (OPENCV, ["PIL"], ["bicubic", "lanczos", "area", "nearest"]),
        ({**OPENCV, "filter": "area", "antialias": True}, [], ["bilinear", "bicubic", "lanczos", "nearest"]),
    ],
)
def test_a_library_is_tried_with_filters_that_it_has(
    resize: dict[str, Any], library: list[str], filters: list[str]
) -> None:
    found = swaps(known(resize=resize))
    assert changed(found, "resize library", "resize", "library") == library
    assert changed(found, "filter", "resize", "filter") == filters
    for name, kind, antialias in changed(found, "filter", "resize", "library", "filter", "antialias"):
        assert name == resize.get("library", "PIL")
        assert antialias == (name == "PIL" or kind == "area")


@pytest.mark.parametrize(
    ("resize", "antialias"),
    [
        ({}, [False]),
        ({"antialias": False}, [True]),
        ({"filter": "bilinear"}, [False]),
        ({"filter": "lanczos"}, []),
        (OPENCV, []),
    ],
)
def test_antialiasing_is_swapped_where_a_filter_can_do_without(resize: dict[str, Any], antialias: list[bool]) -> None:
    found = swaps(known(resize=resize))
    assert changed(found, "antialias", "resize", "antialias") == antialias
    assert set(changed(found, "antialias", "resize", "filter")) <= {resize.get("filter", "bicubic")}


def test_the_other_library_resizes_as_it_does_by_itself() -> None:
    assert changed(swaps(known()), "resize library", "resize", "antialias") == [False]
    assert changed(swaps(known(resize=OPENCV)), "resize library", "resize", "antialias") == [True]


def test_a_square_is_swapped_for_the_images_shape() -> None:
    found = swaps(known(resize={"aspect_ratio": "square"}))
    assert changed(found, "aspect ratio", "resize", "aspect_ratio", "short_side") == [("kept", 256)]
    assert "long_side" not in {
        name for v in found if v.factor == "rounding" for name in v.task["changed"].get("resize", {})
    }
    assert changed(swaps(known(resize={"short_side": 224})), "aspect ratio", "resize", "short_side") == [224]


@pytest.mark.parametrize(
    ("own", "rounding", "position"),
    [
        ("half to even", ["floor", "ceil"], ["corner"]),
        ("floor", ["half to even", "ceil"], ["corner"]),
        ("corner", [], ["floor", "half to even", "ceil"]),
    ],
)
def test_a_crop_is_moved(own: str, rounding: list[str], position: list[str]) -> None:
    found = [variant for variant in swaps(known(crop={"offset": own})) if "crop" in variant.task["changed"]]
    assert changed(found, "rounding", "crop", "offset") == rounding
    assert changed(found, "crop position", "crop", "offset") == position


@pytest.mark.parametrize("missing", BOTH)
def test_a_library_that_is_not_there_is_not_tried_but_told(missing: str) -> None:
    other = next(library for library in BOTH if library != missing)
    own = {"library": other, "filter": "bicubic", "antialias": other == "PIL"}
    source = known((other,), decode={"library": other}, resize=own)
    steps = [parameters for variant in swaps(source) for parameters in variant.task["changed"].values()]
    assert {step["library"] for step in steps if "library" in step} == {other}
    assert not {"decoder", "resize library"} & {variant.factor for variant in swaps(source)}
    assert untried(source) == [("decoder, resize library", f"{missing} is not in the source's environment")]


def test_nothing_is_untried_where_all_is_there_and_known() -> None:
    assert untried(known()) == []


def test_a_step_that_is_not_known_is_told_with_the_reason() -> None:
    why = "how the source does it is not known: nothing fits"
    assert untried(known(crop=None, decode=None)) == [("decode", why), ("crop", why)]


def test_channels_that_are_turned_when_decoded_are_turned_back_there() -> None:
    found = of_preprocessing(known(decode={"channels": "BGR"}), {}, None)
    turned = [v.task["changed"] for v in found if v.factor == "channel order" and "decode" in v.task["changed"]]
    assert [changed["decode"]["channels"] for changed in turned] == ["RGB"]
    assert not any(
        "decode" in v.task["changed"] for v in of_preprocessing(known(), {}, None) if v.factor == "channel order"
    )


REPLACED = {
    "decode": ("decoder", [("PIL", "ignored"), ("OpenCV", "ignored")], ("library", "orientation")),
    "resize": (
        "resize",
        [("PIL", "bilinear", 256), ("PIL", "bicubic", 256), ("OpenCV", "bilinear", 256), ("OpenCV", "bicubic", 256)],
        ("library", "filter", "short_side"),
    ),
    "crop": ("crop", [(224, "half to even")], ("size", "offset")),
    "normalise": ("normalisation", [tuple(one.values()) for one in (IMAGENET, HALF, NONE)], ("mean", "std")),
}


@pytest.mark.parametrize("unknown", [*((step,) for step in STEPS), ("resize", "crop"), STEPS])
@pytest.mark.parametrize("page", [{}, PAGE])
def test_a_step_that_is_not_known_is_replaced(unknown: tuple[str, ...], page: Mapping[str, Any]) -> None:
    found = swaps(known(**dict.fromkeys(unknown)), page)
    for step in unknown:
        factor, values, names = REPLACED[step]
        of_the_page = [(tuple(PAGE["mean"]), tuple(PAGE["std"]))] if page and step == "normalise" else []
        assert changed(found, factor, step, *names) == [*of_the_page, *values]
        assert all("instead of the unknown" in v.text for v in found if v.factor == factor)
        told = [v.task["changed"][step] for v in found if step in v.task["changed"]]
        assert all(parameters.keys() == TYPICAL[step].keys() for parameters in told)
    steps = {step for variant in found for step in variant.task["changed"]}
    assert steps == set(STEPS)


def test_a_step_that_is_not_known_leaves_the_swaps_of_the_others() -> None:
    everything = {variant.factor for variant in swaps(known())}
    for step in STEPS:
        left = {variant.factor for variant in swaps(known(**{step: None}))}
        lost = {factor for factor, steps in PARAMETERS.items() if step in steps} - {"rounding"}
        assert left - {REPLACED[step][0]} == everything - lost - {REPLACED[step][0]}


def test_what_is_not_known_is_replaced_by_what_the_source_says_of_itself() -> None:
    said = Preprocessing(**{**SAID, "short_side": 300, "crop": 288})
    found = swaps(known(resize=None, crop=None, said=said))
    assert set(changed(found, "resize", "resize", "short_side")) == {300}
    assert set(changed(found, "resize", "resize", "aspect_ratio", "long_side")) == {("kept", "floor")}
    assert changed(found, "crop", "crop", "size") == [288]
    sides = swaps(known(crop=None, said=said, resize={"short_side": 300}))
    assert min(changed(sides, "short side", "resize", "short_side")) == 288
    assert changed(sides, "aspect ratio", "resize", "short_side") == [300, 288]


# --- what is swapped is done by the operations that a source is told by


def photograph(width: int, height: int) -> bytes:
    """Noise, with a tag that turns it by a quarter."""
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    tags = image.Exif()
    tags[0x0112] = 6
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "PNG", exif=tags)
    return file.getvalue()


def done(image: bytes, told: Mapping[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    held: Any = image
    for step in STEPS:
        results[step] = held = getattr(recipe, step)(held, **told[step])
    return results


@pytest.mark.parametrize("name", ["typical", "square", "corner", "BGR", "scale missing", "orientation applied"])
def test_every_swap_can_be_done_and_makes_a_difference(name: str) -> None:
    source = known(("PIL",), **SOURCES[name])
    # short sides of 256 leave long sides of 337.76 and 339.33, so that every rounding differs on one of them
    images = [photograph(347, 263), photograph(350, 264), photograph(264, 350)]
    own = [done(image, source.recipe) for image in images]
    for variant in swaps(source, PAGE, 192):
        made = [recipe.prepare(*one, source.recipe, variant.task["changed"]) for one in zip(images, own, strict=True)]
        # a square of 256 pixels leaves nothing to round
        assert any(one is not None for one in made) or (name, variant.factor) == ("square", "rounding"), variant
        size = variant.task["changed"].get("crop", {}).get("size", 224)
        assert all(one is None or one.shape == (3, size, size) for one in made)


def test_the_control_does_every_step_anew_and_makes_no_difference() -> None:
    source = known(("PIL",))
    variant = control(source)
    assert variant is not None
    assert (variant.factor, set(variant.task["changed"])) == (CONTROL, set(STEPS))
    image = photograph(347, 263)
    assert recipe.prepare(image, done(image, source.recipe), source.recipe, variant.task["changed"]) is None


@pytest.mark.parametrize("step", STEPS)
def test_there_is_no_control_of_a_step_that_is_not_known(step: str) -> None:
    assert control(known(**{step: None})) is None


@pytest.mark.parametrize("step", STEPS)
def test_the_parameters_are_those_of_the_operation(step: str) -> None:
    _, *names = inspect.signature(getattr(recipe, step)).parameters
    assert set(names) == TYPICAL[step].keys()


def test_labels_are_read_as_the_texts_say() -> None:
    lower, higher, order = LABELS
    nothing: Any = {"image": [], "classes": []}
    assert other_labels(lower.label or "", {"a": 5}, nothing) == {"a": 4}
    assert other_labels(higher.label or "", {"a": 5}, nothing) == {"a": 6}
    assert ("lower" in lower.text, "higher" in higher.text, order.label) == (True, True, "order")
    assert all(not variant.task and variant.factor == "label order" for variant in LABELS)


# --- the network


def altered(variants: Iterable[Variant], factor: str) -> list[Mapping[str, Any]]:
    return [v.task["alteration"] for v in variants if v.factor == factor]


@pytest.mark.parametrize(
    ("epsilons", "tried", "own"),
    [
        ({1e-5: 53}, [1e-3, 1e-6], "1e-05"),
        ({1e-3: 53}, [1e-5, 1e-6], "0.001"),
        ({2e-5: 53}, [1e-3, 1e-5, 1e-6], "2e-05"),
        ({1e-3: 3, 1e-5: 50}, [1e-3, 1e-5, 1e-6], "1e-05, 0.001"),
        ({}, [], ""),
    ],
)
def test_an_epsilon_is_swapped_for_others(epsilons: dict[float, int], tried: list[float], own: str) -> None:
    found = of_network(known(epsilons=epsilons))
    assert altered(found, "epsilon") == [{"factor": "epsilon", "value": value} for value in tried]
    texts = [variant.text for variant in found if variant.factor == "epsilon"]
    assert texts == [f"{value:g} instead of {own}" for value in tried]


@pytest.mark.parametrize(
    ("operations", "main"),
    [
        ({("ReLU", None): 49}, ("ReLU", None)),
        ({("Sigmoid", None): 90, ("Hardsigmoid", None): 80, ("Softmax", None): 99, ("ReLU", None): 2}, ("ReLU", None)),
        ({("Conv2d", None): 90, ("SiLU", None): 30, ("ReLU", None): 16}, ("SiLU", None)),
        ({("LeakyReLU", 0.01): 5, ("LeakyReLU", 0.1): 50}, ("LeakyReLU", 0.1)),
        ({("Sigmoid", None): 90}, None),
        ({}, None),
    ],
)
def test_the_main_activation_is_the_one_that_is_run_most(operations: dict[Any, int], main: Any) -> None:
    assert main_activation(operations) == main
    found = altered(of_network(known(operations=operations)), "activation")
    assert {one["from"] for one in found} == ({main[0]} if main else set())


def test_an_activation_is_swapped_for_every_other() -> None:
    found = altered(of_network(known()), "activation")
    assert [(one["to"], one.get("negative_slope")) for one in found] == [
        ("LeakyReLU", 0.01), ("LeakyReLU", 0.1), ("ReLU6", None), ("SiLU", None), ("Hardswish", None), ("GELU", None),
    ]  # fmt: skip
    assert all(one.keys() - {"negative_slope"} == {"factor", "from", "to"} for one in found)


@pytest.mark.parametrize(("own", "other"), [(0.01, 0.1), (0.1, 0.01)])
def test_a_leaky_relu_is_swapped_for_one_with_another_slope(own: float, other: float) -> None:
    found = [v for v in of_network(known(operations={("LeakyReLU", own): 5})) if v.factor == "activation"]
    leaky = [v for v in found if v.task["alteration"]["to"] == "LeakyReLU"]
    assert [v.task["alteration"]["negative_slope"] for v in leaky] == [other]
    assert [v.text for v in leaky] == [f"LeakyReLU {other:g} instead of LeakyReLU {own:g}"]
    assert {v.task["alteration"]["to"] for v in found} == {
        "ReLU", "LeakyReLU", "ReLU6", "SiLU", "Hardswish", "GELU",
    }  # fmt: skip
    odd = altered(of_network(known(operations={("LeakyReLU", 0.2): 5})), "activation")
    assert [one["negative_slope"] for one in odd if one["to"] == "LeakyReLU"] == [0.01, 0.1]


def test_precision_is_swapped_whatever_the_network_has() -> None:
    found = altered(of_network(known(epsilons={}, operations={})), "precision")
    assert found == [{"factor": "precision", "value": value} for value in ("bf16", "fp16")]


def test_a_network_is_altered_on_its_own_images() -> None:
    assert all(variant.task.keys() == {"alteration"} for variant in of_network(known()))


# --- two sources


def test_sources_that_do_the_same_differ_in_nothing() -> None:
    assert between(known(), known()) == []
    assert between(known(), known(normalise={name: list(values) for name, values in IMAGENET.items()})) == []
    rounded = {"mean": (0.48501961, 0.45603922, 0.40601961)}
    assert between(known(), known(normalise=rounded)) == []


@pytest.mark.parametrize(
    ("step", "taken", "factor", "text"),
    [
        ("decode", {"library": "OpenCV"}, "decoder", "OpenCV instead of PIL"),
        ("decode", {"orientation": "applied"}, "EXIF orientation", "applied instead of ignored"),
        ("resize", {"library": "OpenCV"}, "resize library", "OpenCV, antialiased instead of PIL, antialiased"),
        (
            "resize",
            {"library": "OpenCV", "antialias": False},
            "resize library",
            "OpenCV, not antialiased instead of PIL, antialiased",
        ),
        ("resize", {"antialias": False}, "antialias", "PIL, not antialiased instead of PIL, antialiased"),
        ("resize", {"filter": "bilinear"}, "filter", "bilinear instead of bicubic"),
        ("resize", {"filter": "hamming"}, "filter", "hamming instead of bicubic"),
        ("resize", {"aspect_ratio": "square"}, "aspect ratio", "square instead of kept"),
        ("resize", {"short_side": 248}, "short side", "248 instead of 256"),
        ("resize", {"long_side": "round"}, "rounding", "long side: round instead of floor"),
        ("crop", {"size": 192}, "input size", "192 instead of 224"),
        ("crop", {"offset": "floor"}, "rounding", "crop offset: floor instead of half to even"),
        ("crop", {"offset": "corner"}, "crop position", "crop offset: corner instead of half to even"),
        ("normalise", {"channels": "BGR"}, "channel order", "BGR instead of RGB"),
        ("normalise", {"scale": 1.0}, "scale", "1 instead of 255"),
        (
            "normalise",
            HALF,
            "mean and std",
            f"mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5) instead of {AS_PRINTED}",
        ),
        (
            "normalise",
            {"std": (1.0, 1.0, 1.0)},
            "mean and std",
            f"mean (0.485, 0.456, 0.406), std (1, 1, 1) instead of {AS_PRINTED}",
        ),
    ],
)
def test_what_the_other_source_does_otherwise_is_taken_over(
    step: str, taken: dict[str, Any], factor: str, text: str
) -> None:
    (found,) = between(known(), known(**{step: taken}))
    assert (found.factor, found.text) == (factor, text)
    assert found.task == {"changed": {step: {**TYPICAL[step], **taken}}}
    (back,) = between(known(**{step: taken}), known())
    assert (back.factor, back.task) == (factor, {"changed": {step: TYPICAL[step]}})


def test_each_difference_is_taken_over_alone_in_the_order_of_the_steps() -> None:
    other = known(
        decode={"library": "OpenCV"},
        resize={"short_side": 248},
        crop={"offset": "floor"},
        normalise={"channels": "BGR"},
    )
    found = between(known(), other)
    assert [variant.factor for variant in found] == ["decoder", "short side", "rounding", "channel order"]
    for variant in found:
        ((step, parameters),) = variant.task["changed"].items()
        assert sum(parameters[name] != TYPICAL[step][name] for name in parameters) == 1


def test_another_library_with_another_filter_is_taken_over_together_too() -> None:
    found = between(known(), known(resize=OPENCV))
    assert [variant.factor for variant in found] == ["resize library", "filter", "resize library and filter"]
    assert changed(found, "resize library", "resize", "library", "filter") == [("OpenCV", "bicubic")]
    assert changed(found, "filter", "resize", "library", "filter") == [("PIL", "bilinear")]
    (both,) = changed(found, "resize library and filter", "resize", "library", "filter", "antialias")
    assert both == ("OpenCV", "bilinear", False)


@pytest.mark.parametrize(
    ("own", "other", "factors"),
    [
        ({"filter": "box"}, {"library": "OpenCV", "antialias": False}, ["filter", "resize library and filter"]),
        ({}, {**OPENCV, "filter": "area"}, ["resize library", "resize library and filter"]),
        ({"filter": "hamming"}, {"filter": "box"}, ["filter"]),
    ],
)
def test_a_filter_that_the_other_library_lacks_is_skipped(
    own: dict[str, Any], other: dict[str, Any], factors: list[str]
) -> None:
    assert [variant.factor for variant in between(known(resize=own), known(resize=other))] == factors


def test_a_library_that_the_environment_lacks_is_skipped() -> None:
    other = known(decode={"library": "OpenCV"}, resize={**OPENCV, "short_side": 248})
    found = between(known(("PIL",)), other)
    assert [variant.factor for variant in found] == ["filter", "short side"]
    assert "OpenCV" not in str(found)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_one_of_them_does_in_no_known_way_is_left_out(step: str) -> None:
    other = {"library": "OpenCV"}, {"short_side": 248}, {"offset": "floor"}, {"channels": "BGR"}
    given: dict[str, Any] = dict(zip(STEPS, other, strict=True))
    assert len(between(known(), known(**given))) == 4
    for one, two in ((known(**{step: None}), known(**given)), (known(), known(**{**given, step: None}))):
        found = between(one, two)
        assert len(found) == 3
        assert step not in {name for variant in found for name in variant.task["changed"]}


def test_the_other_networks_epsilon_and_activation_are_taken_over_on_its_images() -> None:
    inputs = {"inputs": {"a.jpg": "/a"}}
    other = known(epsilons={1e-3: 53}, operations={("LeakyReLU", 0.1): 50, ("Sigmoid", None): 90})
    epsilon, activation = of_other_network(known(), other, inputs)
    assert epsilon == Variant(
        "epsilon", "0.001 instead of 1e-05", {"alteration": {"factor": "epsilon", "value": 1e-3}, **inputs}
    )
    taken = {"factor": "activation", "from": "ReLU", "to": "LeakyReLU", "negative_slope": 0.1}
    assert activation == Variant("activation", "LeakyReLU 0.1 instead of ReLU", {"alteration": taken, **inputs})


@pytest.mark.parametrize(
    ("own", "other", "factors"),
    [
        ({}, {}, []),
        ({"epsilons": {1e-3: 3, 1e-5: 50}}, {"epsilons": {1e-5: 53}}, ["epsilon"]),
        ({"epsilons": {1e-5: 53}}, {"epsilons": {1e-5: 50, 1e-3: 3}}, []),  # no single value to take over
        ({"epsilons": {1e-5: 53}}, {"epsilons": {1e-5: 1}}, []),
        ({"epsilons": {}}, {"epsilons": {1e-3: 1}}, []),
        ({"epsilons": {1e-5: 1}}, {"epsilons": {}}, []),
        ({}, {"operations": {("ReLU", None): 3, ("Sigmoid", None): 9}}, []),
        ({"operations": {("LeakyReLU", 0.01): 3}}, {"operations": {("LeakyReLU", 0.1): 3}}, ["activation"]),
        ({"operations": {}}, {"operations": {("ReLU", None): 3}}, []),
    ],
)
def test_only_what_differs_in_the_other_network_is_taken_over(
    own: dict[str, Any], other: dict[str, Any], factors: list[str]
) -> None:
    assert [variant.factor for variant in of_other_network(known(**own), known(**other), {})] == factors


# --- what a source says of itself


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ({"resize": {"short_side": 248}}, "a short side of 256 pixels, but 248 come out"),
        ({"crop": {"size": 192}}, "a crop of 224 pixels, but 192 come out"),
        ({"resize": OPENCV}, "the resize 'PIL bicubic', but its pixels are those of OpenCV bilinear"),
        (
            {"resize": {**OPENCV, "filter": "bicubic"}},
            "the resize 'PIL bicubic', but its pixels are those of OpenCV bicubic",
        ),
        ({"resize": {"aspect_ratio": "square"}}, "a short side, but both sides become that"),
        ({"normalise": {"channels": "BGR"}}, "RGB, but the channels are turned to BGR"),
        ({"normalise": {"scale": 1.0}}, "pixels scaled to 0..1, but they are not divided by 255"),
        ({"normalise": {"mean": HALF["mean"]}}, "a mean of (0.485, 0.456, 0.406), but it is (0.5, 0.5, 0.5)"),
        ({"normalise": {"std": HALF["std"]}}, "a std of (0.229, 0.224, 0.225), but it is (0.5, 0.5, 0.5)"),
    ],
)
def test_a_source_that_does_otherwise_than_it_says_is_found(does: dict[str, Any], says: str) -> None:
    (found,) = misdescribed("timm==0.6.5", "network", known(**does))
    assert (found.kind, found.severity, found.source) == ("preprocessing_description", "warning", "timm==0.6.5")
    assert found.text == f"timm==0.6.5 does not prepare images for network as it says: it says {says}."


def test_a_source_that_does_as_it_says_or_in_no_known_way_is_not_mentioned() -> None:
    assert misdescribed("timm", "network", known()) == []
    assert misdescribed("timm", "network", known(**dict.fromkeys(STEPS))) == []


# --- two factors that the document suggests


LEAKY = Page(
    preprocessing={"ratio": 0.887, "short_side": {"224": 256}, "mean": [0.5] * 3, "std": [0.5] * 3},
    operators=("ReLU", "LeakyReLU"),
)


def both(of: Identified, page: Page, input_size: int | None = 224) -> list[Variant]:
    return pairs([*of_preprocessing(of, page.preprocessing, input_size), *of_network(of)], of, page, input_size)


def test_what_a_page_says_of_two_factors_is_tried_together() -> None:
    found = both(known(resize={"short_side": 248}), LEAKY)
    assert {variant.factor for variant in found} == {
        "short side and activation",
        "short side and mean and std",
        "mean and std and activation",
    }
    short_sides = {
        (one.task["changed"]["resize"]["short_side"], one.task["alteration"]["negative_slope"])
        for one in found
        if one.factor == "short side and activation"
    }
    assert short_sides == {(252, 0.01), (252, 0.1), (256, 0.01), (256, 0.1)}
    (normalised,) = {
        str(one.task["changed"]["normalise"]["mean"]) for one in found if one.factor == "mean and std and activation"
    }
    assert normalised == "(0.5, 0.5, 0.5)"


def test_steps_of_both_factors_are_changed() -> None:
    (one,) = (v for v in both(known(resize={"short_side": 252}), LEAKY) if v.factor == "short side and mean and std")
    assert one.task["changed"]["resize"]["short_side"] == 256
    assert one.task["changed"]["normalise"]["mean"] == (0.5, 0.5, 0.5)
    assert one.text == "256 pixels (ratio 0.875) instead of 252 (0.889); those of 0.5 instead of " + _own_statistics()


def _own_statistics() -> str:
    return "(0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)"


def test_an_input_size_of_the_row_is_tried_with_the_rest() -> None:
    found = both(known(), LEAKY, 256)
    assert {"input size and activation", "input size and mean and std"} <= {variant.factor for variant in found}
    assert not any("short side" in one.factor and "input size" in one.factor for one in found), "both resize"


@pytest.mark.parametrize("page", [Page(), Page(preprocessing={"ratio": 0.875}, operators=("ReLU",))])
def test_nothing_is_tried_together_that_no_document_suggests(page: Page) -> None:
    assert both(known(), page) == []


def test_an_activation_that_the_network_runs_is_not_suggested() -> None:
    found = both(known(operations={("ReLU", None): 9, ("LeakyReLU", 0.01): 40}), LEAKY)
    assert not any("activation" in one.factor for one in found)
