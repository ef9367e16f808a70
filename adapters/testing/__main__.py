"""The suite's part in a source's environment, `python -m harness.adapters.testing`, where NumPy may be missing.

names MODULE FOLDER MODEL...   writes which names the adapter offers, and which of these it does not build
check MODULE FOLDER MODEL      writes what came of each clause
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from harness.adapters.testing.outcome import NAMES, OUTCOMES, Outcome


def _names(module: str, models: list[str]) -> dict[str, Any]:
    """What can be tested, or why nothing can be."""
    try:
        importlib.import_module("numpy")
    except ImportError as error:
        return {"error": f"NumPy cannot be imported in its environment ({error}), and harness.adapters needs it: "
                         "add a line `numpy` to its requirement file"}  # fmt: skip
    try:
        adapter = _adapter(module)
        offered = list(adapter.models())
        return {"offered": offered, "unknown": [name for name in models if not _builds(adapter, offered, name)]}
    except Exception:  # an adapter may raise anything
        return {"error": f"its adapter {module} cannot be used in its environment:\n{traceback.format_exc()}"}


def _adapter(module: str) -> Any:
    from harness.adapters.third_party import accept_old_imports

    accept_old_imports(module)
    return importlib.import_module(module).Adapter()


def _builds(adapter: Any, offered: list[str], name: str) -> bool:
    """Whether it knows the name; what else goes wrong with it is for the clauses to find."""
    if name in offered:
        return True
    try:
        adapter.build(name)
    except Exception as error:
        return not isinstance(error, KeyError)
    return True


def _check(module: str, folder: Path, model: str) -> None:
    from harness.adapters.testing.clauses import check

    with Path(folder, OUTCOMES).open("w", encoding="utf-8") as file:

        def note(clause: str, outcome: Outcome) -> None:
            file.write(json.dumps([clause, *outcome]) + "\n")
            file.flush()  # the next clause may end the process

        check(_adapter(module), model, folder, note)


def main() -> None:
    """See the module."""
    what, module, place, *models = sys.argv[1:]
    folder = Path(place)
    if what == "names":
        (folder / NAMES).write_text(json.dumps(_names(module, models)), encoding="utf-8")
    else:
        _check(module, folder, *models)


if __name__ == "__main__":
    main()
