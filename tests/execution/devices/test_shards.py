"""Which images each job of an array evaluates, and what the run that merges them says is missing."""

import pytest

from harness.core.errors import InputError
from harness.execution.devices.shards import Shard, lacking, parse_shard


@pytest.mark.parametrize(
    ("text", "shard"),
    [("1/1", Shard(1, 1)), (" 8/8", Shard(8, 8)), ("merge/8", Shard(None, 8)), ("03/10", Shard(3, 10))],
)
def test_what_a_shard_is_called(text: str, shard: Shard) -> None:
    assert parse_shard(text) == shard
    assert parse_shard(str(shard)) == shard
    assert shard.merges == text.startswith("merge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9/8", "--shard 9/8: there is no shard 9 of 8; expected I/N as in 3/8, numbered from 1 to N"),
        ("0/8", "there is no shard 0 of 8; .*; with Slurm use --array=1-8"),
        ("3", "--shard 3: expected I/N"),
        ("3/0", "expected I/N"),
        ("-1/8", "expected I/N"),
        ("a/8", "expected I/N"),
        ("merge", "expected I/N"),
        ("1/99999999999999", "expected I/N"),
    ],
)
def test_a_shard_that_is_not_one(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_shard(text)


@pytest.mark.parametrize(("images", "batch", "of"), [(50, 4, 3), (7, 8, 2), (64, 4, 16), (5, 1, 9)])
def test_every_image_is_of_one_shard_with_its_whole_batch(images: int, batch: int, of: int) -> None:
    owners = [[n for n in range(1, of + 1) if Shard(n, of).has(at, batch)] for at in range(images)]
    assert all(len(of_image) == 1 for of_image in owners)
    assert all(owners[at] == owners[at - at % batch] for at in range(images))
    sizes = [sum(owner == [n] for owner in owners) for n in range(1, of + 1)]
    assert max(sizes) - min(sizes) <= batch, "none has more than a batch more than another"
    assert all(Shard(None, of).has(at, batch) for at in range(images))


def test_what_is_missing_is_named_with_its_shard() -> None:
    names = [f"{n:02}.jpg" for n in range(20)]
    assert lacking(names, [True] * 20, 4, 3) == ""
    done = [at not in (4, 5, 6, 7, 9) for at in range(20)]
    assert lacking(names, done, 4, 3) == (
        "5 of 20 images are not stored: shard 2/3 4 images (04.jpg, 05.jpg, 06.jpg, …); shard 3/3 1 image (09.jpg). "
        "Run these shards again, or leave --shard out to evaluate them here"
    )
