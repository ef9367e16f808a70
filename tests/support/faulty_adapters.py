"""Adapters that break one clause of the contract each, and keep the others."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from conforming_adapter import Adapter, Network, adapter, network
from fake_adapter import CheckpointError
from harness.adapters.base import Array, Document, Inference, LayerCall, Preprocessing


def _build(change: Callable[..., dict[str, Any]]) -> type[Adapter]:
    """An adapter that builds with other arguments."""

    def build(
        of: Adapter, model: str, checkpoint: Any = None, match: Any = "name", seed: int = 0, input_size: Any = None
    ) -> Any:
        given = {"checkpoint": checkpoint, "match": match, "seed": seed, "input_size": input_size}
        return Adapter.build(of, model, **{**given, **change(**given)})

    return adapter(build=build)


# -- names and sizes


def _resized(of: Network, _: str, seed: int, size: int | None, described: bool = True) -> None:
    Network.__init__(of, "tiny", seed, None)
    of.input_size = size or of.input_size
    if described:
        of.preprocessing = dataclasses.replace(of.preprocessing, crop=of.input_size)


def _steps_of_its_own_size(of: Network, image: bytes) -> Mapping[str, Any]:
    described = of.preprocessing
    of.preprocessing = Preprocessing("PIL", 10, 8, "PIL bilinear", described.mean, described.std)
    try:
        return Network.preprocessing_steps(of, image)
    finally:
        of.preprocessing = described


# -- weights


def _executes(**given: Any) -> dict[str, Any]:
    if given["checkpoint"]:
        with contextlib.suppress(Exception), given["checkpoint"].open("rb") as file:
            pickle.load(file)
    return {}


def _takes(known: Callable[[Mapping[str, Array], Mapping[str, Array]], dict[str, Array]]) -> type[Adapter]:
    """Networks that make a state fit which does not, where it comes from no checkpoint."""

    def load_state(of: Network, state: Mapping[str, Array], *where: Any) -> None:
        Network.load_state(of, state if where else known(state, of.state()), *where)

    return network(load_state=load_state)


def _without_names(of: Network, state: Mapping[str, Array], *where: Any) -> None:
    try:
        Network.load_state(of, state, *where)
    except CheckpointError as error:
        raise CheckpointError("it does not fit") from error


def _momentum(of: Network, batches: Iterable[Array]) -> None:
    before = of.mean, of.var
    Network.calibrate(of, batches)
    of.mean, of.var = (0.9 * old + 0.1 * new for old, new in zip(before, (of.mean, of.var), strict=True))


def _weights_too(of: Network, batches: Iterable[Array]) -> None:
    Network.calibrate(of, batches)
    of.bias = of.bias + 1


def _goes_on_training(of: Network, batches: Iterable[Array]) -> None:
    Network.calibrate(of, batches)
    of.training = True


def _trains(of: Network, batch: Array, *rest: Any) -> Array:
    if getattr(of, "training", False):
        of.mean = of._pooled(batch).mean(axis=0)
    return Network.forward(of, batch, *rest)


# -- what it computes


def _from_one(of: Network, batch: Any, emit: Callable[[LayerCall], None], values: bool = True) -> None:
    Network.trace(of, batch, lambda call: emit(dataclasses.replace(call, index=call.index + 1)), values)


def _counts(of: Network, size: int) -> dict[str, int | str]:
    of.weight = of.weight + 1
    return dict(Network.multiply_adds(of, size))


@contextlib.contextmanager
def _nothing(of: Network, alteration: Mapping[str, Any]) -> Iterator[None]:
    with Network.altered(of, alteration):
        of.epsilon, of.precision = 1e-5, "fp32"
        yield


@contextlib.contextmanager
def _for_good(of: Network, alteration: Mapping[str, Any]) -> Iterator[None]:
    with Network.altered(of, alteration):
        held = of.epsilon, of.precision
        yield
    of.epsilon, of.precision = held


@contextlib.contextmanager
def _all_of_them(of: Network, alteration: Mapping[str, Any]) -> Iterator[None]:
    with Network.altered(of, alteration):
        kind: Any = type(of)
        kind.shared = of.epsilon, of.precision
        try:
            yield
        finally:
            kind.shared = None


def _shared(of: Network, batch: Array, *rest: Any) -> Array:
    own = of.epsilon, of.precision
    of.epsilon, of.precision = getattr(of, "shared", None) or own
    try:
        return Network.forward(of, batch, *rest)
    finally:
        of.epsilon, of.precision = own


@contextlib.contextmanager
def _whatever(of: Network, alteration: Mapping[str, Any]) -> Iterator[None]:
    if alteration["factor"] != "no_such_factor":
        with Network.altered(of, alteration):
            yield
    else:
        yield


@contextlib.contextmanager
def _one_value(of: Network, alteration: Mapping[str, Any]) -> Iterator[None]:
    fixed = {"value": 0.01} if alteration["factor"] == "epsilon" else {}
    with Network.altered(of, {**alteration, **fixed}):
        yield


def _inference(change: Callable[[Network, Array], Array], precision: str | None = None) -> type[Adapter]:
    """Networks that run otherwise than forward() says, in one precision or in each."""

    def inference(of: Network, asked: str, example: Array) -> Inference:
        if precision not in (None, asked):
            return Network.inference(of, asked, example)
        return Inference("fake", lambda batch: change(of, batch))

    return network(inference=inference)


def _refuses_silently(of: Network, precision: str, example: Array) -> Inference:
    if precision == "bf16":
        raise NotImplementedError
    return Network.inference(of, precision, example)


def _first_one() -> type[Adapter]:
    kept: list[Inference] = []

    def inference(of: Network, precision: str, example: Array) -> Inference:
        if precision == "fp32" and not kept:
            kept.append(Network.inference(of, precision, example))
        return kept[0]

    return network(inference=inference)


def _exports_another(of: Network, runtime: str, folder: Path) -> Path:
    other = Network(of.model, 2, None)
    return Network.export(other, runtime, folder)


def _exports_elsewhere(of: Network, runtime: str, folder: Path) -> Path:
    return Network.export(of, runtime, folder.parent)


def _exports_changed(of: Network, runtime: str, folder: Path) -> Path:
    file = Network.export(of, runtime, folder)
    of.bias = of.bias + 1
    return file


# -- how it prepares an image


def _changed(step: str, change: Callable[[Any], Any]) -> type[Adapter]:
    def steps(of: Network, image: bytes) -> Mapping[str, Any]:
        found = Network.preprocessing_steps(of, image)
        return {**found, step: change(found[step])}

    return network(preprocessing_steps=steps)


_DOUBLE = network(
    forward=lambda of, batch, *_: Network.forward(of, batch).astype(np.float64),
    inference=lambda of, *_: Inference("fake", lambda batch: Network.forward(of, batch)),
)

#: clause and what is wrong -> an adapter that has this fault
FAULTS: dict[tuple[str, str], type[Adapter]] = {
    ("models", "another name"): adapter(models=lambda _: ["another"]),
    ("models", "no KeyError"): adapter(
        build=lambda of, model, *given, **named: Adapter.build(
            of, "tiny" if model.startswith("no_such") else model, *given, **named
        )
    ),
    ("aliases", "another model's name"): adapter(aliases=lambda _: {"tiny": "twin"}),
    ("aliases", "leads to nothing"): adapter(aliases=lambda _: {"tiny53": "huge"}),
    ("checkpoint_url", "empty"): adapter(checkpoint_url=lambda *_: ""),
    ("checkpoint_url", "a path"): adapter(checkpoint_url=lambda *_: "weights/tiny.bin"),
    ("documents", "a cell is missing"): adapter(documents=lambda _: [Document("a", ("Name", "Top 1"), [(1, ("x",))])]),
    ("outline", "another network"): adapter(outline=lambda of, _: of.build("tiny_wide")),
    ("input_size", "ignored"): _build(lambda **_: {"input_size": None}),
    ("input_size", "of the network alone"): network(
        __init__=lambda of, model, seed, size: _resized(of, model, seed, size, described=False)
    ),
    ("input_size", "not of the images"): network(__init__=_resized, preprocessing_steps=_steps_of_its_own_size),
    ("seed", "ignored"): _build(lambda **_: {"seed": 1}),
    ("checkpoint", "taken for a stand-in"): adapter(stand_in=lambda *_: "made up"),
    ("stand_in", "no mark"): adapter(stand_in=lambda *_: None),
    ("states", "none"): network(states=lambda _: {}),
    ("states", "loads nothing"): network(states=lambda of: {name: lambda: None for name in of.sets}),
    ("states", "without a checkpoint"): network(states=lambda of: of.sets or {"weights": lambda: None}),
    ("match_order", "ignored"): _build(lambda **_: {"match": "name"}),
    ("match_order", "always"): _build(lambda **_: {"match": "order"}),
    ("state", "a missing entry is left as it is"): _takes(lambda state, own: {**own, **state}),
    ("state", "an unknown entry is left out"): _takes(lambda state, own: {n: a for n, a in state.items() if n in own}),
    ("state", "another shape is left out"): _takes(
        lambda state, own: {n: a if n in own and a.shape == own[n].shape else own.get(n, a) for n, a in state.items()}
    ),
    ("state", "no names"): network(load_state=_without_names),
    ("state", "nothing is loaded"): _takes(lambda state, own: {**state, **{n: own[n] for n in own if n in state}}),
    ("refusal", "an empty file"): _build(
        lambda **given: {"checkpoint": ((path := given["checkpoint"]) and path.stat().st_size and path) or None}
    ),
    ("refusal", "code is run"): _build(_executes),
    ("calibrate", "nothing"): network(calibrate=lambda *_: None),
    ("calibrate", "a part"): network(calibrate=_momentum),
    ("calibrate", "the last batch"): network(calibrate=lambda of, batches: Network.calibrate(of, [*batches][-1:])),
    ("calibrate", "the first batch"): network(calibrate=lambda of, batches: Network.calibrate(of, [next(batches)])),
    ("calibrate", "weights too"): network(calibrate=_weights_too),
    ("calibrate", "training goes on"): network(calibrate=_goes_on_training, forward=_trains),
    ("classifier", "kept"): network(set_classifier=lambda *_: None),
    ("forward", "another type"): _DOUBLE,
    ("parameters", "too many"): network(
        parameters=lambda of: dataclasses.replace(Network.parameters(of), other_buffers=1)
    ),
    ("multiply_adds", "changes the network"): network(multiply_adds=_counts),
    ("trace", "begins with 1"): network(trace=_from_one),
    ("altered", "nothing"): network(altered=_nothing),
    ("altered", "for good"): network(altered=_for_good),
    ("altered", "other networks"): network(altered=_all_of_them, forward=_shared),
    ("altered", "by whatever is asked"): network(altered=_whatever),
    ("altered", "the same by any value"): network(altered=_one_value),
    ("inference", "another function"): _inference(lambda of, batch: of.forward(batch)[:, ::-1]),
    ("inference", "another type"): _inference(lambda of, batch: of.forward(batch).astype(np.float64)),
    ("inference", "one image"): _inference(lambda of, batch: of.forward(batch)[:1], "fp32"),
    ("inference", "another type in bf16"): _inference(lambda of, batch: of.forward(batch).astype(np.float16), "bf16"),
    ("inference", "the first network's"): _first_one(),
    ("inference", "no reason"): network(inference=_refuses_silently),
    ("export", "nothing"): network(export=lambda _, runtime, folder: folder / runtime),
    ("export", "another network"): network(export=_exports_another),
    ("export", "changes the network"): network(export=_exports_changed),
    ("export", "elsewhere"): network(export=_exports_elsewhere),
    ("preprocessing", "BGR"): _changed("decode", lambda pixels: pixels[..., ::-1]),
    ("independent_steps", "turned afterwards"): _changed("resize", lambda pixels: pixels[::-1]),
    ("undecodable", "decoded"): network(
        preprocess=lambda of, image: image[:1] != b"\xff" and Network.preprocess(of, image)
    ),
}
