"""What was read is not read again, unless it may have changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from image_files import SYNSETS, write

from harness.cli import doctor, run
from harness.dataset import image_set, remote
from harness.dataset import memory as module
from harness.dataset.image_set import ImageSet, open_images
from harness.plan.options import Options
from harness.worker.images import ImageRef, read_image


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are read; files are old enough to be remembered at once."""
    names: list[str] = []

    def read(ref: ImageRef) -> bytes:
        names.append(ref.name)
        return read_image(ref)

    monkeypatch.setattr(remote, "read_image", read)
    monkeypatch.setattr(module, "_SETTLED", -(10**12))
    return names


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], ImageSet]:
    write(tmp_path / "data", [f"{SYNSETS[n % 5]}/{n}.jpg" for n in range(200)])
    return lambda: open_images(tmp_path / "data", memory=tmp_path / "memory")


def test_bytes_are_read_once(opened: Callable[[], ImageSet], reads: list[str]) -> None:
    first = opened()
    assert len(reads) == 200
    reads.clear()
    assert opened() == first
    assert reads == []


@pytest.mark.parametrize("change", ["content", "size", "time alone", "another file"])
def test_what_changed_is_read_again(
    tmp_path: Path, opened: Callable[[], ImageSet], reads: list[str], change: str
) -> None:
    first = opened()
    reads.clear()
    file = tmp_path / "data" / SYNSETS[2] / "7.jpg"
    before = file.stat()
    if change == "another file":  # of the same size and time, as rsync leaves it
        (tmp_path / "new").write_bytes(b"X" * before.st_size)
        os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "new").replace(file)
    elif change == "time alone":
        os.utime(file)
    else:
        file.write_bytes(b"X" * (before.st_size + (change == "size")))
    again = opened()
    assert reads == [f"{SYNSETS[2]}/7.jpg"]
    assert (again.digest == first.digest) == (change == "time alone")


def test_a_file_that_was_just_written_is_not_trusted(
    opened: Callable[[], ImageSet], reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be written again within the resolution of its time."""
    monkeypatch.setattr(module, "_SETTLED", 10**12)
    opened()
    opened()
    assert len(reads) == 400


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 0}', b'{"version": 1, "facts": [], "images": {}}'])
def test_a_damaged_memory_is_read_anew(
    tmp_path: Path, opened: Callable[[], ImageSet], reads: list[str], content: bytes
) -> None:
    first = opened()
    (file,) = (tmp_path / "memory").iterdir()
    file.write_bytes(content)
    assert opened() == first
    assert len(reads) == 400


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, reads: list[str]) -> None:
    write(tmp_path, [f"{SYNSETS[0]}/a.jpg"])
    (tmp_path / "memory").write_text("a file")
    assert open_images(tmp_path, memory=tmp_path / "memory") == open_images(tmp_path)
    assert len(reads) == 2


def test_without_reading_a_few_are_looked_at_and_none_is_hashed(tmp_path: Path, reads: list[str]) -> None:
    write(tmp_path / "data", [f"{SYNSETS[n % 9]}/{n}.jpg" for n in range(900)])
    found = open_images(tmp_path / "data", memory=tmp_path / "memory", read=False)
    assert (found.digest, len(found.images)) == ("", 900)
    assert 500 <= len(reads) < 600
    assert not (tmp_path / "memory").exists()
    whole = open_images(tmp_path / "data", memory=tmp_path / "memory")
    assert (whole.images, whole.identity) == (found.images, found.identity)


def test_a_plan_and_a_doctor_hash_nothing_and_say_what_the_labels_are(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_set, "_seen", lambda *_: pytest.fail("the images are read"))
    write(tmp_path / "data", [f"{SYNSETS[n % 9]}/{n}.jpg" for n in range(900)])
    options = Options(data=tmp_path / "data", out=tmp_path / "out")
    assert run.run(options, dry=True) == 0
    assert "labels from the folders' names" in capsys.readouterr().out
    assert ("good", "labels", "from the folders' names", "") in {
        (one.state, one.about, one.text, one.remedy) for one in doctor.examine(options)
    }
    assert 1000 <= len(reads) < 1200
