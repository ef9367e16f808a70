"""Tables of benchmarks.printed_tables, judged, and what came of their cells."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.adapters.base import Parameters, Preprocessing
from scipy import stats

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
    sums: dict[int, float] = field(
        default_factory=lambda: dict.fromkeys(range(len(BINS)), 0.0)
    )  #: of the probabilities in a bin
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
                self.sums[number] += one.basis.wrong
            if (cell.is_wrong and not (red or doubtful)) or (not cell.is_wrong and (red or doubtful)):
                self.misses.append(
                    f"{one.outcome} {cell.text} of {cell.network} {cell.size}, right {cell.right} ({cell.story}; "
                    f"{printed.counted}; passes {cell.passes}): {one.convention}; {one.cause}"
                )


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
    known, total, until = statics(of), Tally(), time.process_time() + seconds
    for number, printed in enumerate(tables(wanted, of)):
        if number >= count or time.process_time() > until:
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
