"""Annotations as GitHub reads them, and the hook for pre-commit, which prints them."""

import shlex
from pathlib import Path

import pytest
import yaml
from builders import claim, row
from fakes import use_fakes
from folders import ROOT

from harness.checks.issues import Issue
from harness.cli import run as command_line
from harness.report.annotations import annotations
from harness.tables.cells import Problem

ENTRY = Issue("error", "contradicted_flops", "table.md", 5, "timm==0.6.5", "network", claim("10.038"), "10.083", "why")


def entry(**fields: object) -> Issue:
    return Issue(**{**vars(ENTRY), **fields})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(command: str) -> tuple[str, dict[str, str], str]:
    """Level, properties and message, as the runner of GitHub Actions (ActionCommand.cs) undoes their escapes."""
    _, head, message = command.removesuffix("\n").split("::", 2)
    level, _, given = head.partition(" ")
    properties = dict(one.split("=", 1) for one in given.split(","))
    for escaped, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        properties = {name: value.replace(escaped, char) for name, value in properties.items()}
        message = message if char in ":," else message.replace(escaped, char)
    return level, properties, message


def test_a_cell_is_annotated_with_what_it_should_be() -> None:
    assert annotations([ENTRY], []) == (
        "::error file=table.md,line=5,title=contradicted flops::"
        "network of timm==0.6.5: flops documented as 10.038 G, should be 10.083 G: why\n"
    )


@pytest.mark.parametrize(("severity", "level"), [("error", "error"), ("warning", "warning"), ("note", "notice")])
def test_each_severity_has_its_level(severity: str, level: str) -> None:
    assert read(annotations([entry(severity=severity)], []))[0] == level


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"corrected": None}, "network of timm==0.6.5: flops documented as 10.038 G: why"),
        ({"claim": None, "corrected": None}, "network of timm==0.6.5: why"),
        ({"claim": None, "corrected": None, "source": ""}, "network: why"),
    ],
)
def test_what_is_not_known_is_not_said(fields: dict[str, object], message: str) -> None:
    assert read(annotations([entry(**fields)], []))[2] == message


def test_problems_are_errors_and_stand_behind_the_cells() -> None:
    lines = annotations([ENTRY], [Problem("table.md", 7, "a: flops '?' is not a number")]).splitlines()
    assert read(lines[1]) == (
        "error",
        {"file": "table.md", "line": "7", "title": "unreadable"},
        "a: flops '?' is not a number",
    )
    assert len(lines) == 2
    assert annotations([], []) == ""


@pytest.mark.parametrize("text", ["100 %, once: %0A", "a\r\nb", "::error::", "a,b=c:d", "%25", "中文"])
def test_every_character_comes_through(text: str) -> None:
    name = text.replace("/", "")
    [line] = annotations([entry(file=name, cause=text, kind=text)], []).split("\n")[:-1]
    level, properties, message = read(line)
    assert (level, properties) == ("error", {"file": name, "line": "5", "title": text})
    assert message.endswith(f": {text}")


def test_characters_are_escaped_as_the_toolkit_does() -> None:
    [line] = annotations([entry(kind="%\r\n:,", cause="%\r\n:,")], []).split("\n")[:-1]
    assert ",title=%25%0D%0A%3A%2C::" in line
    assert line.endswith(": %25%0D%0A:,")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("zoo/README.md", "zoo/README.md"),
        ("{here}/zoo/README.md", "zoo/README.md"),
        ("zoo/../README.md", "README.md"),
        ("../README.md", "../README.md"),
        ("/elsewhere/README.md", "README.md"),
    ],
)
def test_files_are_named_from_the_working_directory(here: Path, given: str, named: str) -> None:
    assert read(annotations([entry(file=given.format(here=here))], []))[1]["file"] == named


def test_a_row_of_a_real_table_is_found() -> None:
    assert row(3).line == 7
    at = entry(line=row(3).line)
    assert read(annotations([at], []))[1]["line"] == "7"


# --- the hook

HOOKS = ROOT / ".pre-commit-hooks.yaml"
HEADING = "| model | source | flops | params | input size |\n| - | - | - | - | - |\n"
RIGHT = HEADING + "| tiny | fake | 97.152K | 49.009K | 8 |\n"


def hook() -> dict[str, object]:
    [found] = yaml.safe_load(HOOKS.read_text())
    assert isinstance(found, dict)
    return found


def run_hook(*files: str) -> int:
    """As pre-commit does, with the changed files at the end."""
    python, flag, module, *arguments = shlex.split(str(hook()["entry"]))
    assert (python, flag, module) == ("python", "-m", "harness.run")
    return command_line.main([*arguments, *files])


def test_the_hook_is_what_pre_commit_expects() -> None:
    found = hook()
    assert found.keys() >= {"id", "name", "entry", "language"}
    assert (found["id"], found["language"], found["types"]) == ("parity-audit", "python", ["markdown"])
    assert found["pass_filenames"] is True
    assert found["require_serial"] is True


def test_the_hook_annotates_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use_fakes(monkeypatch)
    Path("README.md").write_text(RIGHT)
    assert run_hook("README.md") == 0
    assert "::" not in capsys.readouterr().out
    Path("README_zh.md").write_text(RIGHT.replace("49.009", "49.809"))
    assert run_hook("README.md", "README_zh.md") == 1
    [command] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    level, properties, message = read(command)
    assert (level, properties) == ("error", {"file": "README_zh.md", "line": "3", "title": "contradicted params"})
    assert "params documented as 49.809 K, should be 49.009 K: " in message


def test_the_hook_annotates_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_fakes(monkeypatch)
    Path("README.md").write_text(RIGHT + "| tiny | fake | soon | 49.009K | 8 |\n")
    assert run_hook("README.md") == 2
    assert (
        "::error file=README.md,line=4,title=unreadable::tiny: flops 'soon' is not a number\n"
        in capsys.readouterr().out
    )


def test_a_file_without_a_model_table_is_passed_over_beside_one_that_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_fakes(monkeypatch)
    Path("README.md").write_text(RIGHT)
    Path("docs").mkdir()
    Path("docs/README.md").write_text("# Text\n\n| day | weather |\n| - | - |\n| 1 | rain |\n")
    Path("README_empty.md").write_text("")
    assert run_hook("docs/README.md", "README.md", "README_empty.md") == 0
    capsys.readouterr()
    assert run_hook("docs/README.md") == 2  # nothing was checked, which is no success
    assert "no model table found" in capsys.readouterr().err
