"""The contract's suite: a source that keeps the contract passes, and each broken clause fails by its name."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fake_adapter
import numpy as np
import pytest
from fakes import installed
from folders import SUPPORT
from harness.adapters.base import Document, LayerCall, Preprocessing, Steps, UndecodableImage
from harness.adapters.testing.clauses import CLAUSES, check
from harness.adapters.testing.plugin import results
from harness.adapters.testing.subject import COLOUR
from PIL import Image

from harness.execution.registry import SourceSpec

#: NumPy leaves open what it cannot read
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Network(fake_adapter.FakeNetwork):
    """The fake network for real images."""

    def __init__(self, model: str, seed: int, input_size: int | None) -> None:
        super().__init__(model, seed, input_size)
        self.preprocessing = Preprocessing("PIL", 10, 8, "PIL bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

    def preprocessing_steps(self, image: bytes) -> Steps:
        try:
            held = Image.open(io.BytesIO(image)).convert("RGB")
        except OSError as error:
            raise UndecodableImage(str(error)) from error
        small = held.resize((13, 10))
        crop = small.crop((2, 1, 10, 9))
        values = ((np.asarray(crop) / 255 - 0.5) / 0.25).transpose(2, 0, 1).astype(np.float32)
        return {"decode": np.asarray(held), "resize": np.asarray(small), "crop": np.asarray(crop), "normalise": values}


class Adapter(fake_adapter.Adapter):
    """Keeps the contract."""

    kind: type[Network] = Network

    def build(
        self, model: str, checkpoint: Any = None, match: Any = "name", seed: int = 0, input_size: Any = None
    ) -> Any:
        if model not in fake_adapter.GRIDS:
            raise KeyError(model)
        network = self.kind(model, seed, input_size)
        if checkpoint:
            entries = {n: a for n, a in fake_adapter._read(checkpoint).items() if n != fake_adapter.MARK}
            network.load_state(entries, match, str(checkpoint))
        return network

    def outline(self, model: str) -> Any:
        return self.build(model)

    def documents(self) -> list[Document]:
        return [Document("nets.yml", ("Name", "Top 1"), [(1, ("tiny", "70.1"))])]


def network(**methods: Any) -> type[Adapter]:
    """An adapter whose networks have other methods."""
    return type("Broken", (Adapter,), {"kind": type("BrokenNetwork", (Network,), methods)})


def adapter(**methods: Any) -> type[Adapter]:
    return type("Broken", (Adapter,), methods)


def _without_a_step(of: Network, batch: Any, emit: Callable[[LayerCall], None], values: bool = True) -> None:
    Network.trace(of, batch, lambda call: emit(dataclasses.replace(call, index=call.index + 1)), values)


def _changed(step: str, change: Callable[[Any], Any]) -> Callable[[Network, bytes], Mapping[str, Any]]:
    def steps(of: Network, image: bytes) -> Mapping[str, Any]:
        found = Network.preprocessing_steps(of, image)
        return {**found, step: change(found[step])}

    return steps


def _counts(of: Network, size: int) -> dict[str, int | str]:
    of.weight = of.weight + 1
    return dict(Network.multiply_adds(of, size))


def _without_seed(of: Adapter, model: str, checkpoint: Any = None, match: Any = "name", *_: Any, **__: Any) -> Any:
    return Adapter.build(of, model, checkpoint, match, 1)


def _whatever_is_empty(of: Adapter, model: str, checkpoint: Any = None, *rest: Any, **more: Any) -> Any:
    return Adapter.build(of, model, checkpoint if checkpoint and checkpoint.stat().st_size else None, *rest, **more)


#: clause -> an adapter that breaks it
BROKEN: dict[str, type[Adapter]] = {
    "models": adapter(models=lambda _: ["another"]),
    "aliases": adapter(aliases=lambda _: {"tiny": "twin"}),
    "forward": network(forward=lambda of, batch, *_: Network.forward(of, batch).astype(np.float64)),
    "seed": adapter(build=_without_seed),
    "checkpoint": adapter(stand_in=lambda *_: "made up"),
    "stand_in": adapter(stand_in=lambda *_: None),
    "state": network(load_state=lambda *_: None),
    "refusal": adapter(build=_whatever_is_empty),
    "parameters": network(parameters=lambda of: dataclasses.replace(Network.parameters(of), other_buffers=1)),
    "multiply_adds": network(multiply_adds=_counts),
    "outline": adapter(outline=lambda of, _: of.build("tiny_wide")),
    "documents": adapter(documents=lambda _: [Document("a", ("Name", "Top 1"), [(1, ("x",))])]),
    "trace": network(trace=_without_a_step),
    "classifier": network(set_classifier=lambda *_: None),
    "preprocessing": network(preprocessing_steps=_changed("decode", lambda pixels: pixels[..., ::-1])),
    "independent_steps": network(preprocessing_steps=_changed("resize", lambda pixels: pixels[::-1])),
    "undecodable": network(preprocess=lambda of, image: image[:1] != b"\xff" and Network.preprocess(of, image)),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    Image.fromarray(np.full((300, 400, 3), COLOUR, np.uint8)).save(tmp_path / "red.png")
    Image.fromarray(noise).save(tmp_path / "noise.png")
    return tmp_path


def test_a_source_that_keeps_the_contract_passes(folder: Path) -> None:
    assert check(Adapter(), "tiny", folder) == dict.fromkeys(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_broken_clause_fails_by_its_name(folder: Path, clause: str) -> None:
    why = check(BROKEN[clause](), "tiny", folder)[clause]
    assert why is not None
    assert "expected" in why


def test_a_plain_class_with_the_former_trace_passes(folder: Path) -> None:
    def trace(of: Network, batch: Any, values: bool = True) -> Iterator[LayerCall]:
        calls: list[LayerCall] = []
        Network.trace(of, batch, calls.append, values)
        yield from calls

    assert check(network(trace=trace)(), "tiny", folder) == dict.fromkeys(CLAUSES)


def test_it_runs_in_the_sources_own_environment() -> None:
    spec = SourceSpec("fake", "fake_adapter", SUPPORT, "numpy", np.__version__)
    found = results(dataclasses.replace(installed(), spec=spec), "tiny")
    assert found.keys() == CLAUSES.keys()
    assert found["seed"] is None
    assert "expected" in (found["preprocessing"] or ""), "the fake source reads no real images"
