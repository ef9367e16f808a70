"""Two reports side by side: what became worse, better or other, and the images that flipped."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import best, contents, save_checkpoint, use_fakes, write_images

from harness.cli import run as command_line
from harness.cli.commands import compare
from harness.report import diff

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
TINY = "| tiny | fake v1.0 | 52.4 | 76.2 | 97.152K | 49.009K | 8 |\n"
#: rows that show what the columns are of
OTHERS = (
    "| twin | fake v1.0 | 53.1 | 77.2 | 97.152K | 49.009K | 8 |\n"
    "| tiny_wide | fake v1.0 | 60.3 | 82.4 | 385.152K | 193.009K | 8 |\n"
)
TWIN = "| twin | fake v1.0 | | | 97.152K | 49.009K | 8 |\n"
IMAGES = contents(24)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)


def run(out: str, rows: str, *arguments: str) -> Path:
    Path("table.md").write_text(HEADING + rows)
    command_line.main(["--table", "table.md", "--out", out, *arguments])
    return Path(out)


def compared(before: Path, after: Path) -> diff.Comparison:
    return diff.compare(diff.read(before), diff.read(after))


def changes(found: diff.Comparison, name: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(change.direction, change.fields) for change in found.changes[name]]


def test_a_run_that_is_repeated_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run("a", TINY)
    run("b", TINY)
    capsys.readouterr()
    assert compare.main(["a", "b"]) == 0
    printed = capsys.readouterr().out
    assert "**Nothing changed:** 4 cells are unchanged." in printed
    assert "##" not in printed


def test_a_cell_that_is_mended_is_better_and_one_that_is_broken_is_worse(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = TINY.replace("49.009", "49.006")
    run("a", wrong + TWIN)
    run("b", TINY + TWIN.replace("97.152", "97.155"))
    found = compared(Path("a"), Path("b"))
    assert changes(found, "cells") == [
        ("worse", ("documented", "outcome")),
        ("better", ("documented", "outcome")),
    ]
    assert (found.same_cells, found.exit_status) == (4, 1)
    capsys.readouterr()
    assert compare.main(["a", "b"]) == 1
    printed = capsys.readouterr().out
    assert "| worse | fake==1.0 twin | flops | 97.152 K ✓ reproduced" in printed
    assert "| 97.155 K ✗ contradicted, measured 97.152 (" in printed
    assert compare.main(["a/report.json", "a", "--format", "json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert (same["same_cells"], same["exit_status"], same["changes"]["cells"]) == (6, 0, [])


def test_another_release_of_a_source_is_the_same_row() -> None:
    run("a", TINY, "--sources", "fake==1.0")
    run("b", TINY, "--sources", "fake==2.0")
    found = compared(Path("a"), Path("b"))
    assert changes(found, "cells") == []
    assert found.same_cells == 4
    assert changes(found, "sources") == [("changed", ("version",))]
    both = run("c", TINY, "--sources", "fake==1.0,fake==2.0")
    found = compared(Path("a"), both)
    assert found.same_cells == 4
    assert [(change.before, change.after and change.after["version"]) for change in found.changes["cells"]] == [
        (None, "2.0")
    ] * 4
    assert "not in the table" in diff.markdown(found)


def test_rows_that_come_and_go_and_rows_with_another_input_size() -> None:
    found = compared(run("a", TINY + TWIN), run("b", TINY.replace("| 8 |", "| 16 |").replace("97.152", "388.608")))
    by_model = {(c.after or c.before or {})["model"]: c for c in found.changes["cells"]}
    assert by_model["twin"].after is None
    assert "input_size" in by_model["tiny"].fields
    moved = Path("b/report.json").read_text().replace('"table.md"', '"README.md"')
    Path("b/report.json").write_text(moved)
    assert compared(Path("b"), Path("b")).same_cells == 4
    found = compared(run("c", TINY), Path("b"))
    assert {c.before is not None and c.after is not None for c in found.changes["cells"]} == {True}


def test_a_new_error_is_worse_and_one_that_is_gone_is_better() -> None:
    run("a", TINY + OTHERS)
    run("b", TINY.replace("76.2", "26.2") + OTHERS)  # fewer in the best five than as the best
    found = compared(Path("a"), Path("b"))
    assert [change.direction for change in found.changes["findings"]][:1] == ["worse"]
    assert "new, error" in diff.markdown(found)
    assert compared(Path("b"), Path("a")).exit_status == 0


# --- evaluations


@pytest.fixture
def evaluated() -> tuple[Path, Path, list[list[int]], list[list[int]]]:
    """Two runs of one network with different weights, and what each finds best of every image."""
    labels = [one[0] for one in best(IMAGES, checkpoint=Path(save_checkpoint(Path("one/tiny.bin")).file))]
    data = write_images(Path("data"), IMAGES, labels)
    other = Path(save_checkpoint(Path("two/tiny.bin"), seed=1).file)
    outs = [
        run(out, TINY, "--data", str(data), "--weights", weights, "--checks", "accuracy", "--store", f"{out}/kept")
        for out, weights in (("a", "one"), ("b", "two"))
    ]
    return (outs[0], outs[1], best(IMAGES, checkpoint=Path("one/tiny.bin")), best(IMAGES, checkpoint=other))


def test_flipped_images_are_counted(evaluated: Any) -> None:
    a, b, first, second = evaluated
    found = compared(a, b)
    [change] = found.changes["runs"]
    assert {"top1_count", "checkpoint"} <= set(change.fields)
    assert change.flips is not None
    assert change.flips.images == len(IMAGES)
    assert len(change.flips.best) == sum(x[0] != y[0] for x, y in zip(first, second, strict=True)) > 0
    assert change.flips.five == sum(set(x[:5]) != set(y[:5]) for x, y in zip(first, second, strict=True))
    assert f"the best class changed for {len(change.flips.best)} of {len(IMAGES)} images" in diff.markdown(found)
    assert not compared(a, a).changes["runs"]


def test_flips_that_cannot_be_counted_are_said_to_be_unknown(evaluated: Any) -> None:
    a, b, *_ = evaluated
    shutil.rmtree(b / "kept")
    [change] = compared(a, b).changes["runs"]
    assert (change.flips, change.no_flips) == (None, "the predictions of b/report.json are no longer where they were")


def test_other_images_are_said_to_be(evaluated: Any) -> None:
    a, b, *_ = evaluated
    fewer = write_images(Path("fewer"), IMAGES[:9], [0] * 9)
    run("c", TINY, "--data", str(fewer), "--weights", "one", "--checks", "accuracy")
    found = compared(a, Path("c"))
    assert "The images differ: 24 images" in diff.markdown(found)
    assert compared(a, b).data is None


# --- what cannot be compared


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "report.json: no such file; expected a report.json"),
        ("{", "cannot be read as a report"),
        ("[]", "its schema is None, expected 1"),
        ('{"schema": 7}', "its schema is 7, expected 1"),
    ],
)
def test_what_is_no_report_is_refused(content: str | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x").mkdir()
    if content is not None:
        Path("x/report.json").write_text(content)
    assert compare.main(["x", "x"]) == 2
    assert said in capsys.readouterr().err


def test_text_of_a_table_stays_text() -> None:
    run("a", TINY)
    run("b", TINY + "| <b>&#124;x | fake v1.0 | | | 1G | | 8 |\n")
    text = diff.markdown(compared(Path("a"), Path("b")))
    assert "<b>" not in text


def test_a_new_row_that_is_wrong_is_worse_and_one_that_is_not_measured_any_more_is_not_better() -> None:
    wrong = TINY.replace("97.152", "97.155")
    found = compared(run("a", TINY), run("b", TINY + TWIN.replace("97.152", "97.155")))
    assert {change.direction for change in found.changes["cells"] if (change.after or {})["metric"] == "flops"} == {
        "worse"
    }
    assert found.exit_status == 1
    found = compared(run("c", wrong), run("d", wrong, "--checks", "accuracy"))
    directions = {(c.after or {})["metric"]: c.direction for c in found.changes["cells"]}
    assert directions == {"flops": "changed", "params": "worse"}


def test_what_is_wrong_with_two_releases_alike_is_no_news() -> None:
    impossible = TINY.replace("76.2", "26.2") + "| boom | fake | 1 | 2 | 1K | 1K | 8 |\n"
    run("a", impossible, "--sources", "fake==1.0")
    found = compared(Path("a"), run("b", impossible, "--sources", "fake==2.0"))
    assert found.count("worse") == found.count("better") == 0


def test_reports_without_cells_prove_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.json").write_text('{"schema": 1}')
    run("a", TINY)
    assert compare.main(["empty.json", "empty.json"]) == 2
    assert compare.main(["a", "empty.json"]) == 2
    assert "has no cells" in capsys.readouterr().err
