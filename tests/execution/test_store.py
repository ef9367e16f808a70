"""What is on disk, found again by what it is a measurement of, whatever interrupted the writing."""

import dataclasses
import errno
import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from builders import BUILT

from harness.core.errors import InputError
from harness.execution import predictions as predictions_module
from harness.execution.predictions import Predictions, identity_key
from harness.execution.store import Store

IDENTITY = {"kind": "predictions", "source": "fake", "version": "1.0", "batch_size": 32, "match": None}


def row(name: str, *classes: int) -> tuple[str, list[int], list[float]]:
    return name, list(classes), [float(-place) for place in range(len(classes))]


def content(predictions: Predictions) -> list[tuple[Any, ...]]:
    table = predictions.read()
    return [
        (image, list(classes), [float(value) for value in logits], None if pd.isna(error) else error)
        for image, classes, logits, error in table.itertuples(index=False)
    ]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".parquet")


@pytest.fixture
def predictions(tmp_path: Path) -> Predictions:
    return Store(tmp_path).predictions(IDENTITY)


# --- keys


def test_a_key_says_all_of_an_identity_and_nothing_of_its_order() -> None:
    assert identity_key(IDENTITY) == identity_key(dict(reversed(IDENTITY.items())))
    changed = [{**IDENTITY, name: "another"} for name in IDENTITY]
    changed += [{**IDENTITY, "batch_size": "32"}, {**IDENTITY, "input_size": None}]
    changed += [{name: value for name, value in IDENTITY.items() if name != "match"}]
    assert len({identity_key(identity) for identity in [IDENTITY, *changed]}) == 1 + len(changed)


def test_what_was_measured_is_found_by_its_identity_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.cached(IDENTITY) is None
    store.save(IDENTITY, {"multiply_adds": {"8": 5}})
    assert Store(tmp_path).cached(IDENTITY) == {"multiply_adds": {"8": 5}}
    assert store.cached({**IDENTITY, "version": "1.1"}) is None
    store.save(IDENTITY, [1, 2])
    assert store.cached(IDENTITY) == [1, 2]


def test_an_empty_measurement_is_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(IDENTITY, [])
    assert store.cached(IDENTITY) == []


def test_identities_do_not_share_predictions(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.predictions(IDENTITY).append([row("a.jpg", 1)], [])
    assert content(store.predictions({**IDENTITY, "batch_size": 16})) == []
    assert len(content(Store(tmp_path).predictions(IDENTITY))) == 1


# --- predictions


def test_rows_come_back_in_the_order_of_their_names(predictions: Predictions) -> None:
    assert content(predictions) == []
    predictions.append([row("c.jpg", 3, 1), row("a.jpg", 2, 0)], [("d.jpg", "cut off")])
    predictions.append([row("b.jpg", 7, 8)], [])
    assert content(predictions) == [
        ("a.jpg", [2, 0], [0.0, -1.0], None),
        ("b.jpg", [7, 8], [0.0, -1.0], None),
        ("c.jpg", [3, 1], [0.0, -1.0], None),
        ("d.jpg", [], [], "cut off"),
    ]


@pytest.mark.parametrize("undecodable", [[], [("z.jpg", "cut off")]])
def test_batches_without_rows_or_without_errors(predictions: Predictions, undecodable: list[tuple[str, str]]) -> None:
    predictions.append([], undecodable)
    predictions.append([row("a.jpg", 1)], [])
    predictions.append([], [])
    assert [name for name, *_ in content(predictions)] == ["a.jpg"] + [name for name, _ in undecodable]
    assert len(files(predictions.folder)) == 1 + len(undecodable), "nothing is written about nothing"


def test_compacting_changes_nothing_but_the_number_of_files(predictions: Predictions) -> None:
    predictions.compact()
    assert files(predictions.folder) == []
    for n in range(5):
        predictions.append([row(f"{n}.jpg", n)], [(f"{n}.png", "cut off")])
    before = content(predictions)
    predictions.compact()
    (whole,) = files(predictions.folder)
    assert content(predictions) == before
    predictions.compact()
    assert files(predictions.folder) == [whole], "what is compact stays as it is"
    predictions.append([row("9.jpg", 9)], [])
    predictions.compact()
    assert len(files(predictions.folder)) == 1
    assert len(content(predictions)) == 11


def test_no_file_has_more_than_some_thousand_images(predictions: Predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, so that none of them has to be held at once."""
    monkeypatch.setattr(predictions_module, "_IMAGES", 4)
    for n in range(10):
        predictions.append([row(f"{n}.jpg", n)], [])
    before = content(predictions)
    largest = 0
    for _ in range(2):  # what is large enough stays
        predictions.compact()
        assert content(predictions) == before
        stored = files(predictions.folder)
        largest = max(len(pd.read_parquet(predictions.folder / name)) for name in stored)
        assert (len(stored), largest) == (3, 4)
    parts = [part["image"].to_pylist() for part in predictions.parts()]
    assert sorted(map(len, parts)) == [2, 4, 4]


def test_an_image_in_several_files_is_read_once(predictions: Predictions) -> None:
    predictions.append([row("a.jpg", 1), row("b.jpg", 2)], [])
    predictions.append([row("b.jpg", 2), row("c.jpg", 3)], [])
    assert sorted(name for part in predictions.parts() for name in part["image"].to_pylist()) == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
    ]
    assert [name for name, *_ in content(predictions)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_compacting_interrupted_before_it_removes_the_parts(
    predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        predictions.append([row(f"{n}.jpg", n)], [])
    before = content(predictions)

    def interrupted(path: Path, missing_ok: bool = False) -> None:  # noqa: ARG001
        if path.name > first:
            raise KeyboardInterrupt
        os.unlink(path)  # noqa: PTH108 (the method is replaced)

    first = files(predictions.folder)[0]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predictions.compact()
    assert len(files(predictions.folder)) == 4, "one part is gone, the whole is there"
    assert content(predictions) == before
    predictions.append([row("5.jpg", 5)], [])
    predictions.compact()
    assert len(files(predictions.folder)) == 1
    assert [name for name, *_ in content(predictions)] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "5.jpg"]


def test_compacting_loses_nothing_that_another_process_appends(
    predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions.append([row("a.jpg", 1)], [])
    predictions.append([row("c.jpg", 3)], [])
    real = predictions_module._sorted

    def put_together(tables: list[pa.Table]) -> pa.Table:
        predictions.append([row("b.jpg", 2)], [])
        return real(tables)

    with monkeypatch.context() as patch:
        patch.setattr(predictions_module, "_sorted", put_together)
        predictions.compact()
    assert [name for name, *_ in content(predictions)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_writing_interrupted_leaves_what_was_there(predictions: Predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions.append([row("a.jpg", 1)], [])
    predictions.append([row("c.jpg", 3)], [])

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        for write in (
            lambda: predictions.append([row("b.jpg", 2)], []),
            predictions.compact,
            lambda: predictions.save_network(BUILT),
        ):
            with pytest.raises(KeyboardInterrupt):
                write()
    assert not [path for path in predictions.folder.iterdir() if path.name.startswith(".")]
    (predictions.folder / ".part-1.parquet.1").write_bytes(b"PAR1")  # and where it was killed
    assert [name for name, *_ in content(predictions)] == ["a.jpg", "c.jpg"]
    assert predictions.network() is None
    predictions.append([row("b.jpg", 2)], [])
    predictions.compact()
    assert [name for name, *_ in content(predictions)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_listing_that_misses_what_is_renamed_meanwhile(
    predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large folder is listed piece by piece; what is compacted between two pieces is in neither."""
    for n in range(4):
        predictions.append([row(f"{n}.jpg", n)], [])
    before = content(predictions)
    real, listed = Predictions._files, []

    def files_of(this: Predictions) -> list[Path]:
        listed.append(real(this))
        if len(listed) > 1:
            return listed[-1]
        with monkeypatch.context() as patch:
            patch.setattr(Predictions, "_files", real)
            this.compact()
        return listed[0][:0]

    monkeypatch.setattr(Predictions, "_files", files_of)
    assert content(predictions) == before
    assert len(listed) > 2


def test_appending_reading_and_compacting_at_once(predictions: Predictions) -> None:
    appended: list[str] = []
    done = [0] * 6  # by each; all go on until each has had its share, however slow the machine is

    def append(who: int) -> None:
        names = [f"{who}{done[who]}-{n}.jpg" for n in range(3)]
        Predictions(predictions.folder).append([row(name, done[who], 7) for name in names], [])
        appended.extend(names)

    def read(_: int) -> None:
        before = list(appended)
        table = Predictions(predictions.folder).read()
        assert set(before) <= set(table["image"])

    def compact(_: int) -> None:
        Predictions(predictions.folder).compact()

    def again_and_again(who: int) -> None:
        try:
            while min(done) < 5:
                if done[who] > min(done) + 5:  # or there would be ever more to read
                    time.sleep(0.001)
                    continue
                (append, append, read, read, compact, compact)[who](who)
                done[who] += 1
        except BaseException:
            done[:] = [5] * 6  # nobody waits for what failed
            raise

    with ThreadPoolExecutor(max_workers=6) as pool:
        for future in [pool.submit(again_and_again, who) for who in range(6)]:
            future.result()
    predictions.compact()
    (only,) = files(predictions.folder)
    assert pd.read_parquet(predictions.folder / only)["image"].is_unique
    kept = {image: classes for image, classes, _, error in content(predictions) if error is None}
    assert sorted(kept) == sorted(appended)
    assert all(classes == [int(image[1:].partition("-")[0]), 7] for image, classes in kept.items())


def test_what_a_killed_process_was_writing_is_removed_when_it_is_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.predictions(IDENTITY).folder
    left = [tmp_path / ".1", tmp_path / "static" / ".a.json.1", folder / ".part-1.parquet.1"]
    for path in left:
        path.touch()
    Store(tmp_path)
    assert all(path.exists() for path in left), "whoever writes them may be alive"
    for path in left:
        os.utime(path, (time.time() - 86_500,) * 2)
    Store(tmp_path)
    assert not [path for path in left if path.exists()]
    assert (folder / "identity.json").is_file()


# --- damage, as a disk that loses power may do it


DAMAGES = {
    "emptied": lambda content: content[:0],
    "cut off": lambda content: content[: len(content) // 2],
    "its end is zeros": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "its beginning is zeros": lambda content: bytes(len(content) // 2) + content[len(content) // 2 :],
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_set_aside_and_the_others_are_read(
    predictions: Predictions, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    for n in range(3):
        predictions.append([row(f"{n}.jpg", *range(n, n + 200))], [])
    path = predictions.folder / files(predictions.folder)[1]
    whole = path.read_bytes()
    before = content(predictions)
    path.write_bytes(DAMAGES[how](whole))
    left = content(predictions)
    assert len(left) == 2
    assert [one for one in before if one in left] == left
    assert f"{path} is damaged (" in caplog.text
    assert path.with_name(f"{path.name}.damaged").read_bytes() == DAMAGES[how](whole)
    predictions.append(*[[row(one[0], *one[1])] for one in before if one not in left], [])
    predictions.compact()
    assert content(predictions) == before


def test_a_changed_byte_is_no_other_prediction(predictions: Predictions) -> None:
    predictions.append([row(f"{n}.jpg", *range(n, n + 6)) for n in range(40)], [])
    before = content(predictions)
    path = predictions.folder / files(predictions.folder)[0]
    whole = path.read_bytes()
    for position in random.Random(0).sample(range(len(whole) // 2), 40):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        assert content(predictions) in ([], before)


def test_damaged_words_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    store.save(IDENTITY, [1, 2])
    predictions = store.predictions(IDENTITY)
    predictions.save_network(BUILT)
    for path in tmp_path.rglob("*.json"):
        path.write_bytes(b"")
    assert store.cached(IDENTITY) is None
    assert predictions.network() is None
    assert store.predictions(IDENTITY).folder == predictions.folder
    assert json.loads((predictions.folder / "identity.json").read_text()) == IDENTITY
    assert len([*tmp_path.rglob("*.damaged")]) == 3 == caplog.text.count("is damaged")


def test_what_cannot_be_read_is_not_taken_for_damaged(
    predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions.append([row("a.jpg", 1)], [])
    before = files(predictions.folder)

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="Input/output error"):
            predictions.read()
    assert files(predictions.folder) == before


def test_how_a_network_was_built_is_kept(predictions: Predictions) -> None:
    larger = dataclasses.replace(BUILT, input_size=16)
    assert predictions.network() is None
    predictions.save_network(BUILT)
    predictions.save_network(larger)
    assert predictions.network() == larger
    before = (predictions.folder / "network.json").stat().st_ino
    predictions.save_network(larger)
    assert (predictions.folder / "network.json").stat().st_ino == before, "nothing is written about nothing new"


# --- the folder


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=rf"--out: cannot write to {root}: .*Give a folder"):
            Store(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    Store(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"--out: cannot write to .*Permission denied"):
            Store(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_opening_a_store_leaves_nothing_behind(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "store")
    assert sorted(path.name for path in (tmp_path / "new" / "store").iterdir()) == [
        "format.json",
        "logs",
        "predictions",
        "static",
    ]


def test_a_store_of_another_release_is_said_once_and_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Store(tmp_path).save({"kind": "a"}, 1)
    assert not caplog.records, "an own store, new or not, needs no word"
    (tmp_path / "format.json").unlink()  # as stores were before there was a format
    Store(tmp_path)
    (record,) = caplog.records
    assert "was written by another release" in record.getMessage()
    assert "measured again" in record.getMessage()
    Store(tmp_path)
    assert len(caplog.records) == 1, "it is said once"
    (tmp_path / "format.json").write_text('{"format": 1}')
    Store(tmp_path)
    assert len(caplog.records) == 2


def test_how_it_was_built_is_read_only_where_every_field_fits(
    predictions: Predictions, caplog: pytest.LogCaptureFixture
) -> None:
    predictions.save_network(BUILT)
    path = predictions.folder / "network.json"
    path.write_text(path.read_text().replace('"engine"', '"engin"'))
    assert predictions.network() is None
    assert "BuiltNetwork has no field engin" in caplog.text
    predictions.save_network(BUILT)
    assert predictions.network() == BUILT
