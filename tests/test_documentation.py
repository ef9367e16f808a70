"""Every command that the documentation shows is understood: it is planned, with the files that it names at hand."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from fakes import contents, use_fakes, write_images

from harness import cli
from harness import run as command_line

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "reports/README.md",
    *map(str, sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))),
]
PROGRAMS = ("python -m harness.", "parity ", "pytest -m parity")
HEADING = "| model | source | flops | params | input size |\n| - | - | - | - | - |\n"
PAGE = HEADING + "| resnet50 | timm v0.6.5 | 8.178 | 25.557 | 224 |\n"
#: said to be somebody's own machines or buckets
ELSEWHERE = ("s3://", "HOST:")


def commands(page: str) -> list[str]:
    """The lines of a page's blocks that are ours, without the remarks behind them, and those within its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    found = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    return [line for line in dict.fromkeys(found) if line.startswith(PROGRAMS) or line == "python -m harness.run"]


ALL = [(page, command) for page in PAGES for command in commands(page)]


def test_there_are_commands() -> None:
    assert len(ALL) > 30
    assert any(command.startswith("parity ") for _, command in ALL)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.ahead.environments.is_prepared", lambda *_: True)
    data = write_images(Path("imagenet/val"), contents(3), [1, 2, 3])
    images = write_images(Path("images"), contents(3), [1, 2, 3])
    names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.jpg"))
    Path("val.txt").write_text("".join(f"{name} {label}\n" for name, label in zip(names, (1, 2, 3), strict=True)))
    with tarfile.open("ILSVRC2012_img_val.tar", "w") as archive:
        for name in names:
            archive.add(images / name, name)
    assert data.is_dir()
    Path("checkpoints").mkdir()
    for page in (
        "README.md",
        "docs/page.md",
        "zoo/one/README.md",
        "more/page.md",
        "reports/mmcls-0.23.1.md",
        "other.md",
    ):
        Path(page).parent.mkdir(parents=True, exist_ok=True)
        Path(page).write_text(PAGE.replace("timm v0.6.5", "mmcls v0.23.1") if "mmcls" in page else PAGE)
    Path("results-imagenet.csv").write_text("model,top1,top5\nresnet50,80.1,95.0\n")
    shutil.copytree(ROOT / "reference", "reference")


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize(("page", "command"), ALL, ids=[command for _, command in ALL])
def test_a_documented_command_is_understood(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word.replace("<name>", "cspnet") for word in shlex.split(command)]
    if any(word.isupper() or word.startswith(ELSEWHERE) for word in words[1:]):
        pytest.skip(f"{page}: it names what is only somebody's own")
    if {"--print-completion", "--help"} & set(words):
        with pytest.raises(SystemExit):
            cli.main(words[1:])
    elif words[:3] == ["python", "-m", "harness.run"]:
        assert command_line.main([*words[3:], "--dry-run"]) == 0, capsys.readouterr().err
    elif words[:2] in (["parity", "run"], ["parity", "audit"]):
        assert cli.main([*words[1:], "--dry-run"]) == 0, capsys.readouterr().err
    elif words[:2] == ["parity", "doctor"]:
        cli.main(words[1:])
        assert "✗ options" not in capsys.readouterr().out
    elif words[0] == "pytest":
        assert collected(words[1:]) == 0
    else:  # nothing of it can be planned
        asked = words[1:] if words[0] == "parity" else [words[2].removeprefix("harness."), *words[3:]]
        if asked[0] in ("compare", "documents") and len(asked) > 1:
            cli.parser().parse_args(asked)
        else:
            assert callable(importlib.import_module(words[2]).main)


def collected(words: list[str]) -> int:
    """pytest in a process of its own, which measures nothing."""
    given = [*words, "--collect-only", "-q", "-p", "no:cacheprovider"]
    given += [] if "--parity-table" in words else [str(ROOT / "tests" / "test_parity.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "pytest", *given], capture_output=True, env=environment).returncode


def test_a_command_that_is_misspelt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    with pytest.raises(SystemExit):
        command_line.main(["--chekcs", "static", "--dry-run"])
