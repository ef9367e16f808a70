"""Whether two runs predict the same, to the bit: python -m benchmarks.same_bits ONE OTHER [--at-most N].

ONE and OTHER are folders of reports. Ends with status 1 where more than N images of a network have another best class,
or, without --at-most, where any bit differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.execution.predictions import Predictions


@dataclass(frozen=True)
class Compared:
    """One network in two runs."""

    name: str
    images: int  #: that both have
    only_one: int  #: images that only one has
    same: bool  #: to the bit
    best_differ: int  #: images with another best class
    largest: float  #: difference of the logits of classes that both have among their best
    devices: tuple[str, str]
    speeds: tuple[float | None, float | None]  #: images a second

    def __str__(self) -> str:
        how = "the same bits" if self.same else f"largest difference of a logit {self.largest:.2g}"
        speeds = " and ".join("–" if one is None else f"{one:.0f}" for one in self.speeds)
        text = f"{self.name}: {self.images} images, {how}, {self.best_differ} with another best class"
        missing = f", {self.only_one} in one run alone" if self.only_one else ""
        return f"{text}{missing}; {self.devices[0]} and {self.devices[1]}, {speeds} images/s"


def compare(one: Path, other: Path) -> Iterator[Compared]:
    """Every network that both reports evaluate."""
    runs = [
        {_name(run): run for run in json.loads((folder / "report.json").read_text())["runs"]} for folder in (one, other)
    ]
    for name, first in runs[0].items():
        if (second := runs[1].get(name)) is None:
            continue
        tables = [
            Predictions(folder / run["predictions"]).read().set_index("image")
            for folder, run in ((one, first), (other, second))
        ]
        both = tables[0].index.intersection(tables[1].index)
        largest, same, differ = 0.0, True, 0
        for image in both:
            a, b = (table.loc[image] for table in tables)
            same &= list(a["classes"]) == list(b["classes"]) and np.array_equal(a["logits"], b["logits"])
            differ += list(a["classes"][:1]) != list(b["classes"][:1])
            found = dict(zip(b["classes"], b["logits"], strict=True))
            apart = [abs(x - found[k]) for k, x in zip(a["classes"], a["logits"], strict=True) if k in found]
            largest = max([largest, *apart])
        only = len(tables[0].index.symmetric_difference(tables[1].index))
        devices = tuple(run["device"]["name"] or run["device"]["kind"].upper() for run in (first, second))
        speeds = tuple(run["images_per_second"] for run in (first, second))
        yield Compared(name, len(both), only, same and not only, differ, largest, devices, speeds)  # type: ignore[arg-type]


def _name(run: dict[str, str]) -> str:
    return f"{run['source']}=={run['version']} {run['model']}@{run['input_size']}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--at-most", type=int, help="images of a network that may have another best class")
    given = parser.parse_args(arguments)
    found = list(compare(given.one, given.other))
    for compared in found:
        print(compared)
    if given.at_most is None:
        return int(not found or not all(compared.same for compared in found))
    return int(not found or any(compared.best_differ > given.at_most or compared.only_one for compared in found))


if __name__ == "__main__":
    sys.exit(main())
