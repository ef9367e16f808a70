"""How images are prepared is told from the results, in each source's own environment, and defects are seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.execution.environments import Installed

Told = dict[str, Any]

PIL, OPENCV = {"library": "PIL", "antialias": True}, {"library": "OpenCV", "antialias": False}
IMAGENET = {"channels": "RGB", "scale": 255.0, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
#: model, and what the source's own files say: timm.data.transforms_factory and torchvision's functional.py;
#: mmcls.datasets.pipelines.transforms and imagenet_bs32.py; ppcls.data.preprocess.ops.operators
OWN: dict[str, tuple[str, Told]] = {
    "timm": (
        "resnet18",
        {
            "decode": {"library": "PIL", "orientation": "ignored", "channels": "RGB"},
            "resize": {"short_side": 256, "aspect_ratio": "kept", "long_side": "floor", "filter": "bilinear", **PIL},
            "crop": {"size": 224, "offset": "half to even"},
            "normalise": IMAGENET,
        },
    ),
    "mmcls": (
        "resnet18_8xb32_in1k",
        {
            "decode": {"library": "OpenCV", "orientation": "applied", "channels": "RGB"},
            "resize": {"short_side": 256, "aspect_ratio": "kept", "long_side": "floor", "filter": "bilinear", **OPENCV},
            "crop": {"size": 224, "offset": "half to even"},
            "normalise": IMAGENET,
        },
    ),
    "ppcls": (
        "ResNet18",
        {
            "decode": {"library": "OpenCV", "orientation": "applied", "channels": "RGB"},
            "resize": {"short_side": 256, "aspect_ratio": "kept", "long_side": "round", "filter": "bilinear", **OPENCV},
            "crop": {"size": 224, "offset": "floor"},
            "normalise": IMAGENET,
        },
    ),
}
#: planted in the first source's steps -> its step and parameters that are to be told, the others being as they were
DEFECTS: dict[str, tuple[str, Told]] = {
    "EXIF applied": ("decode", {"orientation": "applied"}),
    "channels reversed when decoded": ("decode", {"channels": "BGR"}),
    "OpenCV decoder": ("decode", {"library": "OpenCV"}),
    "square": ("resize", {"aspect_ratio": "square"}),
    "bicubic": ("resize", {"filter": "bicubic"}),
    "lanczos": ("resize", {"filter": "lanczos"}),
    "box": ("resize", {"filter": "box"}),
    "hamming": ("resize", {"filter": "hamming"}),
    "nearest": ("resize", {"filter": "nearest"}),
    "OpenCV bilinear": ("resize", OPENCV),
    "OpenCV bicubic": ("resize", {"filter": "bicubic", **OPENCV}),
    "OpenCV area": ("resize", {"filter": "area", "library": "OpenCV"}),
    "OpenCV lanczos": ("resize", {"filter": "lanczos", **OPENCV}),
    "OpenCV nearest": ("resize", {"filter": "nearest", **OPENCV}),
    "no antialias": ("resize", {"antialias": False}),
    "bicubic, no antialias": ("resize", {"filter": "bicubic", "antialias": False}),
    "other short side": ("resize", {"short_side": 101}),
    "short side of the crop": ("resize", {"short_side": 96}),
    "long side rounded": ("resize", {"long_side": "round"}),
    "long side rounded up": ("resize", {"long_side": "ceil"}),
    "corner": ("crop", {"offset": "corner"}),
    "crop floor": ("crop", {"offset": "floor"}),
    "crop ceil": ("crop", {"offset": "ceil"}),
    "other crop": ("crop", {"size": 80, "offset": "floor"}),
    "BGR": ("normalise", {"channels": "BGR"}),
    "not divided": ("normalise", {"scale": 1.0}),
    "other mean": ("normalise", {"mean": (0.5, 0.5, 0.5)}),
    "other std": ("normalise", {"std": (0.5, 0.5, 0.5)}),
    "mean and std reversed": ("normalise", {"mean": (0.406, 0.456, 0.485), "std": (0.225, 0.224, 0.229)}),
}
#: what no known operation gives -> its step and what is to be said of it
UNKNOWN = {
    "gamma when decoded": ("decode", "not those of PIL or OpenCV"),
    "blurred": ("resize", "no known filter of PIL or OpenCV gives these pixels"),
    "short side by the image": ("resize", "the short side is not one size but 109, 110, 111 pixels"),
    "long side by the image": ("resize", "pixels become"),
    "lower right corner": ("crop", "neither in the centre nor in the upper left corner"),
    "crop that is no square": ("crop", "not a square of one size"),
    "crop by the image": ("crop", "not a square of one size"),
    "squared": ("normalise", "not scaled and shifted pixels"),
    "contrast by the image": ("normalise", "not scaled and shifted pixels"),
    "not finite": ("normalise", "not finite"),
    "one value": ("normalise", "not scaled and shifted pixels"),
}
#: the least number of images that a swap is to change, of those that the script makes
CHANGES = {"EXIF": 8, "OpenCV decoder": 2, "PIL decoder": 2}
MOST = 20


@pytest.fixture(scope="module")
def told(
    installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Told]:
    """What the script says inside a source's environment; it runs once in each."""
    known: dict[str, Told] = {}

    def run(source: str) -> Told:
        if source not in known:
            folder = tmp_path_factory.mktemp(source)
            for part in ("path", "images"):
                (folder / part).mkdir()
            script = Path(__file__).parent / "inside" / "recipe.py"
            arguments = (source, OWN[source][0], str(folder / "images"))
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("OMP_NUM_THREADS", "1")  # images are small: threads would wait for each other
                printed = inside(installed(source), script, "", *arguments, importable=True)
            known[source] = json.loads(printed.strip().splitlines()[-1])
        return known[source]

    return run


def same(found: Told, expected: Told) -> bool:
    """Whether the parameters are these; numbers to the digits that a document has."""
    return found.keys() == expected.keys() and all(
        found[name] == pytest.approx(value, abs=2e-5) if isinstance(value, (tuple, list)) else found[name] == value
        for name, value in expected.items()
    )


@pytest.mark.parametrize("source", OWN)
def test_what_a_source_does_is_told_from_its_results(source: str, told: Callable[[str], Told]) -> None:
    found = told(source)["own"]
    assert found["reasons"] == {}
    for step, expected in OWN[source][1].items():
        assert same(found["recipe"][step], expected), (step, found["recipe"][step])


@pytest.mark.parametrize("source", OWN)
def test_images_of_every_kind_are_tried_with_both_libraries(source: str, told: Callable[[str], Told]) -> None:
    assert told(source)["images"] >= 30
    assert told(source)["libraries"] == ["PIL", "OpenCV"]


@pytest.mark.parametrize("source", OWN)
def test_steps_done_anew_as_they_were_told_change_no_image(source: str, told: Callable[[str], Told]) -> None:
    assert told(source)["again"] == []


@pytest.mark.parametrize("source", OWN)
def test_a_step_done_otherwise_gives_what_the_source_gives_when_told_to_do_so(
    source: str, told: Callable[[str], Told]
) -> None:
    swaps = told(source)["by_hand"]
    assert len(swaps) >= 14
    for swap, found in swaps.items():
        assert found["wrong"] == [], swap
        assert found["changed"] >= CHANGES.get(swap, MOST), swap


@pytest.mark.parametrize("source", OWN)
def test_what_the_results_leave_open_is_as_the_source_says(source: str, told: Callable[[str], Told]) -> None:
    said = told(source)["open"]
    assert said == {
        "PIL, EXIF orientation applied": {"library": "PIL", "orientation": "applied", "channels": "RGB"},
        "PIL, EXIF orientation ignored": {"library": "PIL", "orientation": "ignored", "channels": "RGB"},
        "OpenCV, EXIF orientation applied": {"library": "OpenCV", "orientation": "applied", "channels": "RGB"},
        "cv2, EXIF orientation ignored": {"library": "OpenCV", "orientation": "ignored", "channels": "RGB"},
    }


@pytest.mark.parametrize("defect", ["nothing", *DEFECTS], ids=lambda defect: f"timm-{defect}")
def test_a_planted_defect_is_told_and_the_rest_stays_as_it_was(defect: str, told: Callable[[str], Told]) -> None:
    expected = {step: dict(parameters) for step, parameters in OWN["timm"][1].items()}
    expected["resize"]["short_side"], expected["crop"]["size"] = 109, 96
    if defect in DEFECTS:
        step, changed = DEFECTS[defect]
        assert not same(expected[step], {**expected[step], **changed}), "the defect changes nothing"
        expected[step] |= changed
    found = told("timm")["planted"][defect]
    assert found["reasons"] == {}
    for step, parameters in expected.items():
        assert same(found["recipe"][step], parameters), (step, found["recipe"][step])


@pytest.mark.parametrize("defect", UNKNOWN, ids=lambda defect: f"timm-{defect}")
def test_what_no_known_operation_does_is_said_to_be_unknown(defect: str, told: Callable[[str], Told]) -> None:
    wrong, why = UNKNOWN[defect]
    found = told("timm")["planted"][defect]
    assert list(found["reasons"]) == [wrong]
    assert why in found["reasons"][wrong]
    assert [step for step, parameters in found["recipe"].items() if parameters is None] == [wrong]
    for step, parameters in told("timm")["planted"]["nothing"]["recipe"].items():
        assert step == wrong or same(found["recipe"][step], parameters), step


@pytest.mark.parametrize("source", ["timm"])
def test_every_defect_that_is_planted_is_looked_at(source: str, told: Callable[[str], Told]) -> None:
    assert set(told(source)["planted"]) == {"nothing", *DEFECTS, *UNKNOWN}
