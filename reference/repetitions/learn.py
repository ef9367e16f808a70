"""By how much an accuracy differs when the same weights are evaluated again: timm.toml, from timm's own results.

    python reference/repetitions/learn.py FOLDER > reference/repetitions/timm.toml
    python reference/repetitions/learn.py FOLDER --test

FOLDER holds `results/results-imagenet.csv` of huggingface/pytorch-image-models at every commit that changed it, each
file named by date and commit. All percentages are of the 50,000 images of ImageNet val, so they are counts of images.

The first writes, for each two dates at which all models were evaluated anew, how many rows differ by how many images.
Only every other row is used; the second says how often a repetition among the others is judged to be none.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

IMAGES = 50_000
METRICS = ("top1", "top5")
#: All models were evaluated anew where most rows of the file before have other figures: of 28 files 14 have 60 to
#: 100 % others, and the other 14 at most 46 %
_MOST = 0.5
#: An evaluation that differs from all others: its rows by 14 to 17 images at the median from whichever other, no other
#: two by more than 6. Nothing tells what was done otherwise; it is kept apart
_UNLIKE = "2021-02-28"
#: Two evaluations with the same libraries and the same precision: 95 % of their rows differ by at most so many images.
#: The record does not name them, but its pairs fall apart: seven at 0 to 1, all others at 3 and more
_SAME = 1
#: Weights were replaced under their name, or an evaluation went wrong, where a row differs by more images: every series
#: beyond makes one clean step, or has one figure of its own. The greatest difference below is 57, the next one 69
_REPLACED = 60

_HEAD = """\
# By how many of the 50,000 images of ImageNet val an accuracy differs when the same weights are evaluated again: from
# results/results-imagenet.csv of huggingface/pytorch-image-models, as its author committed it from 2020 to 2025, by
# learn.py, of every other set of weights. Of two dates each, top1 and top5 are pairs of a difference in images, either
# way, and the number of rows that have it.
# "same": the same figures to an image, as with the same libraries; "unlike": one evaluation that differs from all
# others; "other": all other pairs, of other releases of PyTorch, Pillow and drivers."""

Count = tuple[int, int]  #: right images by top1 and by top5
Dates = tuple[str, str]


@dataclass(frozen=True)
class Weights:
    """One set of weights, evaluated in one way."""

    model: str
    size: str
    crop: str
    interpolation: str
    params: str

    @property
    def is_learnt_from(self) -> bool:
        """Every other one, by a hash: whatever the order of the rows."""
        return hashlib.sha256(" ".join(vars(self).values()).encode()).digest()[0] % 2 == 0


def runs(folder: Path) -> dict[str, dict[Weights, Count]]:
    """The files for which all models were evaluated anew, by date; without rows that stand twice in a file."""
    found: dict[str, dict[Weights, Count]] = {}
    before: dict[Weights, Count] = {}
    for path in sorted(folder.glob("*.csv")):
        rows = read(path)
        common = rows.keys() & before.keys()
        changed = sum(rows[one] != before[one] for one in common)
        if not before or changed > _MOST * len(common):
            found[path.name[:10]] = rows
        before = rows
    return found


def read(path: Path) -> dict[Weights, Count]:
    table = pd.read_csv(path, dtype=str).rename(columns={"cropt_pct": "crop_pct"})
    counts: dict[Weights, Count] = {}
    twice: set[Weights] = set()
    for row in table.to_dict("records"):
        # a tag after the dot was added in 2023
        name = str(row["model"]).split(".")[0]
        crop = f"{float(row['crop_pct']):g}"
        one = Weights(name, row["img_size"], crop, row["interpolation"], row["param_count"])
        twice |= {one} & counts.keys()
        top1, top5 = (round(float(row[metric]) / 100 * IMAGES) for metric in METRICS)
        counts[one] = top1, top5
    return {one: count for one, count in counts.items() if one not in twice}


def differences(found: Mapping[str, Mapping[Weights, Count]], is_learnt_from: bool) -> dict[Dates, list[Count]]:
    """For each two dates by how many images each row differs, top1 and top5, signed.

    Left out is a row with the same figures at both dates and at all between, which may not have been evaluated again,
    and one whose weights were replaced.
    """
    series: dict[Weights, dict[str, Count]] = {}
    for date, rows in found.items():
        for one in rows:
            if one.is_learnt_from == is_learnt_from:
                series.setdefault(one, {})[date] = rows[one]
    pairs: dict[Dates, list[Count]] = {}
    for counts in series.values():
        for a, b in itertools.combinations(sorted(counts), 2):
            is_again = len({counts[date] for date in counts if a <= date <= b}) > 1
            moved = counts[b][0] - counts[a][0], counts[b][1] - counts[a][1]
            if is_again and (max(map(abs, moved)) <= _REPLACED or (_UNLIKE in (a, b) and not _is_replaced(counts))):
                pairs.setdefault((a, b), []).append(moved)
    return dict(sorted(pairs.items()))


def _is_replaced(counts: Mapping[str, Count]) -> bool:
    """Whether a name has stood for several sets of weights, judged without the evaluation that differs from all."""
    usual = [count for date, count in counts.items() if date != _UNLIKE]
    return any(max(abs(a[0] - b[0]), abs(a[1] - b[1])) > _REPLACED for a, b in itertools.combinations(usual, 2))


def kind(dates: Dates, rows: list[Count]) -> str:
    if _UNLIKE in dates:
        return "unlike"
    largest = sorted(max(abs(one), abs(five)) for one, five in rows)
    return "same" if largest[int(0.95 * (len(rows) - 1))] <= _SAME else "other"


def write(found: Mapping[Dates, list[Count]]) -> Iterator[str]:
    yield _HEAD
    for (a, b), rows in found.items():
        yield f'\n[[pair]]\nfrom = {a}\nto = {b}\nkind = "{kind((a, b), rows)}"'
        for number, metric in enumerate(METRICS):
            counts = sorted(Counter(abs(row[number]) for row in rows).items())
            yield f"{metric} = [{', '.join(f'[{images}, {n}]' for images, n in counts)}]"


def main(folder: Path, is_test: bool) -> None:
    found = runs(folder)
    if is_test:
        print("\n".join(test(differences(found, is_learnt_from=False))))
    else:
        print("\n".join(write(differences(found, is_learnt_from=True))))


def test(found: Mapping[Dates, list[Count]]) -> Iterator[str]:
    """How often the harness judges these repetitions to be none; and others, whose true figures differ."""
    from harness.checks import repetitions

    def rate(rows: list[Count], which: str) -> str:
        cells = [abs(row[n]) > repetitions.limit(which, m) for row in rows for n, m in enumerate(METRICS)]
        return f"{100 * sum(cells) / len(cells):.2f} % of {len(cells)} cells"

    totals: dict[str, list[Count]] = {}
    for dates, rows in found.items():
        of = kind(dates, rows)
        totals.setdefault(of, []).extend(rows)
        yield f"{dates[0]} {dates[1]} {of}: not reproduced {rate(rows, 'same')}, contradicted {rate(rows, 'other')}"
    for of, rows in totals.items():
        yield f"all {of}: not reproduced {rate(rows, 'same')}, contradicted {rate(rows, 'other')}"
        for shift in (50, 75, 100):
            moved = [(one + sign * shift, five + sign * shift) for one, five in rows for sign in (-1, 1)]
            yield f"    and {shift} images more or fewer: contradicted {rate(moved, 'other')}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--test" in sys.argv)
