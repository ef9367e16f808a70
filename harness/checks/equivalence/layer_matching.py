"""Finds the layer of one network that corresponds to a layer of another from how they run, never from names.

Layers are matched in the order of execution where kinds and shapes agree all the way and every layer has
the same place in the network's graph; else by that place alone (Weisfeiler-Lehman refinement of kind and shapes
over the layers before and after). Names decide nothing; among interchangeable layers they have to agree with the
order, and where they do not, the correspondence is ambiguous.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.checks.equivalence.trace import Layer, Trace

Shapes = Mapping[str, tuple[int, ...]]
State = Mapping[str, npt.NDArray[np.generic]]


class CorrespondenceError(Exception):
    """It cannot be determined which parameter of one network is which of the other; the message says where."""


def match(a: Trace, b: Trace, shapes_a: Shapes, shapes_b: Shapes) -> list[tuple[Layer, Layer]]:
    """Pairs of layers in the order of a's execution. `shapes_*` map the entries of each state to their shapes.

    Raises CorrespondenceError where the networks do not have the same layers, or where several pairings fit.
    """
    for trace, shapes in ((a, shapes_a), (b, shapes_b)):
        _all_used(trace, shapes)
    labels_a = [_label(layer, shapes_a) for layer in a.layers]
    labels_b = [_label(layer, shapes_b) for layer in b.layers]
    if sorted(labels_a) != sorted(labels_b):
        raise CorrespondenceError(_first_difference(a, b, labels_a, labels_b))
    digests_a, digests_b = _graph_digests(a, labels_a), _graph_digests(b, labels_b)
    if digests_a == digests_b or (labels_a == labels_b and sorted(digests_a) != sorted(digests_b)):
        # equal graphs in the same order, or different graphs with the same layers in the same order
        pairs = list(zip(range(len(labels_a)), range(len(labels_b)), strict=True))
    elif sorted(digests_a) == sorted(digests_b):
        waiting: dict[str, list[int]] = {}
        for position, digest in enumerate(digests_b):
            waiting.setdefault(digest, []).append(position)
        pairs = [(position, waiting[digest].pop(0)) for position, digest in enumerate(digests_a)]
    else:
        raise CorrespondenceError(
            "the same layers run in different orders and in graphs that differ: "
            + _first_difference(a, b, labels_a, labels_b)
        )
    _names_agree(a, b, pairs, digests_a, digests_b)
    return [(a.layers[i], b.layers[j]) for i, j in pairs]


def transfer(pairs: Sequence[tuple[Layer, Layer]], state: State) -> dict[str, npt.NDArray[np.generic]]:
    """The entries of b's state that hold a's values, linear weights transposed where b stores them so."""
    moved: dict[str, npt.NDArray[np.generic]] = {}
    for one, other in pairs:
        turned = _turned(one) != _turned(other)
        for role, entry in one.tensors.items():
            value = state[entry]
            moved[other.tensors[role]] = value.T if turned and value.ndim == 2 else value
    return moved


def _turned(layer: Layer) -> bool:
    return layer.call.attributes.get("weight_layout") == "in,out"


def _all_used(trace: Trace, shapes: Shapes) -> None:
    used = {entry for layer in trace.layers for entry in layer.tensors.values()}
    idle = [entry for entry in shapes if entry not in used]
    if idle:
        raise CorrespondenceError(
            f"{len(idle)} entries of the state are used by no recorded operation, so it cannot be determined what they "
            f"correspond to: {', '.join(idle[:3])}"
        )


def _label(layer: Layer, shapes: Shapes) -> str:
    roles = []
    for role, entry in sorted(layer.tensors.items()):
        shape = shapes[entry]
        roles.append(f"{role}{shape[::-1] if _turned(layer) and len(shape) == 2 else shape}")
    kind = "Linear" if layer.call.kind == "MatMul" else layer.call.kind
    return f"{kind} {' '.join(roles)}"


def _graph_digests(trace: Trace, labels: Sequence[str]) -> list[str]:
    """A digest of every layer's place in the graph of layers: equal for layers that differ in their names only."""
    parents = _parents(trace)
    children: list[list[int]] = [[] for _ in labels]
    for child, befores in enumerate(parents):
        for before in befores:
            children[before].append(child)
    digests = list(labels)
    distinct = len(set(digests))
    while True:
        digests = [
            _digest(
                digest,
                *sorted(digests[p] for p in parents[i]),
                "|",
                *sorted(digests[c] for c in children[i]),
            )
            for i, digest in enumerate(digests)
        ]
        if len(set(digests)) == distinct:
            return digests
        distinct = len(set(digests))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _parents(trace: Trace) -> list[list[int]]:
    """Positions of the layers whose outputs reach each layer through operations without parameters."""
    reach: dict[int, frozenset[int]] = {}
    parents: dict[int, list[int]] = {}
    for call in trace.calls:
        before: frozenset[int] = frozenset().union(*(reach[i] for i in call.inputs if i is not None))
        position = trace.layer_of.get(call.index)
        if position is None:
            reach[call.index] = before
        else:
            reach[call.index] = frozenset({position})
            parents.setdefault(position, sorted(before - {position}))
    return [parents[position] for position in range(len(trace.layers))]


def _names_agree(
    a: Trace, b: Trace, pairs: Sequence[tuple[int, int]], digests_a: Sequence[str], digests_b: Sequence[str]
) -> None:
    """Raises CorrespondenceError unless layers in the same place have the same order by name in both networks."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for i, j in pairs:
        if digests_a[i] == digests_b[j]:
            groups.setdefault(digests_a[i], []).append((i, j))
    for group in groups.values():
        order_a = sorted(range(len(group)), key=lambda k: _natural(a.layers[group[k][0]].call.name))
        order_b = sorted(range(len(group)), key=lambda k: _natural(b.layers[group[k][1]].call.name))
        if order_a != order_b:
            names_a = ", ".join(a.layers[group[k][0]].call.name for k in order_a)
            names_b = ", ".join(b.layers[group[k][1]].call.name for k in order_b)
            raise CorrespondenceError(
                f"{len(group)} layers are interchangeable in kind, shape and place, and their names disagree with the "
                f"order in which they run: {names_a} against {names_b}"
            )


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _first_difference(a: Trace, b: Trace, labels_a: Sequence[str], labels_b: Sequence[str]) -> str:
    counts_a, counts_b = Counter(labels_a), Counter(labels_b)
    lone = [_lone(trace, labels, own - other) for trace, labels, own, other in
            ((a, labels_a, counts_a, counts_b), (b, labels_b, counts_b, counts_a))]  # fmt: skip
    without = f"; without a counterpart: {lone[0]} against {lone[1]}" if counts_a != counts_b else ""
    position = next(
        (i for i, (x, y) in enumerate(zip(labels_a, labels_b, strict=False)) if x != y),
        min(len(labels_a), len(labels_b)),
    )

    def describe(trace: Trace, labels: Sequence[str]) -> str:
        if position >= len(labels):
            return f"nothing after its {len(labels)} layers"
        return f"{trace.layers[position].call.name} ({labels[position]})"

    return (
        f"{len(labels_a)} against {len(labels_b)} layers; the first that differ in the order of execution are number "
        f"{position}: {describe(a, labels_a)} against {describe(b, labels_b)}{without}"
    )


def _lone(trace: Trace, labels: Sequence[str], surplus: Counter[str]) -> str:
    """The first kind of layer that this network has more of than the other."""
    said = []
    for label, count in list(surplus.items())[:3]:
        names = [layer.call.name for layer, own in zip(trace.layers, labels, strict=True) if own == label]
        among = f"{count} of " if count < len(names) else ""
        said.append(f"{among}{', '.join(names[:4])}{', ...' if len(names) > 4 else ''} ({label})")
    return "; ".join(said) + ("; ..." if len(surplus) > 3 else "") if said else "nothing"
