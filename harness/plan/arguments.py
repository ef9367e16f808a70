"""Options as arguments of a command: declared to argparse or pytest, read back, and written as a command."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.core.paths import Location, shown_file
from harness.plan.options import Options, OptionSpec, specs

COMMAND = "python -m harness.run"


def flag(name: str, spec: OptionSpec, prefix: str = "--") -> str:
    """The flag of a field of Options, as in `--batch-size`."""
    return prefix + (spec.flag or name).replace("_", "-")


def flags(name: str, spec: OptionSpec, prefix: str = "--") -> list[str]:
    """All flags of a field of Options."""
    return [flag(name, spec, prefix), *(prefix + alias.replace("_", "-") for alias in spec.aliases)]


def add_options(add: Callable[..., Any], usual: Options | None = None) -> None:
    """Declares every option by `argparse.ArgumentParser.add_argument`; `usual` is what holds where nothing is given."""
    for name, spec in specs():
        declared = _declaration(name, spec, usual or Options())
        add(*flags(name, spec), dest=name, **declared, **({"nargs": "+"} if spec.several else {}))


def add_pytest_options(add: Callable[..., Any]) -> None:
    """Declares every option that pytest has, as `--parity-…`, by `pytest.OptionGroup.addoption`."""
    for name, spec in specs():
        if spec.in_pytest:
            # several values after one flag would take the test files with them
            more = {"action": "append"} if spec.several else {}
            declared = {**_declaration(name, spec, Options()), **more}
            declared["help"] += "; may be repeated" if spec.several else ""
            add(*flags(name, spec, "--parity-"), dest=f"parity_{name}", **declared)


def _declaration(name: str, spec: OptionSpec, usual: Options) -> dict[str, Any]:
    default = getattr(usual, name)
    if default is False:
        return {"action": "store_true", "help": spec.help}
    separator = "," if isinstance(default, tuple) else "|"
    shown = "" if default in (None, ()) or spec.several else f" (default: {_text(default)})"
    return {
        "type": spec.parse,
        "default": None if spec.several else default,
        "metavar": spec.metavar or separator.join(spec.choices),
        "help": spec.help + shown,
    }


def options_of(given: object, prefix: str = "") -> Options:
    """Options of parsed arguments; what they lack has its default."""
    values = {name: getattr(given, prefix + name, None) for name, _ in specs()}
    return Options(**{name: value for name, value in values.items() if value is not None})


def command_of(options: Options, measuring: bool = False) -> str:
    """The command that repeats a run; with `measuring` only what decides what is measured.

    Paths are as from the working directory. Of a path far away only the name is given, because a report is no place
    for a machine's folders.
    """
    default = Options()
    parts = [COMMAND]
    for name, spec in specs():
        value = getattr(options, name)
        if name == "weights" and value not in (None, "auto", "none"):
            value = Path(value)
        if (value != getattr(default, name) or name == "checks") and (spec.measures or not measuring):
            values = [] if value is True else value if spec.several else [value]
            parts += [" ".join([flag(name, spec), *(shlex.quote(_text(one)) for one in values)])]
    return " ".join(parts)


def _text(value: str | int | tuple[str, ...] | Location) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value) if isinstance(value, str | int) else shown_file(value, above=2)
