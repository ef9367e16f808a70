"""How often right figures are called wrong, wrong ones are found, and the right figure is named.

    python -m benchmarks.verdict_rates [--seconds N] [--rows 1,3,10,30] [--digits 2,3,4,5] [--half 0|1]
        [--calibration FILE.svg] [--vary N] [--misses]

Tables are those of benchmarks.printed_tables: of half of the counted networks, right or with one wrong cell each. Each
kind of column has the same share of the time. Intervals are those of Clopper and Pearson, 95 %.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.adapters.base import Parameters, Preprocessing
from scipy import stats

from benchmarks import printed_tables
from benchmarks.printed_tables import Column, Network, Wanted, column, networks
from harness.checks.counts.judge import judge
from harness.checks.counts.matching import Judgement, Measured
from harness.core.evidence import ConventionMatch, NoMatch, PlainMatch
from harness.core.records import UNITS, Claim, Metric, Outcome, Row, Source, Static

SOURCE = Source("counted", "1")
#: bins of the probability that a cell is wrong
BINS = (0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
_ANY = Preprocessing("PIL, RGB", 256, 224, "PIL bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass
class Tally:
    """What came of the cells of some columns."""

    counts: Counter[str] = field(default_factory=Counter)
    bins: Counter[tuple[int, bool]] = field(default_factory=Counter)  #: bin of the probability, whether it is wrong
    misses: list[str] = field(default_factory=list)

    def add(self, printed: Column, judged: Sequence[Judgement]) -> None:
        for cell, one in zip(printed.cells, judged, strict=True):
            kind = "wrong" if cell.is_wrong else "right"
            red, doubtful = one.outcome is Outcome.CONTRADICTED, one.outcome is Outcome.DOUBTFUL
            found = {f"{kind}": True, f"{kind} red": red, f"{kind} doubtful": doubtful}
            if cell.is_wrong:
                found["passes"] = cell.passes and not (red or doubtful)
                found[f"{cell.story}"] = True
                found[f"{cell.story} found"] = red or doubtful
                if (red or doubtful) and isinstance(one.basis, NoMatch) and one.basis.expected:
                    found["named"] = float(one.basis.expected) == float(cell.right)
            self.counts.update(name for name, is_so in found.items() if is_so)
            if isinstance(one.basis, PlainMatch | ConventionMatch | NoMatch):
                number = sum(one.basis.wrong > limit for limit in BINS[1:-1])
                self.bins[number, cell.is_wrong] += 1
            if (cell.is_wrong and not (red or doubtful)) or (not cell.is_wrong and (red or doubtful)):
                self.misses.append(
                    f"{one.outcome} {cell.text} of {cell.network} {cell.size}, right {cell.right} ({cell.story}; "
                    f"{printed.counted}; passes {cell.passes}): {one.convention}; {one.cause}"
                )

    def __iadd__(self, other: Tally) -> Tally:
        self.counts += other.counts
        self.bins += other.bins
        self.misses += other.misses
        return self


def statics(found: Mapping[str, Network]) -> dict[str, Static]:
    """The networks as the harness has them."""
    return {
        name: Static(
            SOURCE,
            name,
            network["input_size"],
            _ANY,
            network["plain_counter"],
            Parameters(**network["parameters"]),
            {int(size): counts for size, counts in network["multiply_adds"].items()},
            {},
            {},
            (),
            None,
        )
        for name, network in found.items()
    }


def measured(printed: Column, known: Mapping[str, Static]) -> list[Measured]:
    metric: Metric = "flops" if printed.metric == "flops" else "params"
    unit = "G" if metric == "flops" else "M"
    items = []
    for number, cell in enumerate(printed.cells, 1):
        row = Row("table.md", number + 4, number, SOURCE.name, SOURCE.version, None, cell.network, cell.size)
        step = 10.0 ** -len(cell.text.partition(".")[2]) * UNITS[unit]
        claim = Claim(row, metric, cell.text, unit, float(cell.text) * UNITS[unit], step, f"{metric}({unit})")
        items.append(Measured(claim, known[cell.network]))
    return items


def half(number: int) -> dict[str, Network]:
    """Every other network, by name."""
    return dict(sorted(networks().items())[number::2])


def tables(wanted: Wanted, of: Mapping[str, Network]) -> Iterator[Column]:
    """Right tables and tables with about one wrong cell, by turns; always the same ones."""
    chosen = random.Random(f"{wanted}")
    number = 0
    while True:
        number += 1
        one = Wanted(**{**vars(wanted), "wrong": wanted.wrong * (number % 2)})
        found = column(chosen, of, one)
        if found is not None:
            yield found


def rates(wanted: Wanted, of: Mapping[str, Network], count: int = 1_000_000, seconds: float = 1e9) -> Tally:
    """What comes of so many tables, or of as many as there is time for."""
    known, total, until = statics(of), Tally(), time.monotonic() + seconds
    for number, printed in enumerate(tables(wanted, of)):
        if number >= count or time.monotonic() > until:
            break
        total.add(printed, judge([measured(printed, known)])[0])
    return total


def interval(hits: int, of: int) -> str:
    """A share in percent with its interval."""
    if not of:
        return "–"
    low = stats.beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    places = 2 if high < 0.05 else 0
    return f"{100 * hits / of:.{places}f} % ({100 * low:.{places}f} to {100 * high:.{places}f})"


def line(name: str, tally: Tally) -> str:
    counts = tally.counts
    right, wrong = counts["right"], counts["wrong"]
    found = counts["wrong red"] + counts["wrong doubtful"]
    cells = [
        name,
        f"{counts['right red']} of {right}: {interval(counts['right red'], right)}",
        interval(counts["right doubtful"], right),
        str(wrong),
        interval(counts["wrong red"], wrong),
        interval(found, wrong),
        interval(found, wrong - counts["passes"]),
        interval(counts["named"], found),
    ]
    return f"| {' | '.join(cells)} |"


HEADING = (
    "| columns | right cells called wrong | right cells doubtful | wrong cells | called wrong | wrong or doubtful "
    "| of those that no other way of counting prints | right figure named |\n| :-- " + "| --: " * 7 + "|"
)


def kinds(rows: Sequence[int], digits: Sequence[int]) -> Iterator[tuple[str, Wanted]]:
    """Every kind of column, with a name."""
    for metric in ("flops", "params"):
        for count in rows:
            for places in digits:
                yield f"{metric}, {count} / {places}", Wanted(metric, count, places, 1.0 / count)
    for count in rows:
        if count > 1:
            yield f"flops counted in two ways, {count} / 3", Wanted("flops", count, 3, 1.0 / count, mixed=True)
        yield f"flops by an unknown tool, {count} / 3", Wanted("flops", count, 3, 1.0 / count, unknown=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=480.0, help="for all columns together")
    parser.add_argument("--rows", default="1,3,10,30")
    parser.add_argument("--digits", default="2,3,4,5")
    parser.add_argument("--half", type=int, default=1)
    parser.add_argument("--calibration", type=Path, help="draw this SVG")
    parser.add_argument("--vary", type=int, default=0, help="tables with each assumed prior three times and a third")
    parser.add_argument("--misses", action="store_true", help="show each cell that is not judged as it is")
    options = parser.parse_args()
    of = half(options.half)
    if options.vary:
        from benchmarks import prior_shares

        prior_shares.show(options.vary, of)
        return
    wanted = list(kinds(*([int(n) for n in text.split(",")] for text in (options.rows, options.digits))))
    print(HEADING)
    total = Tally()
    for name, one in wanted:
        tally = rates(one, of, seconds=options.seconds / len(wanted))
        print(line(name, tally), flush=True)
        if not (one.mixed or one.unknown):
            total += tally
        if options.misses:
            print(*(f"    {miss}" for miss in tally.misses), sep="\n")
    print("\n| way to be wrong | cells | wrong or doubtful |\n| :-- | --: | --: |")
    for story in printed_tables.STORIES:
        print(f"| {story} | {total.counts[story]} | {interval(total.counts[f'{story} found'], total.counts[story])} |")
    if options.calibration:
        from benchmarks import calibration

        calibration.draw(total, options.calibration)


if __name__ == "__main__":
    main()
