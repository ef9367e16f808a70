"""What a long run says while it works."""

from collections.abc import Callable

import pytest

from harness import terminal
from harness.terminal import Terminal, duration


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    return later


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (5400, "1 h 30 min"), (36300, "10 h 05 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_after_a_few_seconds_is_told_how_long_all_of_it_will_take(
    pass_time: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal() as shown:
        shown.expect(2000)
        shown.images("a", 100, 1000, 0, 0.0)  # on disk already, which says nothing of the speed
        pass_time(4.0)
        shown.images("a", 140, 1000, 40, 4.0)
        assert "left" not in capsys.readouterr().err.replace("s left", "")
        pass_time(4.0)
        shown.images("a", 180, 1000, 40, 4.0)
        assert "1,820 of 2,000 forward passes are left: about 3 min at 10.0 images/s" in capsys.readouterr().err
        pass_time(60.0)
        shown.images("a", 780, 1000, 600, 60.0)
        assert "forward passes" not in capsys.readouterr().err, "it is told once"


def test_what_is_all_there_takes_no_time(
    pass_time: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal() as shown:
        shown.expect(1000)
        pass_time(60.0)
        shown.images("a", 1000, 1000, 0, 0.0)
    assert "forward passes" not in capsys.readouterr().err
