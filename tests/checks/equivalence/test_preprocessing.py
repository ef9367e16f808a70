"""Where preprocessings part, step by step: every planted defect is found and named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import builders
import fake_adapter
import numpy as np
import pytest
from fakes import CUT_JPEG, contents, write_images
from harness.adapters.base import STEPS

from harness.checks.equivalence import preprocessing_runner
from harness.checks.equivalence.page_preprocessing import against_page
from harness.checks.equivalence.preprocessing import Comparison, Step, compare, sentence
from harness.core.findings import Finding
from harness.dataset.image_set import open_images
from harness.worker.arrays import load, save
from harness.worker.images import ImageRef
from harness.worker.preprocess import prepare_images
from harness.worker.tasks import Prepare

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SIZE, SHORT = 16, 18
PAGE = {"ratio": 0.887, "short_side": {"16": 18}, "mean": MEAN.tolist(), "std": STD.tolist()}
IMAGES = 4
Arrays = dict[str, np.ndarray]


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The nearest pixel."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return image[rows][:, columns]


def normalise(crop: np.ndarray) -> np.ndarray:
    return ((crop / 255 - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)


class Source:
    """Prepares as the page says; a defect replaces one of the steps."""

    def __init__(self, **defects: Callable[..., np.ndarray]) -> None:
        self.defects = defects

    def _run(self, step: str, given: np.ndarray, sound: Callable[..., np.ndarray], number: int) -> np.ndarray:
        defect = self.defects.get(step)
        return defect(given, number) if defect else sound(given)

    def steps(self, number: int) -> Arrays:
        pixels = np.random.default_rng(number).integers(0, 256, (30, 41 + number, 3), np.uint8)
        decoded = self._run("decode", pixels, lambda image: image, number)
        resized = self._run("resize", decoded, lambda it: resize(it, SHORT, it.shape[1] * SHORT // 30), number)
        crop = self._run("crop", resized, lambda it: cut(it, (it.shape[0] - SIZE) // 2, (it.shape[1] - SIZE) // 2), 0)
        return {
            "decode": decoded,
            "resize": resized,
            "crop": crop,
            "normalise": self._run("normalise", crop, normalise, number),
        }

    def prepared(self, folder: Path, images: int = IMAGES) -> dict[str, Path]:
        files = {f"{number}.jpg": folder / f"{number}.npz" for number in range(images)}
        for number, file in enumerate(files.values()):
            save(self.steps(number), file)
        return files


def cut(image: np.ndarray, top: int, left: int, size: int = SIZE) -> np.ndarray:
    return image[top : top + size, left : left + size]


def compared(folder: Path, **defects: Callable[..., np.ndarray]) -> tuple[Comparison, dict[str, Step]]:
    found = compare("a==1", "b==2", "net", Source().prepared(folder / "a"), Source(**defects).prepared(folder / "b"))
    assert tuple(step.step for step in found.steps) == STEPS
    return found, {step.step: step for step in found.steps}


def checked(folder: Path, page: dict[str, Any] = PAGE, **defects: Callable[..., np.ndarray]) -> list[Finding]:
    found = against_page("a==1", "net", Source(**defects).prepared(folder), page)
    assert {(one.kind, one.source, one.model) for one in found} <= {("preprocessing_parity", "a==1", "net")}
    return found


# --- two sources


def test_the_same_preprocessing(tmp_path: Path) -> None:
    found, steps = compared(tmp_path)
    assert (found.outcome, found.first_apart, found.images) == ("same", None, IMAGES)
    assert all(step == Step(step.step, IMAGES, IMAGES, 0, 0, 0.0, 0.0, None) for step in steps.values())
    assert sentence(found) == "a==1 and b==2 prepare net identically on all 4 images"


def test_another_filter_parts_at_the_resize(tmp_path: Path) -> None:
    def smooth(image: np.ndarray, _: int) -> np.ndarray:
        resized = resize(image, SHORT, image.shape[1] * SHORT // 30).copy()
        resized[9, 9] ^= 8
        return resized

    found, steps = compared(tmp_path, resize=smooth)
    assert (found.outcome, found.first_apart) == ("different", "resize")
    assert steps["decode"].identical == IMAGES
    assert (steps["resize"].identical, steps["resize"].apart, steps["resize"].max_difference) == (0, IMAGES, 8.0)
    values = sum(SHORT * ((41 + number) * SHORT // 30) * 3 for number in range(IMAGES))
    assert steps["resize"].mean_difference == pytest.approx(8 * 3 * IMAGES / values)
    assert sentence(found) == (
        "a==1 and b==2 prepare net identically up to the resize step, where they differ on 4 of 4 images "
        "(largest difference 8 of 255, mean 0.018)"
    )


def test_one_image_decoded_otherwise(tmp_path: Path) -> None:
    def decode(image: np.ndarray, number: int) -> np.ndarray:
        return image ^ 1 if number == 2 else image

    found, steps = compared(tmp_path, decode=decode)
    assert found.first_apart == "decode"
    assert (steps["decode"].identical, steps["decode"].apart, steps["decode"].worst_image) == (3, 1, "2.jpg")
    assert (steps["decode"].max_difference, steps["crop"].apart) == (1.0, 1)
    assert sentence(found) == (
        "a==1 and b==2 prepare net differently from the decode step on, where they differ on 1 of 4 images "
        "(largest difference 1 of 255, mean 0.25)"
    )


def test_a_later_step_that_parts_more_images_is_not_hidden(tmp_path: Path) -> None:
    found, _ = compared(
        tmp_path,
        decode=lambda image, number: image ^ 1 if number == 2 else image,
        normalise=lambda crop, _: normalise(crop[..., ::-1]),
    )
    assert "on 1 of 4 images" in sentence(found)
    assert ", then at the normalise step on 4 of 4 images (largest difference" in sentence(found)


def test_swapped_channels_part_where_they_are_swapped(tmp_path: Path) -> None:
    early, steps = compared(tmp_path / "early", decode=lambda image, _: image[..., ::-1])
    assert early.first_apart == "decode"
    assert steps["decode"].max_difference > 200
    late, _ = compared(tmp_path / "late", normalise=lambda crop, _: normalise(crop[..., ::-1]))
    assert late.first_apart == "normalise"
    assert "identically up to the normalise step" in sentence(late)
    assert "of 255" not in sentence(late)


def test_another_shape_is_named(tmp_path: Path) -> None:
    found, steps = compared(tmp_path, resize=lambda image, _: resize(image, SHORT, SHORT))
    assert (steps["resize"].shape_differs, steps["resize"].apart, steps["resize"].worst_image) == (4, 4, "0.jpg")
    assert (steps["resize"].max_difference, steps["crop"].shape_differs) == (0.0, 0)
    assert "where they differ on 4 of 4 images (4 of them in another shape)" in sentence(found)


def test_rounding_of_normalised_values_is_no_difference_and_more_is(tmp_path: Path) -> None:
    def rounded(crop: np.ndarray, _: int) -> np.ndarray:
        return normalise(crop) + np.float32(7e-7)

    found, steps = compared(tmp_path / "rounded", normalise=rounded)
    assert (found.outcome, steps["normalise"].identical, steps["normalise"].apart) == ("same", 0, 0)
    assert "identically on all 4 images (normalise differs by at most " in sentence(found)
    found, _ = compared(tmp_path / "more", normalise=lambda crop, _: normalise(crop) + np.float32(3e-5))
    assert found.first_apart == "normalise"


def test_what_is_no_number_is_apart(tmp_path: Path) -> None:
    found, steps = compared(tmp_path, normalise=lambda crop, _: normalise(crop) * np.float32("nan"))
    assert found.first_apart == "normalise"
    assert steps["normalise"].max_difference == np.inf


def test_images_of_one_source_alone_are_an_error(tmp_path: Path) -> None:
    more, fewer = Source().prepared(tmp_path / "a", 4), Source().prepared(tmp_path / "b", 2)
    with pytest.raises(ValueError, match=r"2.jpg was prepared by a but not by b; 2 such images"):
        compare("a", "b", "net", more, fewer)
    with pytest.raises(ValueError, match=r"2.jpg was prepared by b but not by a; 2 such images"):
        compare("a", "b", "net", fewer, more)
    with pytest.raises(ValueError, match="no image"):
        compare("a", "b", "net", {}, {})


# --- a source and its page


def test_all_that_the_page_determines_holds(tmp_path: Path) -> None:
    (found,) = checked(tmp_path)
    assert found.severity == "note"
    assert "preprocessing matches the page on all 4 images (short side, aspect ratio" in found.text
    assert "mean and std" in found.text
    assert "mean" not in checked(tmp_path, {"ratio": 0.887})[0].text
    assert "short side" not in checked(tmp_path, {"short_side": {"224": 256}})[0].text
    assert checked(tmp_path, {}) == []


@pytest.mark.parametrize("rest", [0, 1])
def test_either_rounding_of_the_centre_is_the_centre(tmp_path: Path, rest: int) -> None:
    defects = {
        "resize": lambda image, _: resize(image, 19, image.shape[1] * 19 // 30),
        "crop": lambda it, _: cut(it, 1 + rest, (it.shape[1] - SIZE + 1) // 2),
    }
    (found,) = checked(tmp_path, {"ratio": 0.84}, **defects)
    assert found.severity == "note"


def shifted(resized: np.ndarray, _: int) -> np.ndarray:
    return cut(resized, 2, (resized.shape[1] - SIZE) // 2)


@pytest.mark.parametrize(
    ("step", "defect", "says"),
    [
        (
            "resize",
            lambda image, _: resize(image, 17, image.shape[1] * 17 // 30),
            "the short side is not floor(16 / 0.887) = 18. The largest difference (pixels) is 1, in 0.jpg: 17 pixels.",
        ),
        ("resize", lambda image, _: resize(image, SHORT, SHORT), "the resize makes images square"),
        ("resize", lambda image, _: resize(image, SHORT, 30), "the resize does not keep the aspect ratio"),
        ("crop", shifted, "the crop is not the centre"),
        ("crop", shifted, " pixels from the left and 2 from the top, the centre at "),
        ("crop", lambda it, _: cut(it, 1, 4) ^ 1, "the crop is not part of the resized image"),
        ("crop", lambda *_: np.zeros((30, 30, 3), np.uint8), "the crop is larger than the resized image"),
        ("normalise", lambda crop, _: normalise(crop[..., ::-1]), "the channels are reversed (BGR)"),
        ("normalise", lambda crop, _: normalise(crop)[::-1], "the result is in reversed order (BGR)"),
        (
            "normalise",
            lambda crop, _: ((crop / 255 - MEAN[::-1]) / STD[::-1]).transpose(2, 0, 1).astype(np.float32),
            "mean and std are in reversed order",
        ),
        (
            "normalise",
            lambda crop, _: (crop / 127.5 - 1).transpose(2, 0, 1).astype(np.float32),
            "mean and std are 0.5",
        ),
        (
            "normalise",
            lambda crop, _: ((crop - MEAN) / STD).transpose(2, 0, 1).astype(np.float32),
            "pixels are not scaled by 255",
        ),
        (
            "normalise",
            lambda crop, _: (crop / 255).transpose(2, 0, 1).astype(np.float32),
            "pixels are scaled by 255 but not normalised",
        ),
        ("normalise", lambda crop, _: crop.transpose(2, 0, 1).astype(np.float32), "there is no normalisation"),
        (
            "normalise",
            lambda crop, _: ((crop / 255 - 0.4) / 0.25).transpose(2, 0, 1).astype(np.float32),
            "mean (0.4, 0.4, 0.4) and std (0.25, 0.25, 0.25) do.",
        ),
        ("normalise", lambda crop, _: normalise(crop) ** 2, "nothing tried fits"),
        ("normalise", lambda crop, _: normalise(crop) * np.float32("nan"), "nothing tried fits"),
    ],
)
def test_a_planted_deviation_is_named(tmp_path: Path, step: str, defect: Callable[..., np.ndarray], says: str) -> None:
    warnings = [found for found in checked(tmp_path, **{step: defect}) if found.evidence["step"] == step]
    (found,) = [found for found in warnings if says in found.text]
    assert found.severity == "warning"
    assert "a==1 net: preprocessing of 4 of 4 images differs" in found.text
    assert (found.evidence["images"], found.evidence["of"]) == (4, 4)
    assert found.evidence["max_difference"] > 0


def test_a_deviation_counts_its_images(tmp_path: Path) -> None:
    (found,) = checked(tmp_path, normalise=lambda crop, n: normalise(crop[..., ::-1] if n == 1 else crop))
    assert found.text.startswith("a==1 net: preprocessing of 1 of 4 images differs from the page: the channels")
    assert found.evidence["worst_image"] == "1.jpg"


def test_a_grey_image_does_not_tell_the_orders_apart(tmp_path: Path) -> None:
    (found,) = checked(
        tmp_path,
        decode=lambda image, _: image[..., :1].repeat(3, axis=2),
        normalise=lambda crop, _: normalise(crop)[::-1],
    )
    assert "reversed order (BGR), mean and std too or mean and std are in reversed order." in found.text


def test_a_short_side_that_only_the_list_of_the_page_gives(tmp_path: Path) -> None:
    (found,) = checked(tmp_path, {"ratio": 0.8, "short_side": {"16": 18}})
    assert "floor(16 / 0.8) = 20, although the page also states 18 for 16." in found.text
    (found,) = checked(tmp_path, {"short_side": {"16": 17}})
    assert "the short side is not 17. " in found.text


# --- inside a source's environment


def test_steps_are_written_by_position_and_their_digests_sent(tmp_path: Path) -> None:
    images = [*contents(3), CUT_JPEG, b"BAD"]
    refs = open_images(write_images(tmp_path / "images", images, range(5))).images
    task = Prepare(documented="tiny53", input_size=16, images=refs, out=str(tmp_path / "out"))
    sent: list[Any] = []
    prepare_images(fake_adapter.Adapter(), task, sent.append)
    assert [event.event for event in sent] == ["prepared"] * 3 + ["undecodable"] * 2
    assert [event.image for event in sent] == [ref.name for ref in refs]
    assert sent[4].why == "fake: no pixels in it"
    assert all(event.why for event in sent[3:])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.npz", "1.npz", "2.npz"]
    network = fake_adapter.Adapter().build("tiny", input_size=16)
    for event, image in zip(sent, images[:3], strict=False):
        steps = network.preprocessing_steps(image)
        assert np.array_equal(steps["normalise"], network.preprocess(image))
        written = load(tmp_path / "out" / f"{event.index}.npz")
        assert tuple(written) == STEPS
        assert all(np.array_equal(written[step], steps[step]) for step in STEPS)
        content = b"|u1(8, 8, 3)" + np.ascontiguousarray(steps["decode"]).tobytes()
        assert event.sha256["decode"] == hashlib.sha256(content).hexdigest()
    digests = [tuple(event.sha256[step] for step in STEPS) for event in sent[:3]]
    assert len(set(digests)) == 3
    assert digests[0][1] == digests[0][2]  # the fake crops nothing away


def test_what_the_worker_wrote_is_compared(tmp_path: Path) -> None:
    refs: tuple[ImageRef, ...] = open_images(write_images(tmp_path / "images", contents(2), range(2))).images
    prepared = []
    for size, model in ((8, "tiny"), (8, "twin"), (16, "tiny")):
        out = tmp_path / f"{model}{size}"
        task = Prepare(documented=model, input_size=size, images=refs, out=str(out))
        sent: list[dict[str, Any]] = []
        prepare_images(fake_adapter.Adapter(), task, sent.append)
        prepared.append({event.image: out / f"{event.index}.npz" for event in sent})
    assert compare("a", "b", "tiny", prepared[0], prepared[1]).outcome == "same"
    assert compare("a", "b", "tiny", prepared[0], prepared[2]).first_apart == "resize"


def test_what_the_sources_say_of_the_step_that_parts_them_is_shown() -> None:
    step = Step("resize", 2, 0, 2, 0, 9.0, 1.5, "x.jpg")
    apart = Comparison("a==1", "b==1", "m", 2, (Step("decode", 2, 2, 0, 0, 0.0, 0.0, None), step), "resize")
    same = Comparison("a==1", "c==1", "m", 2, (Step("decode", 2, 2, 0, 0, 0.0, 0.0, None),), None)
    resizes = {"a==1": "PIL bilinear", "b==1": "cv2 bicubic", "c==1": "PIL bilinear"}
    network = builders.static()
    statics = {
        (name, "m"): replace(network, preprocessing=replace(network.preprocessing, resize=said))
        for name, said in resizes.items()
    }
    described = preprocessing_runner.describe([apart, same], statics)
    assert sentence(described[0]).endswith("; a==1: PIL bilinear, b==1: cv2 bicubic")
    assert described[1] == same
    assert preprocessing_runner.describe([apart], {}) == [apart]
