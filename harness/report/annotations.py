"""What is wrong as commands that GitHub shows beside the lines of a change.

The format and what is escaped in it are those of `command.ts` in https://github.com/actions/toolkit.
"""

from collections.abc import Iterable

from harness.checks.issues import Issue
from harness.core.paths import shown_file
from harness.tables.cells import Problem

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}
_IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = _IN_MESSAGES | str.maketrans({":": "%3A", ",": "%2C"})


def annotations(entries: Iterable[Issue], problems: Iterable[Problem]) -> str:
    """One line for each; empty where nothing is wrong. Files below the working directory are named from there."""
    lines = [
        _command(_LEVELS[entry.severity], entry.file, entry.line, entry.kind.replace("_", " "), _message(entry))
        for entry in entries
    ]
    lines += [_command("error", problem.file, problem.line, "unreadable", problem.text) for problem in problems]
    return "".join(f"{line}\n" for line in lines)


def _message(entry: Issue) -> str:
    who = " of ".join(filter(None, (entry.model, entry.source)))
    claim = entry.claim
    if claim is None:
        return f"{who}: {entry.cause}"
    documented = f"{who}: {claim.metric} documented as {claim.text} {claim.unit}".rstrip()
    expected = f", should be {entry.corrected} {claim.unit}".rstrip() if entry.corrected is not None else ""
    return f"{documented}{expected}: {entry.cause}"


def _command(level: str, file: str, line: int, title: str, message: str) -> str:
    given = {"file": shown_file(file), "line": str(line), "title": title}
    properties = ",".join(f"{name}={value.translate(_IN_PROPERTIES)}" for name, value in given.items())
    return f"::{level} {properties}::{message.translate(_IN_MESSAGES)}"
