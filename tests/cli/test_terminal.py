"""What a long run says while it works."""

import pytest
from builders import row, verdict

from harness.cli.progress import Terminal, duration
from harness.core.findings import Finding
from harness.core.records import Outcome


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (5400, "1 h 30 min"), (36300, "10 h 05 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_when_the_networks_were_timed_it_is_told_how_long_the_rest_will_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Terminal() as shown:
        shown.images("a", 20, 1000, 20, 9.0)  # the first batch is slower
        shown.images("a", 40, 1000, 20, 2.0)
        shown.images("b", 540, 1000, 20, 4.0)
        shown.images("c", 1000, 1000, 0, 0.0)  # on disk already
        shown.estimate()
        assert "1,420 forward passes are left: about 3 min" in capsys.readouterr().err  # 960 x 0.1 s + 460 x 0.2 s


def test_what_is_all_there_takes_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as shown:
        shown.images("a", 1000, 1000, 0, 0.0)
        shown.estimate()
    assert "forward passes" not in capsys.readouterr().err


def test_quiet_is_without_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(quiet=True) as shown:
        shown.stage("counting")
        shown.images("a", 20, 1000, 20, 9.0)
        shown.estimate()
    assert capsys.readouterr() == ("", "")


def test_networks_are_counted_with_their_names_and_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: now[0])
    with Terminal() as shown:
        shown.networks("timm==0.6.5", "resnet18", 1, 9, 2)
        for done, model in ((2, "resnet34"), (3, "resnet50"), (4, "vit_tiny")):
            now[0] += 40.0
            shown.networks("timm==0.6.5", model, done, 9, 2)
        now[0] += 5.0
        shown.networks("timm==0.6.5", "vit_base", 9, 9, 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "timm==0.6.5: 2 of 9 networks counted, the last resnet34",
        "timm==0.6.5: 3 of 9 networks counted, the last resnet50, about 3 min left",  # 80 s / 3 x 6
        "timm==0.6.5: 4 of 9 networks counted, the last vit_tiny, about 2 min left",
        "timm==0.6.5: 9 of 9 networks counted, the last vit_base",
    ]


def test_what_is_wrong_is_said_as_soon_as_it_is_settled(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Finding("top5_below_top1", "", "network", "It is below.", row=row(3))
    place = Finding("constant_ratio", "timm", "network", "Times 2/3.", {"file": "table.md", "line": 9})
    note = Finding("assumed_unit", "", "", "In M.", {"file": "table.md", "line": 9})
    with Terminal() as shown:
        for one in (wrong, place, note, verdict(Outcome.REPRODUCED), verdict(Outcome.CONTRADICTED, cause="no")):
            shown.settled(one)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "✗ table.md:7: It is below.",
        "? table.md:9: Times 2/3.",
        "✗ network of timm==0.6.5, flops: documented 10.038 G; contradicted; no",
    ]
    assert shown.said == set(lines)
