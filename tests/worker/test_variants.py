"""What runs inside a source's environment when one thing is swapped, here run in this one, with the fake source."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import fake_adapter
import numpy as np
import pytest
from fakes import CUT_JPEG, contents, save_checkpoint, write_images
from harness.adapters import identification, recipe
from harness.adapters.base import STEPS, CheckpointError, Steps
from harness.adapters.third_party import complete

from harness.core import codec
from harness.core.errors import InputError
from harness.dataset.image_set import open_images
from harness.worker import arrays, protocol
from harness.worker.batches import TOP_K, predictions
from harness.worker.images import ImageRef
from harness.worker.protocol import Event, RecipeFound
from harness.worker.tasks import Identify, Variant, Vary
from harness.worker.variants import identify, vary

Events = list[dict[str, Any]]

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
#: what the fake source does, as far as operations without an image library can tell
OWN: dict[str, dict[str, Any]] = {
    "decode": {"library": "PIL", "orientation": "ignored", "channels": "RGB"},
    "resize": {
        "short_side": 8, "aspect_ratio": "kept", "long_side": "floor", "library": "PIL", "filter": "bilinear",
        "antialias": True,
    },
    "crop": {"size": 8, "offset": "half to even"},
    "normalise": {"channels": "RGB", "scale": 255.0, "mean": HALF, "std": QUARTER},
}  # fmt: skip
BGR = {"changed": {"normalise": {**OWN["normalise"], "channels": "BGR"}}}
#: red, green and blue alike
GREY = b"FAKE" + bytes(range(64)) * 3


@pytest.fixture
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (recipe, identification):
        monkeypatch.setattr(module, "libraries", lambda: [])


@pytest.fixture
def decodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image library that reads the fake images; orientation "applied" turns them."""

    def decode(image: bytes, library: str, orientation: str, channels: str) -> np.ndarray:
        if library != "PIL":
            raise ValueError("there is no other library")
        pixels = fake_adapter.FakeNetwork("tiny", 0, None).preprocessing_steps(image)["decode"]
        pixels = pixels[..., ::-1] if channels == "BGR" else pixels
        return np.rot90(pixels) if orientation == "applied" else pixels

    for module in (recipe, identification):
        monkeypatch.setattr(module, "libraries", lambda: ["PIL"])
        monkeypatch.setattr(module, "decode", decode)
    monkeypatch.setitem(recipe._OPERATIONS, "decode", decode)


def refs(folder: Path, images: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """The images on disk, as a task names them; sorted, they keep their order."""
    return [astuple(ref) for ref in open_images(write_images(folder, images, range(len(images)))).images]


def names(events: Sequence[str]) -> list[str]:
    return [name[-7:-4] for name in events]


# --- what a source does


def identified(folder: Path, images: Sequence[bytes], model: str = "tiny", input_size: int = 8) -> dict[str, Any]:
    sent: Events = []
    listed = [ImageRef(*fields) for fields in refs(folder, images)]
    task = Identify(documented=model, model=model, input_size=input_size, images=listed)
    identify(complete(fake_adapter.Adapter()), task, sent.append)
    (event,) = sent
    assert isinstance(event, RecipeFound)
    protocol.encode(event)  # as it goes to the parent
    return codec.plain(event)


@pytest.mark.usefixtures("decodable")
def test_what_a_source_does_is_told_with_what_its_network_has(tmp_path: Path) -> None:
    told = identified(tmp_path, contents(5))
    assert told["recipe"] == OWN
    assert told["reasons"] == {}
    assert told["libraries"] == ["PIL"]
    assert told["said"] == fake_adapter.FakeNetwork("tiny", 0, None).preprocessing
    assert told["epsilons"] == [(1e-5, 1)]
    kinds = ["Conv2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Linear"]
    assert told["operations"] == [(kind, None, 1) for kind in kinds]


@pytest.mark.usefixtures("no_libraries")
def test_what_no_known_operation_gives_is_told_with_the_reason(tmp_path: Path) -> None:
    told = identified(tmp_path, contents(5))
    assert told["recipe"] == {**OWN, "decode": None, "resize": None}
    assert told["reasons"].keys() == {"decode", "resize"}
    assert told["reasons"]["decode"] == "the decoded pixels are not those of the missing libraries"
    assert told["libraries"] == []


@pytest.mark.usefixtures("no_libraries")
def test_it_is_told_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    assert identified(tmp_path, contents(3), input_size=16)["recipe"]["crop"]["size"] == 16


def test_an_epsilon_that_several_layers_share_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = fake_adapter.FakeNetwork.trace

    def twice(of: fake_adapter.FakeNetwork, batch: Any, emit: Any, values: bool) -> None:
        trace(of, batch, emit, values)
        trace(of, batch, emit, values)

    monkeypatch.setattr(fake_adapter.FakeNetwork, "trace", twice)
    told = identified(tmp_path, contents(2))
    assert told["epsilons"] == [(1e-5, 2)]
    assert [count for _, _, count in told["operations"]] == [2, 2, 2, 2]


def test_images_that_cannot_be_decoded_are_left_out_of_what_is_told(tmp_path: Path) -> None:
    told = identified(tmp_path, [b"BAD", *contents(4), CUT_JPEG])
    assert told["recipe"]["crop"] == OWN["crop"]


def test_nothing_can_be_told_from_images_none_of_which_can_be_decoded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of the 2 images could be decoded, the first: fake: no pixels in it"):
        identified(tmp_path, [b"BAD1", b"BAD2"])


Planted = Callable[[Steps], dict[str, Any]]


def normalised(values: Callable[[np.ndarray], np.ndarray]) -> Planted:
    """Steps whose last one is this of the pixels (3, H, W)."""
    return lambda steps: {**steps, "normalise": values(steps["crop"].transpose(2, 0, 1)).astype(np.float32)}


def cropped(size: int, top: int, left: int) -> Planted:
    def planted(steps: Steps) -> dict[str, Any]:
        held = steps["resize"][top : top + size, left : left + size]
        return normalised(lambda pixels: (pixels / 255 - 0.5) / 0.25)({**steps, "crop": held})

    return planted


PLANTED: dict[str, tuple[Planted, str, dict[str, Any]]] = {
    "channels": (normalised(lambda x: (x[::-1] / 255 - 0.5) / 0.25), "normalise", {"channels": "BGR"}),
    "scale": (normalised(lambda x: (x - 0.5) / 0.25), "normalise", {"scale": 1.0}),
    "mean": (normalised(lambda x: (x / 255 - 0.4) / 0.25), "normalise", {"mean": (0.4, 0.4, 0.4)}),
    "std": (normalised(lambda x: (x / 255 - 0.5) / 0.2), "normalise", {"std": (0.2, 0.2, 0.2)}),
    "no mean": (normalised(lambda x: x / 255), "normalise", {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}),
    "size of the crop": (cropped(4, 2, 2), "crop", {"size": 4}),
    "corner": (cropped(4, 0, 0), "crop", {"size": 4, "offset": "corner"}),
    "floor": (cropped(5, 1, 1), "crop", {"size": 5, "offset": "floor"}),
    "ceil": (cropped(7, 1, 1), "crop", {"size": 7, "offset": "ceil"}),
    "half to even": (cropped(5, 2, 2), "crop", {"size": 5, "offset": "half to even"}),
}


@pytest.mark.usefixtures("decodable")
@pytest.mark.parametrize("planted", PLANTED)
def test_a_change_of_one_step_is_told_and_the_rest_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    change, step, expected = PLANTED[planted]
    own = fake_adapter.FakeNetwork.preprocessing_steps
    monkeypatch.setattr(fake_adapter.FakeNetwork, "preprocessing_steps", lambda *given: change(own(*given)))
    monkeypatch.setattr(fake_adapter.FakeNetwork, "trace", lambda *_, **__: [])  # it is built for other images
    told = identified(tmp_path, contents(6))
    assert told["reasons"] == {}
    assert told["recipe"].keys() == OWN.keys()
    for name, parameters in {**OWN, step: {**OWN[step], **expected}}.items():
        found = told["recipe"][name]
        assert found.keys() == parameters.keys()
        numbers = [key for key in parameters if key in ("mean", "std")]
        assert {key: found[key] for key in found if key not in numbers} == {
            key: value for key, value in parameters.items() if key not in numbers
        }
        assert [found[key] for key in numbers] == [pytest.approx(parameters[key], abs=1e-5) for key in numbers]


def off_centre(steps: Steps) -> dict[str, Any]:
    return cropped(4, 1, 3)(steps)


UNKNOWN: dict[str, tuple[Planted, str, str]] = {
    "squared": (normalised(lambda x: (x / 255.0) ** 2), "normalise", "not scaled and shifted pixels"),
    "not finite": (normalised(lambda x: np.where(x > 200, np.nan, x)), "normalise", "not finite"),
    "another number of values": (normalised(lambda x: x[:, ::2]), "normalise", "not one per pixel"),
    "off the centre": (off_centre, "crop", "neither in the centre nor in the upper left corner"),
}


@pytest.mark.usefixtures("decodable")
@pytest.mark.parametrize("planted", UNKNOWN)
def test_a_step_that_is_not_known_is_told_and_the_rest_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    change, step, why = UNKNOWN[planted]
    own = fake_adapter.FakeNetwork.preprocessing_steps
    monkeypatch.setattr(fake_adapter.FakeNetwork, "preprocessing_steps", lambda *given: change(own(*given)))
    monkeypatch.setattr(fake_adapter.FakeNetwork, "trace", lambda *_, **__: [])
    told = identified(tmp_path, contents(6))
    assert list(told["reasons"]) == [step]
    assert why in told["reasons"][step]
    assert [name for name in STEPS if told["recipe"][name] is None] == [step]


@pytest.mark.parametrize(
    ("shape", "rounding", "resized"),
    [
        ((300, 401), "floor", (256, 342)),
        ((300, 401), "ceil", (256, 343)),
        ((300, 402), "round", (256, 343)),
        ((402, 300), "round", (343, 256)),
        ((512, 513), "round", (256, 256)),
        ((512, 515), "round", (256, 258)),
        ((512, 515), "floor", (256, 257)),
        ((300, 300), "ceil", (256, 256)),
        ((375, 500), "ceil", (256, 342)),
        ((255, 510), "ceil", (256, 512)),
    ],
)
def test_the_long_side_is_rounded(shape: tuple[int, int], rounding: str, resized: tuple[int, int]) -> None:
    assert recipe.resized_shape(shape, 256, "kept", rounding) == resized
    assert recipe.resized_shape(shape, 256, "square", rounding) == (256, 256)


# --- what it would have said


def task(folder: Path, images: Sequence[bytes], variants: Sequence[Mapping[str, Any]], **rest: Any) -> dict[str, Any]:
    checkpoint = save_checkpoint(folder / "own.bin")
    return {
        "model": "tiny", "checkpoint": checkpoint.file, "match": "name", "input_size": 8, "recipe": OWN,
        "variants": list(variants), "images": refs(folder / "data", images), **rest,
    }  # fmt: skip


def varied(given: Mapping[str, Any]) -> Events:
    sent: list[Event] = []
    variants = [Variant(**fields) for fields in given["variants"]]
    images = [ImageRef(*fields) for fields in given["images"]]
    vary(complete(fake_adapter.Adapter()), Vary(**{**given, "variants": variants, "images": images}), sent.append)
    return [json.loads(protocol.encode(event)) for event in sent]


def of(events: Events, variant: int) -> list[dict[str, Any]]:
    return [event for event in events if event["variant"] == variant]


def rows(events: Events, variant: int = 0) -> list[list[Any]]:
    return [row for event in of(events, variant) if event["event"] == "varied" for row in event["rows"]]


def failures(events: Events) -> dict[int, str]:
    """Variant -> message; fails where one is told twice."""
    told = [(event["variant"], event["message"]) for event in events if event["event"] == "variant_failed"]
    assert len(dict(told)) == len(told)
    return dict(told)


def assert_rows(found: Sequence[Any], expected: np.ndarray) -> None:
    """The rows are those of these logits, in the order of the images."""
    wanted = predictions([str(n) for n in range(len(expected))], expected)
    assert [classes for _, classes, _ in found] == [classes for _, classes, _ in wanted]
    for (_, _, logits), (_, _, own) in zip(found, wanted, strict=True):
        assert len(logits) == TOP_K
        assert logits == pytest.approx(own, rel=1e-4, abs=1e-4)


def network(**built: Any) -> fake_adapter.FakeNetwork:
    return fake_adapter.Adapter().build("tiny", **built)


def batch(images: Sequence[bytes]) -> np.ndarray:
    return np.stack([network().preprocess(image) for image in images])


def test_what_changes_has_rows_and_what_does_not_is_named(tmp_path: Path) -> None:
    images = [*contents(2), GREY, b"BAD", contents(4)[3], CUT_JPEG]
    (event,) = varied(task(tmp_path, images, [BGR]))
    assert (event["event"], event["variant"]) == ("varied", 0)
    assert names([name for name, _, _ in event["rows"]]) == ["000", "001", "004"]
    assert names(event["unchanged"]) == ["002"]
    assert names(event["undecodable"]) == ["003", "005"]
    own = batch([images[0], images[1], images[4]])
    turned = ((own * 0.25 + 0.5)[:, ::-1] - 0.5) / 0.25
    assert_rows(event["rows"], network().forward(turned))
    assert not np.allclose(network().forward(turned), network().forward(own), atol=0.1)


def test_a_variant_that_changes_no_image_runs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was run")

    monkeypatch.setattr(fake_adapter.FakeNetwork, "forward", refuse)
    same = {"changed": {step: OWN[step] for step in ("resize", "crop", "normalise")}}
    moved = {"changed": {"crop": {"size": 8, "offset": "corner"}}}
    events = varied(task(tmp_path, contents(3), [same, moved]))
    assert [(event["event"], event["rows"], len(event["unchanged"])) for event in events] == [("varied", [], 3)] * 2


def test_sixteen_images_are_varied_at_a_time_for_all_variants(tmp_path: Path) -> None:
    scale = {"changed": {"normalise": {**OWN["normalise"], "scale": 1.0}}}
    events = varied(task(tmp_path, contents(37), [BGR, scale]))
    assert [(event["variant"], len(event["rows"])) for event in events] == [
        (0, 16), (1, 16), (0, 16), (1, 16), (0, 5), (1, 5),
    ]  # fmt: skip
    for variant in (0, 1):
        assert names([name for name, _, _ in rows(events, variant)]) == [f"{n:03}" for n in range(37)]
    assert rows(events, 0) != rows(events, 1)


def test_the_steps_after_a_changed_one_are_as_they_were_told(tmp_path: Path) -> None:
    images = contents(3)
    told = {**OWN, "normalise": {**OWN["normalise"], "mean": (0.1, 0.1, 0.1)}}
    small = {"changed": {"crop": {"size": 4, "offset": "corner"}}}
    events = varied(task(tmp_path, images, [small], recipe=told))
    corner = (batch(images)[:, :, :4, :4] * 0.25 + 0.5 - 0.1) / 0.25
    assert_rows(rows(events), network().forward(corner))


@pytest.mark.usefixtures("decodable")
def test_every_step_may_be_changed_at_once(tmp_path: Path) -> None:
    images = contents(3)
    changed = {
        "decode": {"library": "PIL", "orientation": "applied", "channels": "RGB"},
        "crop": {"size": 4, "offset": "corner"},
        "normalise": {"channels": "BGR", "scale": 255.0, "mean": HALF, "std": QUARTER},
    }
    events = varied(task(tmp_path, images, [{"changed": changed}]))
    turned = np.rot90(batch(images), axes=(2, 3))[:, ::-1, :4, :4]
    assert_rows(rows(events), network().forward(turned))


# -- variants that cannot be run


def test_a_variant_that_fails_fails_alone_and_once(tmp_path: Path) -> None:
    large = {"changed": {"crop": {"size": 9, "offset": "floor"}}}
    events = varied(task(tmp_path, contents(20), [large, BGR, large]))
    assert failures(events) == dict.fromkeys((0, 2), "a crop of 9 pixels from an image of 8 x 8")
    assert len(rows(events, 1)) == 20
    assert [event["event"] for variant in (0, 2) for event in of(events, variant)] == ["variant_failed"] * 2


def test_a_variant_that_fails_on_one_image_keeps_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = contents(40)
    special = network().preprocessing_steps(images[20])["crop"]
    real = recipe.normalise

    def normalise(pixels: np.ndarray, **parameters: Any) -> np.ndarray:
        if np.array_equal(pixels, special) and parameters["scale"] == 1.0:
            raise ZeroDivisionError
        return real(pixels, **parameters)

    monkeypatch.setitem(recipe._OPERATIONS, "normalise", normalise)
    scale = {"changed": {"normalise": {**OWN["normalise"], "scale": 1.0}}}
    events = varied(task(tmp_path, images, [scale, BGR]))
    assert failures(events) == {0: "ZeroDivisionError"}
    assert [len(rows(events, variant)) for variant in (0, 1)] == [16, 40]


def test_a_change_that_gives_the_same_pixels_needs_no_later_step(tmp_path: Path) -> None:
    (event,) = varied(
        task(tmp_path, contents(3), [{"changed": {"crop": OWN["crop"]}}], recipe={**OWN, "normalise": None})
    )
    assert len(event["unchanged"]) == 3


@pytest.mark.parametrize(("step", "after"), [("decode", "resize"), ("crop", "normalise")])
def test_a_change_before_a_step_that_is_not_known_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: str
) -> None:
    monkeypatch.setitem(recipe._OPERATIONS, step, lambda *_, **__: np.zeros((8, 8, 3), np.uint8))
    events = varied(task(tmp_path, contents(3), [{"changed": {step: {}}}, BGR], recipe={**OWN, after: None}))
    assert failures(events) == {0: f"how the source does the {after} step is not known"}
    assert len(rows(events, 1)) == 3


def test_logits_that_are_no_numbers_are_no_variant(tmp_path: Path) -> None:
    broken = network()
    broken.weight = np.full_like(broken.weight, np.nan)
    broken.save(tmp_path / "broken.bin")
    events = varied(task(tmp_path, contents(3), [{"checkpoint": str(tmp_path / "broken.bin")}, BGR]))
    assert failures(events).keys() == {0}
    assert "not all finite numbers for n" in failures(events)[0]
    assert len(rows(events, 1)) == 3


def test_a_file_that_cannot_be_read_ends_the_task(tmp_path: Path) -> None:
    given = task(tmp_path, contents(3), [BGR])
    next((tmp_path / "data").glob("*/001.jpg")).unlink()
    with pytest.raises(InputError, match=r"001\.jpg: cannot be read: No such file"):
        varied(given)


def test_a_network_that_cannot_be_built_ends_the_task(tmp_path: Path) -> None:
    given = {**task(tmp_path, contents(3), [BGR]), "model": "tiny_wide"}
    with pytest.raises(CheckpointError, match="does not fit the network"):
        varied(given)


# -- other weights


def test_other_weights_are_tried_on_every_image(tmp_path: Path) -> None:
    images = [*contents(4), GREY, b"BAD"]
    other = save_checkpoint(tmp_path / "other.bin", seed=3)
    (event, control) = varied(task(tmp_path, images, [{"checkpoint": other.file, "match": "name"}, BGR]))
    assert_rows(event["rows"], network(seed=3).forward(batch(images[:5])))
    assert event["unchanged"] == []
    assert names(event["undecodable"]) == ["005"]
    turned = ((batch(images[:4]) * 0.25 + 0.5)[:, ::-1] - 0.5) / 0.25
    assert_rows(control["rows"], network(seed=0).forward(turned))


def test_other_weights_match_as_they_are_said_to(tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "twin.bin", "twin", seed=3)
    by_name, by_order = (
        varied(task(tmp_path, contents(2), [{"checkpoint": other.file, "match": match}])) for match in ("name", "order")
    )
    assert "missing mix (3, 3)" in failures(by_name)[0]
    assert_rows(rows(by_order), network(seed=3).forward(batch(contents(2))))


def test_weights_of_another_network_fail_alone(tmp_path: Path) -> None:
    wide = save_checkpoint(tmp_path / "wide.bin", "tiny_wide")
    other = save_checkpoint(tmp_path / "other.bin", seed=3)
    gone = {"checkpoint": str(tmp_path / "gone.bin")}
    events = varied(task(tmp_path, contents(2), [{"checkpoint": wide.file}, {"checkpoint": other.file}, gone]))
    assert failures(events).keys() == {0, 2}
    assert "does not fit the network" in failures(events)[0]
    assert "gone.bin: not a NumPy archive" in failures(events)[2]
    assert_rows(rows(events, 1), network(seed=3).forward(batch(contents(2))))


def test_each_file_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = save_checkpoint(tmp_path / "other.bin", seed=3)
    given = task(tmp_path, contents(40), [{"checkpoint": other.file}, BGR, {"checkpoint": other.file, **BGR}])
    loaded: list[str] = []
    build = fake_adapter.Adapter.build

    def counted(adapter: Any, model: str, checkpoint: Path, *rest: Any, **more: Any) -> Any:
        loaded.append(checkpoint.name)
        return build(adapter, model, checkpoint, *rest, **more)

    monkeypatch.setattr(fake_adapter.Adapter, "build", counted)
    varied(given)
    assert loaded == ["own.bin", "other.bin"]


def test_other_weights_go_with_other_images(tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "other.bin", seed=3)
    events = varied(task(tmp_path, [*contents(2), GREY], [{"checkpoint": other.file, **BGR}]))
    turned = ((batch([*contents(2), GREY]) * 0.25 + 0.5)[:, ::-1] - 0.5) / 0.25
    assert_rows(rows(events), network(seed=3).forward(turned))


def test_a_whole_state_is_put_into_the_sources_own_network(tmp_path: Path) -> None:
    images = [*contents(2), GREY]
    arrays.save(network(seed=3).state(), tmp_path / "state.npz")
    state = {"state": str(tmp_path / "state.npz")}
    given = task(tmp_path, images, [])
    files = inputs(tmp_path / "inputs", given, contents(6)[3:])
    epsilon = {"alteration": {"factor": "epsilon", "value": 0.5}}
    given["variants"] = [state, {"alteration": {"factor": "precision", "value": "fp16"}}, {**state, "inputs": files},
                         {**state, **epsilon}]  # fmt: skip
    events = varied(given)
    assert_rows(rows(events, 0), network(seed=3).forward(batch(images)))
    own = network()
    own.precision = "fp16"
    assert_rows(rows(events, 1), own.forward(batch(images)))
    assert_rows(rows(events, 2), network(seed=3).forward(batch(contents(6)[3:])))
    altered = network(seed=3)
    altered.epsilon = 0.5
    assert_rows(rows(events, 3), altered.forward(batch(images)))


def test_a_state_that_does_not_fit_fails_alone(tmp_path: Path) -> None:
    arrays.save(network().state() | {"mix": np.zeros((2, 2), np.float32)}, tmp_path / "state.npz")
    events = varied(task(tmp_path, contents(2), [{"state": str(tmp_path / "state.npz")}, BGR]))
    assert "mix has shape (2, 2), expected (3, 3)" in failures(events)[0]
    assert len(rows(events, 1)) == 2


# -- prepared images


def inputs(folder: Path, given: Mapping[str, Any], images: Sequence[bytes]) -> dict[str, str]:
    """Image -> file of its steps, the way worker.prepare_images leaves them."""
    found = {}
    for index, (ref, image) in enumerate(zip(given["images"], images, strict=True)):
        arrays.save(network().preprocessing_steps(image), folder / f"{index}.npz")
        found[ref[0]] = str(folder / f"{index}.npz")
    return found


def test_prepared_images_are_read_from_their_files(tmp_path: Path) -> None:
    images, others = contents(20), contents(40)[20:]
    given = task(tmp_path, images, [])
    given["variants"] = [{"inputs": inputs(tmp_path / "inputs", given, others)}, BGR]
    events = varied(given)
    assert_rows(rows(events), network().forward(batch(others)))
    assert [event["unchanged"] for event in of(events, 0)] == [[], []]
    assert len(rows(events, 1)) == 20


def test_an_image_that_was_not_prepared_fails_its_variant_alone(tmp_path: Path) -> None:
    images = contents(3)
    given = task(tmp_path, images, [])
    files = inputs(tmp_path / "inputs", given, images)
    files.pop(given["images"][1][0])
    given["variants"] = [{"inputs": files}, BGR]
    events = varied(given)
    assert failures(events).keys() == {0}
    assert given["images"][1][0] in failures(events)[0]
    assert len(rows(events, 1)) == 3


def test_prepared_images_go_with_an_altered_network_and_with_other_weights(tmp_path: Path) -> None:
    images, others = contents(2), contents(4)[2:]
    other = save_checkpoint(tmp_path / "other.bin", seed=3)
    given = task(tmp_path, images, [])
    files = inputs(tmp_path / "inputs", given, others)
    given["variants"] = [
        {"inputs": files, "alteration": {"factor": "epsilon", "value": 0.5}},
        {"inputs": files, "checkpoint": other.file},
    ]
    events = varied(given)
    altered = network()
    altered.epsilon = 0.5
    assert_rows(rows(events, 0), altered.forward(batch(others)))
    assert_rows(rows(events, 1), network(seed=3).forward(batch(others)))


# -- altered networks


@pytest.mark.parametrize(
    ("name", "value"), [("epsilon", 0.5), ("epsilon", 1e-3), ("precision", "bf16"), ("precision", "fp16")]
)
def test_an_altered_network_is_run_on_the_sources_own_images(tmp_path: Path, name: str, value: Any) -> None:
    images = [*contents(17), GREY, b"BAD"]
    alteration = {"alteration": {"factor": name, "value": value}}
    events = varied(task(tmp_path, images, [alteration, BGR, alteration]))
    altered = network()
    setattr(altered, name, value)
    expected = altered.forward(batch(images[:18]))
    assert not np.array_equal(expected, network().forward(batch(images[:18])))
    for variant in (0, 2):
        assert_rows(rows(events, variant), expected)
        assert [event["unchanged"] for event in of(events, variant)] == [[], []]
        assert names(of(events, variant)[1]["undecodable"]) == ["018"]
    # between them the network was as before
    turned = ((batch(images[:17]) * 0.25 + 0.5)[:, ::-1] - 0.5) / 0.25
    assert_rows(rows(events, 1), network().forward(turned))


def test_an_altered_network_may_be_given_other_images(tmp_path: Path) -> None:
    both = {"alteration": {"factor": "epsilon", "value": 0.5}, **BGR}
    events = varied(task(tmp_path, [*contents(2), GREY], [both]))
    altered = network()
    altered.epsilon = 0.5
    turned = ((batch([*contents(2), GREY]) * 0.25 + 0.5)[:, ::-1] - 0.5) / 0.25
    assert_rows(rows(events), altered.forward(turned))


def test_what_a_network_cannot_alter_fails_alone_with_its_message(tmp_path: Path) -> None:
    activation = {"alteration": {"factor": "activation", "from": "ReLU", "to": "SiLU"}}
    events = varied(task(tmp_path, contents(20), [activation, BGR]))
    assert failures(events) == {0: "fake: it has no activation"}
    assert len(rows(events, 1)) == 20


def test_a_network_that_cannot_be_altered_at_all_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fake_adapter.FakeNetwork, "altered")
    events = varied(task(tmp_path, contents(20), [{"alteration": {"factor": "epsilon", "value": 0.5}}, BGR]))
    assert failures(events) == {0: "the adapter cannot alter its networks"}
    assert len(rows(events, 1)) == 20


def test_an_alteration_that_fails_halfway_leaves_the_network_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake_adapter.FakeNetwork.forward

    def forward(net: fake_adapter.FakeNetwork, images: np.ndarray) -> np.ndarray:
        if net.epsilon != 1e-5:
            raise MemoryError
        return real(net, images)

    monkeypatch.setattr(fake_adapter.FakeNetwork, "forward", forward)
    epsilon = {"alteration": {"factor": "epsilon", "value": 0.5}}
    fp16 = {"alteration": {"factor": "precision", "value": "fp16"}}
    events = varied(task(tmp_path, contents(3), [epsilon, fp16]))
    assert failures(events) == {0: "MemoryError"}
    altered = network()
    altered.precision = "fp16"
    assert_rows(rows(events, 1), real(altered, batch(contents(3))))
