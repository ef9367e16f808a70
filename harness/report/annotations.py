"""Errors, warnings and notes as commands that GitHub shows at the lines of a change.

The format and the escaped characters are those of `command.ts` in https://github.com/actions/toolkit.
"""

from collections.abc import Iterable

from harness.checks.issues import Issue
from harness.core.paths import shown_file
from harness.report.wording import annotation, outcome_words
from harness.tables.cells import Problem

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}
_IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = _IN_MESSAGES | str.maketrans({":": "%3A", ",": "%2C"})


def annotations(entries: Iterable[Issue], problems: Iterable[Problem]) -> str:
    """One line for each issue and problem; empty where there is none. Files are named as in reports (`shown_file`)."""
    lines = [
        _command(_LEVELS[entry.severity], entry.file, entry.line, outcome_words(entry.kind), annotation(entry))
        for entry in entries
    ]
    lines += [_command("error", problem.file, problem.line, "unreadable", problem.text) for problem in problems]
    return "".join(f"{line}\n" for line in lines)


def _command(level: str, file: str, line: int, title: str, message: str) -> str:
    given = {"file": shown_file(file), "line": str(line), "title": title}
    properties = ",".join(f"{name}={value.translate(_IN_PROPERTIES)}" for name, value in given.items())
    return f"::{level} {properties}::{message.translate(_IN_MESSAGES)}"
