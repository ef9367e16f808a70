"""How reports name files: one rule for tables, findings and commands."""

from pathlib import Path

import pytest

from harness.core.paths import line_entry, shown_file, shown_line


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, three folders below one that is known."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("given", "shown", "in_commands"),
    [
        ("s3://bucket/val", "s3://bucket/val", "s3://bucket/val"),
        ("zoo/README.md", "zoo/README.md", "zoo/README.md"),
        ("zoo/../README.md", "README.md", "README.md"),
        ("{here}/zoo/README.md", "zoo/README.md", "zoo/README.md"),
        ("../README.md", "../README.md", "../README.md"),
        ("../../../README.md", "../../../README.md", "../../../README.md"),
        ("{here}/../../data", "data", "../../data"),
        ("{here}/../../../data", "data", "data"),
    ],
)
def test_a_file_is_named_as_a_reader_finds_it(here: Path, given: str, shown: str, in_commands: str) -> None:
    path = given.format(here=here)
    assert shown_file(path) == shown
    assert shown_file(path, above=2) == in_commands
    if "://" not in path:
        assert shown_file(Path(path)) == shown


def test_a_line_is_named_with_its_file(here: Path) -> None:
    assert shown_line(str(here / "README.md"), 7) == "README.md:7"
    assert line_entry(str(here / "README.md"), 7) == {"file": "README.md", "line": 7}
