"""The contract's suite: a source that keeps the contract passes, and each fault fails the clause meant for it alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conforming_adapter import Adapter, Network, adapter, network
from faulty_adapters import FAULTS
from harness.adapters import runtimes
from harness.adapters.base import OPTIONAL_OF_ADAPTER, OPTIONAL_OF_NETWORK, AdapterClass, Array, Inference
from harness.adapters.base import Network as NetworkContract
from harness.adapters.testing.asked import photos
from harness.adapters.testing.clauses import CLAUSES, check
from harness.adapters.testing.renaming import renamed

#: NumPy leaves open what it cannot read
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
OPTIONAL = {*OPTIONAL_OF_ADAPTER, *OPTIONAL_OF_NETWORK}
RUNTIMES = ("openvino", "onnxruntime")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the pictures; other runtimes run what the fake networks write for them."""
    for runtime in RUNTIMES:
        monkeypatch.setitem(runtimes._LOADERS, runtime, _load)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)
    photos(tmp_path)
    return tmp_path


def _load(file: Path, _: str) -> Inference:
    """A network as the conforming one writes it."""
    network = Network("tiny", 0, None)
    with np.load(file) as entries:
        network.load_state(dict(entries))
    return Inference("fake runtime", network.forward)


def broken(found: dict[str, Any]) -> dict[str, str]:
    return {clause: outcome.why for clause, outcome in found.items() if outcome.kind == "broken"}


def skipped(found: dict[str, Any]) -> dict[str, str]:
    return {clause: outcome.why for clause, outcome in found.items() if outcome.kind == "skipped"}


def test_a_source_that_keeps_the_contract_passes(folder: Path) -> None:
    found = check(Adapter(), "tiny", folder)
    assert list(found) == list(CLAUSES)
    assert {outcome.kind for outcome in found.values()} == {"held"}, found


def test_every_clause_has_a_fault() -> None:
    assert {clause for clause, _ in FAULTS} == set(CLAUSES)


@pytest.mark.parametrize(("clause", "fault"), FAULTS, ids=[f"{clause}: {fault}" for clause, fault in FAULTS])
def test_a_fault_fails_the_clause_meant_for_it_alone(folder: Path, clause: str, fault: str) -> None:
    why = broken(check(FAULTS[clause, fault](), "tiny", folder))
    assert list(why) == [clause], why
    assert "expected" in why[clause]


class Plain:
    """An adapter or a network with what has to be there, and nothing else."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        if name in OPTIONAL:
            raise AttributeError(name)
        return getattr(self._of, name)

    def build(self, *given: Any, **named: Any) -> Any:
        return Plain(self._of.build(*given, **named))


INHERITED = type("Inherited", (adapter(),), {name: getattr(AdapterClass, name) for name in OPTIONAL_OF_ADAPTER})
INHERITED.kind = network(**{name: getattr(NetworkContract, name) for name in OPTIONAL_OF_NETWORK}).kind


@pytest.mark.parametrize("source", [Plain(Adapter()), INHERITED()], ids=["missing", "inherited"])
def test_an_optional_method_that_is_not_there_is_skipped_with_the_reason(folder: Path, source: Any) -> None:
    found = check(source, "tiny", folder)
    assert not broken(found)
    why = skipped(found)
    assert why.keys() == OPTIONAL
    assert why["export"] == "the network has no method export() of its own, which is optional"
    assert why["aliases"] == "Adapter has no method aliases() of its own, which is optional"


def test_a_runtime_that_is_not_there_is_skipped_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (why,) = skipped(check(Adapter(), "tiny", folder)).values()
    assert "cannot be run, because openvino is not in this environment" in why
    assert why.endswith("--runtime openvino")


def test_what_cannot_be_done_may_be_refused_with_a_reason(folder: Path) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("fake: it has none of that")

    found = check(network(altered=refuse, export=refuse)(), "tiny", folder)
    assert not broken(found)
    assert "fake: it has none of that" in skipped(found)["export"]


def _small(monkeypatch: pytest.MonkeyPatch, *names: str, **methods: Any) -> Adapter:
    """A source whose networks keep these entries alone, without running statistics; all else is the same in each."""

    def parameters(of: Network) -> Any:
        size = sum(getattr(of, name).size for name in names)
        counts = {"running_statistics": 0, "learnable": size, "by_type": {"Linear": size}}
        return dataclasses.replace(Network.parameters(of), **counts)

    def trace(of: Network, batch: Array, emit: Any, values: bool = True) -> None:
        whole = Network(of.model, 0, of.input_size)
        whole.mix, whole.weight, whole.bias = of.mix, of.weight, of.bias
        Network.trace(whole, batch, lambda call: emit(dataclasses.replace(call, tensors={})), values)

    def fixed(value: Any) -> property:
        return property(lambda _: value.astype(np.float32), lambda *_: None)

    bias = {} if "bias" in names else {"bias": fixed(np.zeros(1000))}
    source = network(
        _names=lambda _: {name: name for name in names},
        calibrate=lambda *_: None,
        parameters=parameters,
        trace=trace,
        **{"mix": fixed(np.eye(3)), "mean": fixed(np.zeros(48)), "var": fixed(np.ones(48)), **bias, **methods},
    )()

    def load(file: Path, _: str) -> Inference:
        written = source.kind("tiny", 0, None)
        with np.load(file) as entries:
            written.load_state(dict(entries), "name", "what was written")
        return Inference("fake runtime", written.forward)

    for runtime in RUNTIMES:
        monkeypatch.setitem(runtimes._LOADERS, runtime, load)
    return source


SMALL = [("weight",), ("weight", "bias"), ("bias", "weight")]


@pytest.mark.parametrize("names", SMALL, ids="-".join)
def test_a_network_may_keep_one_or_two_entries(
    folder: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    assert not broken(check(_small(monkeypatch, *names), "tiny", folder))


@pytest.mark.parametrize("names", SMALL, ids="-".join)
@pytest.mark.parametrize("misfit", ["missing", "misshapen"])
def test_a_state_of_one_or_two_entries_that_does_not_fit_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], misfit: str
) -> None:
    def lenient(of: Network, state: Any, *where: Any) -> None:
        own = of.state()
        if not where and misfit == "missing":
            state = {**own, **state}
        elif not where:
            fits = [name for name in state if name not in own or state[name].shape == own[name].shape]
            state = {name: state[name] if name in fits else own[name] for name in state}
        Network.load_state(of, state, *where)

    why = broken(check(_small(monkeypatch, *names, load_state=lenient), "tiny", folder))
    assert list(why) == ["state"], why


def test_a_plain_class_with_the_former_trace_passes(folder: Path) -> None:
    def trace(of: Network, batch: Any, values: bool = True) -> Any:
        calls: list[Any] = []
        Network.trace(of, batch, calls.append, values)
        yield from calls

    assert not broken(check(network(trace=trace)(), "tiny", folder))


# -- a checkpoint with other names


def test_names_in_a_file_are_renamed_at_their_length() -> None:
    content = b"\x00conv.weight\x01\x02layer.conv.weight\x03Fc.bias\x04"
    assert renamed(content, ["conv.weight", "layer.conv.weight", "Fc.bias"]) == (
        b"\x00CONV.WEIGHT\x01\x02LAYER.CONV.WEIGHT\x03fC.BIAS\x04"
    )


@pytest.mark.parametrize("names", [["conv.weight", "fc.bias"], ["conv"], ["w"], ["1234"]])
def test_a_file_that_does_not_hold_the_names_as_they_are_is_left_alone(names: list[str]) -> None:
    assert renamed(b"\x00conv.w\x01eight w 1234", names) == (
        b"\x00CONV.w\x01eight w 1234" if names == ["conv"] else None
    )


def test_a_checkpoint_without_names_is_skipped_with_the_reason(folder: Path) -> None:
    def save(of: Network, path: Path, stand_in: str | None = None) -> None:
        Network.save(of, path, stand_in)
        path.write_bytes(path.read_bytes()[::-1])

    def build(of: Adapter, model: str, checkpoint: Path | None = None, *rest: Any, **named: Any) -> Any:
        if checkpoint:
            turned = checkpoint.with_suffix(".turned")
            turned.write_bytes(checkpoint.read_bytes()[::-1])
            checkpoint = turned
        return Adapter.build(of, model, checkpoint, *rest, **named)

    def stand_in(of: Adapter, checkpoint: Path) -> str | None:
        turned = checkpoint.with_suffix(".turned")
        turned.write_bytes(checkpoint.read_bytes()[::-1])
        return Adapter.stand_in(of, turned)

    source = type("Turned", (adapter(build=build, stand_in=stand_in),), {"kind": network(save=save, export=_no).kind})
    found = check(source(), "tiny", folder)
    assert not broken(found)
    assert "test build(match='order') yourself" in skipped(found)["match_order"]


def _no(*_: Any) -> Any:
    raise NotImplementedError("fake: it writes for no other runtime")
