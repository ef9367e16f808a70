"""What makes adapters of other packages work: the contract's defaults, and the names of the former release.

`complete` gives a plain class the optional methods that it does not have, and accepts a trace() that yields.
`accept_old_imports` lets a package that still says `from adapters.base import ...` find the modules of
harness.adapters.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.adapters.base import (
    OPTIONAL_OF_ADAPTER,
    OPTIONAL_OF_NETWORK,
    AdapterClass,
    Array,
    LayerCall,
    Match,
    Network,
)

_FORMER = "adapters"
_PRESENT = "harness.adapters"
#: module of the former package -> where it is now, under harness.adapters; others kept their name
_MOVED = {
    "torch_network": "pytorch.network",
    "torch_trace": "pytorch.trace",
    "torch_counters": "pytorch.counters",
    "torch_altered": "pytorch.altered",
    "torch_export": "pytorch.export",
    "torch_inference": "pytorch.inference",
    "paddle_trace": "paddle.trace",
    "paddle_altered": "paddle.altered",
    "paddle_export": "paddle.export",
    "paddle_inference": "paddle.inference",
    "safe_pickle": "paddle.safe_pickle",
}


def complete(adapter: Any) -> Any:
    """The adapter with every method of AdapterClass, whose networks have every method of Network."""
    return adapter if isinstance(adapter, _Adapter) else _Adapter(adapter)


def uncompleted(completed: Any) -> Any:
    """The adapter or network as its author wrote it."""
    return completed._own if isinstance(completed, _Completed) else completed


class _Completed:
    """An object, and the contract's own methods where it has none."""

    def __init__(self, own: Any, contract: type[Any], optional: Sequence[str]) -> None:
        self._own = own
        self._contract = contract
        self._optional = optional

    def __getattr__(self, name: str) -> Any:
        if name in self._optional and not hasattr(self._own, name):
            return types.MethodType(getattr(self._contract, name), self)
        return getattr(self._own, name)


class _Adapter(_Completed):
    def __init__(self, own: Any) -> None:
        super().__init__(own, AdapterClass, OPTIONAL_OF_ADAPTER)

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> Any:
        return _network(self._own.build(model, checkpoint, match, seed, input_size))

    def outline(self, model: str) -> Any:
        return _network(self._own.outline(model)) if hasattr(self._own, "outline") else self.build(model)


class _Network(_Completed):
    def __init__(self, own: Any) -> None:
        super().__init__(own, Network, OPTIONAL_OF_NETWORK)

    def trace(self, batch: Array, emit: Callable[[LayerCall], None], values: bool = True) -> None:
        if _takes_callback(self._own):
            self._own.trace(batch, emit, values)
        else:
            for call in self._own.trace(batch, values):
                emit(call)


def _network(own: Any) -> Any:
    has_all = all(hasattr(own, name) for name in OPTIONAL_OF_NETWORK)
    return own if has_all and _takes_callback(own) else _Network(own)


def _takes_callback(network: Any) -> bool:
    return "emit" in inspect.signature(network.trace).parameters


# -- imports of the former release ---------------------------------------------------------------


class OldImports(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `adapters` and its modules as those of harness.adapters: the same objects, whichever name imports them."""

    def __init__(self) -> None:
        self.used: dict[str, str] = {}  #: former name of a module -> its present one, of those that were imported

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 (where they are is known)
        target: types.ModuleType | None = None,  # noqa: ARG002 (of reloads)
    ) -> importlib.machinery.ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        top, _, module = fullname.partition(".")
        if top != _FORMER or self._another_package(module):
            return None
        present = f"{_PRESENT}.{_MOVED.get(module, module)}" if module else _PRESENT
        if importlib.util.find_spec(present) is None:
            return None  # "No module named 'adapters.<module>'" says it
        if module:
            self.used[fullname] = present
        return importlib.machinery.ModuleSpec(fullname, self, origin=present)

    def _another_package(self, module: str) -> bool:
        """Whether `adapters` is another package, which is installed next to the source."""
        if module:
            return getattr(sys.modules.get(_FORMER), "__name__", "") != _PRESENT
        others = (finder for finder in sys.meta_path if finder is not self)
        return any(finder.find_spec(_FORMER, None) for finder in others)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:  # noqa: ARG002
        """An empty module, which exec_module replaces by the present one."""
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """See importlib.abc.Loader."""
        spec = module.__spec__
        assert spec is not None
        assert spec.origin is not None
        sys.modules[spec.name] = importlib.import_module(spec.origin)

    def note(self) -> str:
        """What the author of the adapter has to change, in a line; empty where nothing has to be."""
        if not self.used:
            return ""
        changes = ", ".join(f"`{old}` to `{new}`" for old, new in sorted(self.used.items()))
        return f"change the imports of {changes}; the former names work only in this release"


def accept_old_imports(module: str) -> OldImports:
    """Has the former names found from now on, unless the adapter `module` is itself in a package of that name."""
    finder = OldImports()
    if module.partition(".")[0] != _FORMER:
        sys.meta_path.insert(0, finder)  # first, or the modules would be found a second time in their folder
    return finder
