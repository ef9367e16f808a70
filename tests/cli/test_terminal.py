"""What a long run says while it works."""

import pytest

from harness.cli.progress import Terminal, duration


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
