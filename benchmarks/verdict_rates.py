"""How often right figures are called wrong, wrong ones are found, and the right figure is named.

    python -m benchmarks.verdict_rates [--tables N] [--rows 1,3,10,30] [--half 0|1]

Tables are those of benchmarks.printed_tables: of half of the counted networks, right or with one wrong cell each.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.adapters.base import Parameters, Preprocessing

from benchmarks.printed_tables import Column, Network, column, networks
from harness.checks.counts.judge import judge
from harness.checks.counts.matching import Judgement, Measured
from harness.core.evidence import NoMatch
from harness.core.records import UNITS, Claim, Metric, Outcome, Row, Source, Static

SOURCE = Source("counted", "1")
_ANY = Preprocessing("PIL, RGB", 256, 224, "PIL bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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


def tables(metric: str, rows: int, digits: int, count: int, of: Mapping[str, Network]) -> Iterator[Column]:
    """As many right tables as tables with about one wrong cell."""
    chosen = random.Random(f"{metric} {rows} {digits}")
    for number in range(count):
        found = column(chosen, of, metric, rows, digits, 0.0 if number % 2 else 1.0 / rows)
        if found is not None:
            yield found


def tally(printed: Column, judged: Sequence[Judgement]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for cell, one in zip(printed.cells, judged, strict=True):
        kind = "wrong" if cell.is_wrong else "right"
        red, doubtful = one.outcome is Outcome.CONTRADICTED, one.outcome is Outcome.DOUBTFUL
        counts[kind] += 1
        counts[f"{kind} red"] += red
        counts[f"{kind} doubtful"] += doubtful
        if cell.is_wrong and (red or doubtful) and isinstance(one.basis, NoMatch) and one.basis.expected:
            counts["named"] += float(one.basis.expected) == float(cell.right)
        if red and isinstance(one.basis, NoMatch):
            counts["calibrated"] += cell.is_wrong
            counts["red"] += 1
    return counts


def rates(metric: str, rows: int, digits: int, count: int, of: Mapping[str, Network]) -> Counter[str]:
    known = statics(of)
    total: Counter[str] = Counter()
    for printed in tables(metric, rows, digits, count, of):
        total.update(tally(printed, judge([measured(printed, known)])[0]))
    return total


def _line(counts: Counter[str]) -> str:
    right, wrong = max(1, counts["right"]), max(1, counts["wrong"])
    found = counts["wrong red"] + counts["wrong doubtful"]
    return (
        f"| {counts['right']} | {100 * counts['right red'] / right:.2f} % "
        f"| {100 * counts['right doubtful'] / right:.2f} % "
        f"| {counts['wrong']} | {100 * counts['wrong red'] / wrong:.1f} % | {100 * found / wrong:.1f} % "
        f"| {100 * counts['named'] / max(1, found):.1f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--rows", default="1,3,10,30")
    parser.add_argument("--digits", default="2,3,4,5")
    parser.add_argument("--half", type=int, default=1)
    options = parser.parse_args()
    print("| metric | rows | digits | right cells | red | doubtful | wrong cells | red | found | right figure named |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    for metric in ("flops", "params"):
        for rows in map(int, options.rows.split(",")):
            for digits in map(int, options.digits.split(",")):
                counts = rates(metric, rows, digits, max(8, options.tables // rows), half(options.half))
                print(f"| {metric} | {rows} | {digits} {_line(counts)}", flush=True)


if __name__ == "__main__":
    main()
