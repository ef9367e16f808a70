"""Loads a checkpoint into a PyTorch network as the source would, whatever the file has around the weights."""

from __future__ import annotations

import difflib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from harness.adapters import keys
from harness.adapters.base import CheckpointError, Match
from harness.adapters.pytorch.checkpoints import read_checkpoint

State = Mapping[str, torch.Tensor]
#: What a source does with a state before it loads it: renames, reshapes, removes. May raise anything.
Form = Callable[[State], State]

#: seconds of a processor that a message about a file that does not fit may take to find the model that it is of
_SEARCH_SECONDS = 5.0


def as_is(state: State) -> State:
    """The state as the file has it."""
    return state


@dataclass(frozen=True)
class How:
    """How a source's checkpoints are read."""

    first: tuple[str, ...] = ()  #: keys under which the source looks for weights, in its order
    forms: Sequence[Form] = (as_is,)  #: in the order in which they are tried
    others: Callable[[], Sequence[str]] = tuple  #: the source's models, of which a file might be
    outline: Callable[[str], Any] | None = None  #: builds one of them without values
    shown: Path | None = None  #: the file that messages name, where the one that is read was taken out of it


@dataclass(frozen=True)
class Loaded:
    """What was loaded into a network, and what else is in the file."""

    names: tuple[str, ...]  #: the sets of weights that fit, the one that was loaded first
    take: Callable[[str], None]  #: loads one of them


def load(module: torch.nn.Module, checkpoint: Path, match: Match, how: How, model: str) -> Loaded:
    """Loads the first set of weights in the file that fits.

    Raises CheckpointError that says what the names have in common and, where it is found, of which model it is.
    """
    content, shown = read_checkpoint(checkpoint), how.shown or checkpoint
    found = list(keys.sets(content, how.first))
    if not found:
        raise CheckpointError(f"{shown}: no tensors in it; expected a state dict, alone or under a key")
    if match == "order":
        _take(module, _by_order(module, found[0][1], how, shown))
        return Loaded((found[0][0] or keys.WHOLE,), lambda _: None)
    expected = keys.shapes(module.state_dict())
    fitting = {name: state for one in found for name, state in _readings(expected, *one, how.forms)}
    if fitting:
        names = tuple(fitting)
        _take(module, fitting[names[0]])
        return Loaded(names, lambda name: _take(module, _again(expected, checkpoint, how, name)))
    for name, state in found:
        if _with_hooks(module, expected, state):
            return Loaded((name or keys.WHOLE,), lambda _: None)
    raise CheckpointError(_misfit(expected, dict(found), shown, how, model))


def _readings(expected: keys.Shapes, name: str, state: State, forms: Sequence[Form]) -> Iterator[tuple[str, State]]:
    """The network's states that one set of a file's arrays can be read as, by the first form that fits.

    Two of one form are two sets of weights under different names.
    """
    for form in forms:
        for given in _given(form, state):
            found = list(keys.readings(expected, name, given))
            if found:
                yield from found
                return


def _given(form: Form, state: State) -> Iterator[State]:
    """What a form makes of a state, and of the same without what most names begin with."""
    given = [state]
    if form is not as_is:  # whose names are compared with the network's, whatever they begin with
        given += [_inside(state, prefix) for prefix in keys.unwrapped(list(state))]
    for one in given:
        try:
            made = form(dict(one))
        except Exception:  # a source's conversion may not know these names, and says so anyhow
            continue
        yield {str(name): value for name, value in made.items() if hasattr(value, "shape")}


def _inside(state: State, prefix: str) -> State:
    """The part of a state whose names begin so, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _again(expected: keys.Shapes, checkpoint: Path, how: How, name: str) -> State:
    """Another set of the file's, which is read again so that it need not be kept."""
    for one in keys.sets(read_checkpoint(checkpoint), how.first):
        for label, state in _readings(expected, *one, how.forms):
            if label == name:
                return state
    raise CheckpointError(f"{checkpoint}: no weights named {name!r} that fit the network are in it")


def _take(module: torch.nn.Module, state: State) -> None:
    """Replaces all of a network's state; counts of batches that the file does not have stay as they are."""
    own = {name: value for name, value in module.state_dict().items() if name.endswith(keys.COUNTER)}
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    module.load_state_dict({**own, **tensors}, strict=True)


def _by_order(module: torch.nn.Module, state: State, how: How, checkpoint: Path) -> State:
    """The file's entries in the places of the network's, without counts of batches where not both have them."""
    every = keys.shapes(module.state_dict())
    without = {name: every[name] for name in keys.required(every)}
    for expected, drop in ((every, False), (without, True)):
        for given in (one for form in how.forms for one in _given(form, state)):
            names = [name for name in given if not (drop and name.endswith(keys.COUNTER))]
            if len(names) == len(expected):
                return _in_order(expected, {name: given[name] for name in names}, checkpoint)
    raise CheckpointError(f"{checkpoint}: {len(state)} entries, the network has {len(every)}; cannot match by order")


def _in_order(expected: keys.Shapes, state: State, checkpoint: Path) -> State:
    pairs = dict(zip(expected, state, strict=True))
    for position, (ours, theirs) in enumerate(pairs.items()):
        if tuple(expected[ours]) != tuple(state[theirs].shape):
            raise CheckpointError(
                f"{checkpoint} does not fit the network: entry {position}: {theirs} {tuple(state[theirs].shape)} for "
                f"{ours} {tuple(expected[ours])}. Is it the checkpoint of this model, in this source's format?"
            )
    return {ours: state[theirs] for ours, theirs in pairs.items()}


def _with_hooks(module: torch.nn.Module, expected: keys.Shapes, state: State) -> bool:
    """Whether the network's own load_state_dict takes it, which a module may have rename and reshape what it is given.

    Of a state that it does not take, it may have loaded a part.
    """
    tried = [state, *(_inside(state, prefix) for prefix in keys.unwrapped(list(state)))]
    tried += [{ours: state[theirs] for ours, theirs in one.pairs.items()} for one in keys.namings(expected, list(state))
              if not one.left]  # fmt: skip
    for one in tried:
        try:
            module.load_state_dict({name: torch.as_tensor(value) for name, value in one.items()}, strict=True)
        except Exception:  # what fits nothing is said afterwards
            continue
        return True
    return False


def _misfit(expected: keys.Shapes, found: Mapping[str, State], checkpoint: Path, how: How, model: str) -> str:
    """Why the file does not fit, by the set of arrays in it that is most like the network's."""
    name, state = max(found.items(), key=lambda one: len(expected.keys() & one[1].keys()) or len(one[1]) / 1e6)
    where = f"{checkpoint} (under `{name}`)" if name else str(checkpoint)
    why = f"{where} does not fit the network {model}: {keys.pattern(expected, keys.shapes(state))}."
    other = _of_another_model(expected, found, checkpoint, how, model)
    if other:
        return f"{why} It fits {other}: name the file after that model, or pass the checkpoint of {model}."
    return f"{why} Is it the checkpoint of this model, in this source's format?"


def _of_another_model(
    expected: keys.Shapes, found: Mapping[str, State], checkpoint: Path, how: How, model: str
) -> str | None:
    """The source's model that a file fits, the names most like the asked one and the file's tried first."""
    ends_of = {name.rpartition(".")[2] for state in found.values() for name in state}
    if how.outline is None or not ends_of & {name.rpartition(".")[2] for name in expected}:
        return None  # entries of no network in this framework
    if any(keys.is_of_other_classes(expected, keys.shapes(state)) for state in found.values()):
        return None  # of this model, which says enough
    ends = time.thread_time() + _SEARCH_SECONDS
    like = (model, checkpoint.name.partition(".")[0])
    names = [name for name in how.others() if name != model]
    for name in sorted(names, key=lambda name: -max(difflib.SequenceMatcher(None, name, one).ratio() for one in like)):
        if time.thread_time() > ends:
            return None
        try:
            theirs = keys.shapes(how.outline(name).module.state_dict())
        except Exception:  # a model that cannot be built is not the one
            continue
        if any(any(_readings(theirs, *one, (as_is,))) for one in found.items()):
            return name
    return None


class Loading:
    """What a network does with checkpoints; TorchNetwork is one."""

    module: torch.nn.Module
    _loaded: Loaded | None = None

    def load_checkpoint(self, checkpoint: Path, match: Match, how: How, model: str) -> None:
        """See load."""
        self._loaded = load(self.module, checkpoint, match, how, model)

    def states(self) -> Mapping[str, Callable[[], None]]:
        """See harness.adapters.base.Network.states."""
        loaded = self._loaded
        return {name: functools.partial(loaded.take, name) for name in loaded.names} if loaded else {}
