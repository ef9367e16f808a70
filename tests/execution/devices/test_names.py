"""What --device can say."""

import pytest

from harness.core.errors import InputError
from harness.execution.devices.names import Asked, parse


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("cpu", Asked("cpu")),
        ("cuda", Asked("cuda")),
        ("all", Asked("cuda", every=True)),
        ("cuda:3", Asked("cuda", (3,))),
        ("cuda:0-3", Asked("cuda", (0, 1, 2, 3))),
        ("cuda:6,0-1, 4", Asked("cuda", (0, 1, 4, 6))),
        ("cuda:0,cuda:2", Asked("cuda", (0, 2))),
        ("cpu:0-1", Asked("cpu", (0, 1))),
    ],
)
def test_what_is_asked_for(text: str, asked: Asked) -> None:
    assert parse(text) == asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu", "--device gpu: unknown device; expected cpu, cuda, all, or numbers as in cuda:0-7"),
        ("", "unknown device"),
        ("cuda:", "'' is no number"),
        ("cuda:a", "'a' is no number and no range"),
        ("cuda:3-1", "'3-1' is no number and no range"),
        ("cuda:0-", "'0-' is no number"),
        ("cuda:0,cpu:1", "'cpu:1' is no number"),
        ("cuda:-1", "'-1' is no number"),
        ("cuda:0-999999999", "is no number and no range"),
        ("cuda:0-2,1", "cuda:1 is named twice"),
        ("all:0", "unknown device"),
    ],
)
def test_what_cannot_be_meant(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)
