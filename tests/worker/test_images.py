"""An image is whole, or the harness says so before a decoder fills in what is missing."""

import io
import random
from typing import Any

import pytest
from folders import SAMPLE

from harness.worker.images import truncation

Image = pytest.importorskip("PIL.Image", reason="Pillow makes the images")


def encoded(kind: str, side: int = 96, mode: str = "RGB", **options: Any) -> bytes:
    """Noise, so that every byte value occurs in the encoded data."""
    file = io.BytesIO()
    noise = Image.frombytes("RGB", (side, side), random.Random(0).randbytes(3 * side * side))
    noise.convert(mode).save(file, kind, **options)
    return file.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG whose EXIF segment holds a JPEG of its own, end marker included."""
    thumbnail = encoded("JPEG", 24, quality=60)
    jpeg = encoded("JPEG", quality=90)
    no_tags = b"II*\x00" + (8).to_bytes(4, "little") + bytes(6)
    segment = b"Exif\x00\x00" + no_tags + thumbnail
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


JPEGS = {
    "baseline": encoded("JPEG", quality=90),
    "progressive": encoded("JPEG", quality=90, progressive=True),
    "thumbnail": with_thumbnail(),
    "comment with markers": encoded("JPEG", comment=b"\xff\xda scan \xff\xd9 end"),
    "greyscale": encoded("JPEG", mode="L"),
    "restarts": encoded("JPEG", quality=90, restart_marker_blocks=2),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_whole_jpeg_is_whole(kind: str) -> None:
    assert truncation(JPEGS[kind]) is None
    assert Image.open(io.BytesIO(JPEGS[kind])).load() is not None


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_is_truncated_wherever_it_is_cut(kind: str) -> None:
    whole = JPEGS[kind]
    for length in range(2, len(whole)):
        assert truncation(whole[:length]) == f"the JPEG is truncated: no end marker in its {length} bytes"


def test_a_progressive_jpeg_is_truncated_between_any_two_of_its_scans() -> None:
    whole = JPEGS["progressive"]
    scans = [i for i in range(len(whole) - 1) if whole[i : i + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for scan in scans[1:]:
        assert truncation(whole[:scan]) is not None


def test_the_thumbnails_end_marker_is_not_the_images() -> None:
    whole = with_thumbnail()
    after_thumbnail = whole.index(b"\xff\xd9") + 2
    assert after_thumbnail < whole.rindex(b"\xff\xda")
    assert truncation(whole[:after_thumbnail]) is not None
    assert truncation(whole[: after_thumbnail + 10]) is not None


@pytest.mark.parametrize("behind", [b"\x00" * 100, b"\xff\xda\x00\x0c and more", encoded("JPEG", 24)[:-9]])
def test_bytes_behind_the_end_marker_do_no_harm(behind: bytes) -> None:
    assert truncation(JPEGS["baseline"] + behind) is None


def test_fill_bytes_before_a_marker_do_no_harm() -> None:
    whole = JPEGS["baseline"]
    assert truncation(whole[:2] + b"\xff\xff\xff" + whole[2:-2] + b"\xff\xff\xd9") is None


def test_a_whole_png_is_whole_and_a_cut_one_is_not() -> None:
    whole = encoded("PNG")
    assert truncation(whole) is None
    for length in range(8, len(whole) - 12, 97):
        assert truncation(whole[:length]) == f"the PNG is truncated: no end chunk in its {length} bytes"
    assert truncation(whole[:-12]) is not None


def test_a_tiny_png_is_whole() -> None:
    assert truncation(encoded("PNG", 1, "1")) is None


def test_an_empty_file_is_said_to_be_empty() -> None:
    assert truncation(b"") == "the file is empty"


def test_other_formats_are_left_to_the_decoder() -> None:
    assert truncation(encoded("BMP")[:100]) is None
    assert truncation(b"no image") is None


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample of ImageNet is not beside the checkout")
def test_real_photographs_are_whole_and_cut_ones_are_not() -> None:
    chosen = random.Random(0)
    files = sorted(SAMPLE.rglob("*.JPEG"))[::10]
    assert files
    for file in files:
        whole = file.read_bytes()
        assert truncation(whole) is None, file
        for _ in range(10):
            length = chosen.randrange(2, len(whole) - 1)
            assert truncation(whole[:length]) is not None, (file, length)
