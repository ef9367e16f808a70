"""Runs one source's weights in the other's network, on the same prepared images: do both compute one function?

Everything is run and written to files first; it is judged afterwards, from the files.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.checks.equivalence import divergence, graph, layer_matching, trace
from harness.checks.equivalence.logit_difference import LogitDifference, difference_of_logits
from harness.core import codec
from harness.core.records import PairResult, Source
from harness.core.text import plural
from harness.dataset.image_set import ImageSet, shuffled
from harness.execution.cache_keys import code_digest
from harness.execution.environments import Installed
from harness.execution.session import K, Session
from harness.plan.pairs import Pair
from harness.worker.arrays import load
from harness.worker.protocol import Conditioned, Event, Failed
from harness.worker.tasks import ApplyState, Condition, ModelTask, TraceNetwork

#: images on which two networks are compared, if that many were given
IMAGES = 64
_SEED = 0


@dataclass(frozen=True)
class _Network:
    source: Source
    model: str
    input_size: int | None


def compare(
    pairs: Sequence[Pair], installed: Mapping[Source, Installed], images: ImageSet, session: Session
) -> list[PairResult]:
    """The result of each pair; one that could not be measured is noted with the session and left out."""
    found: dict[Pair, PairResult] = {}
    for pair in pairs:
        known = session.store.cached(_identity(pair, installed, images, session))
        if known is not None:
            found[pair] = codec.decode(PairResult, known)
    missing = [pair for pair in pairs if pair not in found]
    if missing:
        scratch = Path(tempfile.mkdtemp(prefix="numerics-", dir=session.store.local))
        try:
            for pair, result in _Comparison(missing, installed, images, session, scratch).run().items():
                found[pair] = result
                session.store.save(_identity(pair, installed, images, session), dataclasses.asdict(result))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return [found[pair] for pair in pairs if pair in found]


def _identity(pair: Pair, installed: Mapping[Source, Installed], images: ImageSet, session: Session) -> dict[str, Any]:
    sides: dict[str, Any] = {
        name: session.identity(installed[source], "pair") for name, source in (("a", pair.a), ("b", pair.b))
    }
    names = [ref.name for ref in shuffled(images.images)[:IMAGES]]
    sides["code"] = code_digest("core", "checks/equivalence")
    sides["device"] = "cpu"  # where every source can compute
    return {"model": pair.model, "input_size": pair.input_size, "data": images.digest, "images": names, **sides}


class _Comparison:
    """One run over all pairs: each source works through its networks once per phase, all sources in parallel."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        installed: Mapping[Source, Installed],
        images: ImageSet,
        session: Session,
        scratch: Path,
    ) -> None:
        self._pairs = list(pairs)
        self._installed = installed
        self._refs = shuffled(images.images)[:IMAGES]
        self._session = session
        self._scratch = scratch
        self._built: dict[_Network, Conditioned] = {}

    def run(self) -> dict[Pair, PairResult]:
        self._condition()
        matched = self._match()
        logits = self._apply([pair for pair in self._pairs if isinstance(matched.get(pair), list)])
        traced = self._trace([pair for pair, measured in logits.items() if measured.beyond_rounding])
        return {
            pair: self._result(pair, matched[pair], logits.get(pair), pair in traced)
            for pair in self._pairs
            if pair in logits or isinstance(matched.get(pair), str)
        }

    # -- phases ----------------------------------------------------------------------------------

    def _condition(self) -> None:
        """Every network built; those that give weights are conditioned on the images."""
        giving = dict.fromkeys(_first(pair) for pair in self._pairs)
        networks = dict.fromkeys([*giving, *(_second(pair) for pair in self._pairs)])
        tasks: dict[Source, list[tuple[_Network, Condition]]] = {}
        for network in networks:
            refs = self._refs if network in giving else []
            task = Condition(images=refs, out=str(self._folder(network)), **self._build(network))
            tasks.setdefault(network.source, []).append((network, task))
        self._session.progress.stage(f"numerics: conditioning weights on {len(self._refs)} images")

        def handle(network: _Network, event: Event) -> None:
            if isinstance(event, Conditioned):
                self._built[network] = event
                for name, why in event.undecodable:
                    self._session.fail(network.source, network.model, "numerics", f"{name} was left out: {why}")

        self._run(tasks, handle)

    def _match(self) -> dict[Pair, list[tuple[trace.Layer, trace.Layer]] | str]:
        """Pairs of layers, or why they cannot be matched; also writes b's state with a's weights."""
        matched: dict[Pair, list[tuple[trace.Layer, trace.Layer]] | str] = {}
        for pair in self._pairs:
            a, b = _first(pair), _second(pair)
            if a not in self._built or b not in self._built:
                continue
            try:
                layers = layer_matching.match(self._structure(a), self._structure(b), self._shapes(a), self._shapes(b))
            except layer_matching.CorrespondenceError as error:
                matched[pair] = str(error)
                continue
            moved = layer_matching.transfer(layers, load(self._folder(a) / "state.npz"))
            folder = self._pair_folder(pair)
            folder.mkdir(parents=True)
            np.savez(folder / "state.npz", **{**load(self._folder(b) / "own.npz"), **moved})  # type: ignore[arg-type]
            matched[pair] = layers
        return matched

    def _apply(self, pairs: Sequence[Pair]) -> dict[Pair, LogitDifference]:
        """How the logits of b with a's weights differ from those of a; what failed is left out."""
        tasks: dict[Source, list[tuple[Pair, ApplyState]]] = {}
        for pair in pairs:
            out = self._pair_folder(pair) / "logits.npy"
            state = self._pair_folder(pair) / "state.npz"
            task = ApplyState(out=str(out), **self._with_state(_second(pair), pair, state))
            tasks.setdefault(pair.b, []).append((pair, task))
        self._session.progress.stage(f"numerics: the same weights in {len(pairs)} other networks")
        self._run(tasks, lambda _pair, _event: None)
        found = {}
        for pair in pairs:
            own, other = self._folder(_first(pair)) / "logits.npy", self._pair_folder(pair) / "logits.npy"
            if other.is_file():
                found[pair] = difference_of_logits(*(np.load(path, allow_pickle=False) for path in (own, other)))
        return found

    def _trace(self, pairs: Sequence[Pair]) -> set[Pair]:
        """Every operation's output on one image, of both networks of each pair."""
        tasks: dict[Source, list[tuple[Pair, TraceNetwork]]] = {}
        given: set[_Network] = set()
        for pair in pairs:
            a, b = _first(pair), _second(pair)
            if a not in given:
                given.add(a)
                own = self._with_state(a, pair, self._folder(a) / "state.npz")
                task = TraceNetwork(out=str(self._folder(a) / "trace"), **own)
                tasks.setdefault(pair.a, []).append((pair, task))
            moved = self._with_state(b, pair, self._pair_folder(pair) / "state.npz")
            task = TraceNetwork(out=str(self._pair_folder(pair) / "trace"), **moved)
            tasks.setdefault(pair.b, []).append((pair, task))
        if pairs:
            self._session.progress.stage(f"numerics: tracing {plural(len(pairs), 'pair')} to where they differ")
        failed: set[Pair] = set()
        self._run(tasks, lambda pair, event: failed.add(pair) if isinstance(event, Failed) else None)
        return set(pairs) - failed

    # -- results ---------------------------------------------------------------------------------

    def _result(
        self,
        pair: Pair,
        matched: list[tuple[trace.Layer, trace.Layer]] | str,
        measured: LogitDifference | None,
        traced: bool,
    ) -> PairResult:
        a, b = self._structure(_first(pair)), self._structure(_second(pair))
        inventories = (graph.inventory(a), graph.inventory(b))
        size = self._built[_first(pair)].input_size
        if isinstance(matched, str):
            return PairResult(
                pair.a, pair.b, pair.model, size, 0, "no_correspondence", reason=matched, inventories=inventories
            )
        assert measured is not None
        first, layers = None, []
        if measured.beyond_rounding and traced:
            own = trace.read(self._folder(_first(pair)) / "trace")
            other = trace.read(self._pair_folder(pair) / "trace")
            first = divergence.first_divergence(own, other, matched)
            if first and not np.isfinite(first.difference or 0.0):
                first = dataclasses.replace(first, difference=None)  # JSON has no infinity or NaN
            layers = [(name, value) for name, value in divergence.profile(own, other, matched) if np.isfinite(value)]
        return PairResult(
            pair.a,
            pair.b,
            pair.model,
            size,
            measured.images,
            "different_function" if measured.beyond_rounding else "same_function",
            max_abs_diff=_finite(measured.max_abs_diff),
            relative_diff=_finite(measured.relative),
            top1_agreement=measured.top1_agreement,
            top5_agreement=measured.top5_agreement,
            divergence=first,
            layers=tuple(layers),
            wiring_differences=tuple(graph.wiring_differences(a, b, matched)),
            inventories=inventories,
        )

    # -- plumbing --------------------------------------------------------------------------------

    def _build(self, network: _Network) -> dict[str, Any]:
        return {
            "documented": network.model,
            "seed": _SEED,
            "input_size": network.input_size,
            "batch_size": self._session.batch_size,
        }

    def _with_state(self, network: _Network, pair: Pair, state: Path) -> dict[str, Any]:
        inputs = self._folder(_first(pair)) / "inputs.npy"
        return {"state": str(state), "inputs": str(inputs), **self._build(network)}

    def _folder(self, network: _Network) -> Path:
        return self._scratch / f"{network.source}" / f"{network.model}@{network.input_size}"

    def _pair_folder(self, pair: Pair) -> Path:
        return self._scratch / f"{pair.a} in {pair.b}" / f"{pair.model}@{pair.input_size}"

    def _structure(self, network: _Network) -> trace.Trace:
        return trace.read(self._folder(network))

    def _shapes(self, network: _Network) -> dict[str, tuple[int, ...]]:
        return dict(self._built[network].shapes)

    def _run(
        self,
        tasks: Mapping[Source, Sequence[tuple[K, ModelTask]]],
        handle: Callable[[K, Event], None],
    ) -> None:
        sources = {source for pair in self._pairs for source in (pair.a, pair.b)}
        self._session.side_by_side(self._installed, tasks, "numerics", handle, len(sources))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None  # JSON has no infinity or NaN


def _first(pair: Pair) -> _Network:
    return _Network(pair.a, pair.model, pair.input_size)


def _second(pair: Pair) -> _Network:
    return _Network(pair.b, pair.model, pair.input_size)
