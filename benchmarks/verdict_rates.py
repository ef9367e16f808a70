"""How often right figures are called wrong, wrong ones are found, and the right figure is named.

    python -m benchmarks.verdict_rates [--seconds N] [--rows 1,3,10,30] [--digits 2,3,4,5] [--half 0|1]
        [--calibration FILE.svg] [--vary N [--priors PATTERN]] [--misses]

Tables are those of benchmarks.printed_tables: of half of the counted networks, right or with one wrong cell each. Each
kind of column has the same share of the time. Intervals are those of Clopper and Pearson, 95 %.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import calibration, printed_tables, prior_shares
from benchmarks.judged_tables import Tally, half, interval, rates
from benchmarks.printed_tables import Wanted
from harness.checks.counts.evidence import priors


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
    for metric in ("flops", "params"):
        for count in rows:
            held_back = Wanted(metric, count, 4, 1.0 / count, stories=printed_tables.HELD_BACK)
            yield f"{metric}, wrong in a way held back, {count} / 4", held_back


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=480.0, help="for all columns together")
    parser.add_argument("--rows", default="1,3,10,30")
    parser.add_argument("--digits", default="2,3,4,5")
    parser.add_argument("--half", type=int, default=1)
    parser.add_argument("--calibration", type=Path, help="draw this SVG")
    parser.add_argument("--vary", type=int, default=0, help="tables with each assumed prior three times and a third")
    parser.add_argument("--priors", default="", help="those of --vary, by a regular expression")
    parser.add_argument("--misses", action="store_true", help="show each cell that is not judged as it is")
    options = parser.parse_args()
    of = half(options.half)
    if options.vary:
        prior_shares.show(options.vary, of, options.priors)
        return
    wanted = list(kinds(*([int(n) for n in text.split(",")] for text in (options.rows, options.digits))))
    print(HEADING)
    usual: list[Tally] = []
    held_back: list[Tally] = []
    by_rows: dict[tuple[str, int], Counter[str]] = {}
    for name, one in wanted:
        tally = rates(one, of, seconds=options.seconds / len(wanted))
        print(line(name, tally), flush=True)
        if one.stories:
            held_back.append(tally)
        elif not (one.mixed or one.unknown):
            usual.append(tally)
            for metric in (one.metric, "both"):
                by_rows.setdefault((metric, one.rows), Counter()).update(tally.counts)
        if options.misses:
            print(*(f"    {miss}" for miss in tally.misses), sep="\n")
    for metric, rows in sorted(by_rows, key=lambda key: (-len(key[0]), *key)):
        print(line(f"{metric}, {rows} row{'s' * (rows > 1)}, all digits", Tally(by_rows[metric, rows])))
    print("\n| way to be wrong | cells | wrong or doubtful |\n| :-- | --: | --: |")
    for story in (*printed_tables.STORIES, *printed_tables.HELD_BACK):
        tallies = [*usual, *held_back]
        cells, found = (sum(tally.counts[name] for tally in tallies) for name in (story, f"{story} found"))
        print(f"| {story} | {cells} | {interval(found, cells)} |")
    share = float(priors.table()["both"]["wrong"])
    calibration.show(usual, share)
    if options.calibration:
        calibration.draw(usual, share, options.calibration)


if __name__ == "__main__":
    main()
