"""Finds the weights of a network in a checkpoint, whatever they are wrapped in, by the names of its entries.

A file may hold several sets of weights, each under keys of its own, and wrappers put words before or into the names:
`module.`, `model.`, `_orig_mod.`, `backbone.`. None of them is known here: what counts is whether the names that are
left are those of the network. NumPy alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: a network's own count of the batches that it was trained on; older files have none, and no result depends on it
COUNTER = ".num_batches_tracked"
#: what weights are called that are not under a key
WHOLE = "the file itself"

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Named:
    """Entries of a checkpoint under the network's own names."""

    pairs: Mapping[str, str]  #: the network's name -> the file's
    wrapped: tuple[str, ...] = ()  #: what the file's names have besides, such as "module."
    left: tuple[str, ...] = field(default=(), compare=False)  #: the file's entries that no other reading explains


def sets(content: Mapping[Any, Any], first: Sequence[str] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every set of arrays in a file, by the keys that lead to it, joined by dots; "" is the file itself.

    Those under a key of `first` come first, in that order; the others as they are in the file.
    """
    found = dict(_sets(content, "", set()))
    named = [name for key in first for name in found if name == key]
    for name in dict.fromkeys([*named, *found]):
        yield name, found[name]


def _sets(content: Mapping[Any, Any], path: str, above: set[int]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if id(content) in above:  # a pickle can hold itself
        return
    arrays = {str(name): value for name, value in content.items() if _is_array(value)}
    if arrays:
        yield path, arrays
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _sets(value, f"{path}.{name}" if path else str(name), above | {id(content)})


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and not isinstance(value, np.generic)


def required(expected: Shapes) -> list[str]:
    """The entries without which a network is not whole."""
    return [name for name in expected if not name.endswith(COUNTER)]


def namings(expected: Shapes, given: Sequence[str]) -> list[Named]:
    """Every way to read the file's names as the network's, all of these being there; the plainest first."""
    needed = required(expected)
    if not needed:
        return []
    depth = max(name.count(".") for name in expected)
    by_prefix: dict[str, dict[str, str]] = {"": {name: name for name in given if name in expected}}
    for name in given:
        parts = name.rsplit(".", depth + 1)
        for cut in range(1, len(parts)):
            rest = ".".join(parts[cut:])
            if rest in expected:
                by_prefix.setdefault(name[: len(name) - len(rest)], {})[rest] = name
    whole = {prefix: pairs for prefix, pairs in by_prefix.items() if all(name in pairs for name in needed)}
    if not whole:
        inner = _without_unknown_words(expected, given)
        return [inner] if inner and all(name in inner.pairs for name in needed) else []
    left = _left(whole, given)
    return [
        Named(pairs, (prefix,) if prefix else (), tuple(left.get(prefix, ())))
        for prefix, pairs in sorted(whole.items(), key=lambda one: len(one[0]))
    ]


def _left(whole: Mapping[str, Mapping[str, str]], given: Sequence[str]) -> dict[str, list[str]]:
    """Prefix -> entries beside those of a network: it is another network that has more of the same."""
    taken = {name for pairs in whole.values() for name in pairs.values()}
    left: dict[str, list[str]] = {}
    for name in given:
        if name not in taken and not name.endswith(COUNTER):
            cuts = [0, *(at + 1 for at, sign in enumerate(name) if sign == ".")]
            for prefix in {name[:cut] for cut in cuts} & whole.keys():
                left.setdefault(prefix, []).append(name)
    return left


def _without_unknown_words(expected: Shapes, given: Sequence[str]) -> Named | None:
    """The names without the words that none of the network's has, as wrappers of parts of it leave them."""
    words = {word for name in expected for word in name.split(".")}
    pairs: dict[str, str] = {}
    wrapped: dict[str, None] = {}
    for name in given:
        parts = name.split(".")
        rest = ".".join(part for part in parts if part in words)
        if rest in pairs or (rest not in expected and not rest.endswith(COUNTER)):
            return None  # two entries for one, or one for none
        if rest in expected:
            pairs[rest] = name
            wrapped |= dict.fromkeys(f"{part}." for part in parts if part not in words)
    return Named(pairs, tuple(wrapped))


def fits(expected: Shapes, given: Shapes, named: Named) -> bool:
    """Whether the entries have the shapes of the network, and nothing is left of the same thing."""
    return not named.left and all(tuple(given[own]) == tuple(expected[name]) for name, own in named.pairs.items())


def shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Entry -> shape."""
    return {name: tuple(value.shape) for name, value in state.items()}


def readings(expected: Shapes, name: str, state: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The network's states that one set of a file's arrays can be read as, each with what it is called.

    Several are several sets of weights under names of their own, as those of a student and its teacher.
    """
    given = shapes(state)
    found = [one for one in namings(expected, list(state)) if fits(expected, given, one)]
    for one in found:
        wrapped = "".join(one.wrapped).rstrip(".") if len(found) > 1 else ""
        yield (
            ": ".join(filter(None, (name, wrapped))) or WHOLE,
            {ours: state[theirs] for ours, theirs in one.pairs.items()},
        )


def common_prefix(names: Sequence[str]) -> str:
    """The words that all names begin with, each with its dot."""
    if not names:
        return ""
    parts = [name.split(".") for name in (min(names), max(names))]
    same = 0
    while same < min(map(len, parts)) - 1 and parts[0][same] == parts[1][same]:
        same += 1
    return "".join(f"{word}." for word in parts[0][:same])


def unwrapped(names: Sequence[str]) -> list[str]:
    """What most of the names begin with and the network's own may not: prefixes, each with its dot."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    most = max(groups.values(), key=len, default=[])
    prefix = common_prefix(most) if 2 * len(most) > len(names) else ""
    words = prefix.split(".")[:-1]
    return ["".join(f"{word}." for word in words[: end + 1]) for end in range(len(words))]


def pattern(expected: Shapes, given: Shapes) -> str:
    """What the names and shapes of a file have in common that does not fit the network, in a sentence or two."""
    lacking = [name for name in required(expected) if name not in given]
    unknown = [name for name in given if name not in expected and not name.endswith(COUNTER)]
    prefix, own = common_prefix(list(given)), common_prefix(list(expected))
    said = []
    if prefix and prefix != own and len(given) > 1:
        said.append(f"all {len(given)} names begin with `{prefix}`")
        inside = {name.removeprefix(prefix): shape for name, shape in given.items()}
        same = sum(name in expected for name in inside)
        said.append(f"without it {same} of them are among the network's {len(expected)}")
    elif expected and given and len(unknown) == len(given):
        said.append(f"none of its {len(given)} names is one of the network's {len(expected)}")
        said.append(f"they are such as `{next(iter(given))}`, the network's such as `{next(iter(expected))}`")
    else:
        said += _grouped("the network has", lacking, "that the file has not")
        said += _grouped("the file has", unknown, "that the network has not")
        other = [name for name in expected if name in given and tuple(given[name]) != tuple(expected[name])]
        said += _other_shapes(expected, given, other)
    return "; ".join(said)


def _grouped(who: str, names: Sequence[str], what: str) -> list[str]:
    if not names:
        return []
    prefix = common_prefix(names) if len(names) > 1 else ""
    begin = f", all of which begin with `{prefix}`" if prefix else f", the first `{names[0]}`"
    return [f"{who} {len(names)} entr{'ies' if len(names) > 1 else 'y'} {what}{begin}"]


def is_of_other_classes(expected: Shapes, given: Shapes) -> bool:
    """Whether the file is of the network but for the number of outputs of one layer."""
    names = [name for name in required(expected) if tuple(given.get(name, ())) != tuple(expected[name])]
    known = all(name in given for name in names)
    return known and bool(names) and _classes_alone([(tuple(given[name]), tuple(expected[name])) for name in names])


def _classes_alone(pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> bool:
    outputs = {(theirs[:1], ours[:1]) for theirs, ours in pairs}
    return (
        len(outputs) == 1
        and len(pairs) <= 2
        and all(theirs[1:] == ours[1:] and theirs and ours for theirs, ours in pairs)
    )


def _other_shapes(expected: Shapes, given: Shapes, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    pairs = [(tuple(given[name]), tuple(expected[name])) for name in names]
    if _classes_alone(pairs):
        layer = names[0].rpartition(".")[0]
        theirs, ours = pairs[0][0][0], pairs[0][1][0]
        return [f"`{layer}` has {theirs} outputs, the network's {ours}: it is made for other classes"]
    first = f"the first `{names[0]}`: {pairs[0][0]}, expected {pairs[0][1]}"
    return [f"{len(names)} have other shapes, {first}"]
