"""Pure: what turns over slices of images come to, row by row and in sum, as Markdown.

A harness contestant runs all rows of its source together. The seconds of a slice are shared out to its rows as the
forward passes took them, so that the rows sum to what the slice took, whatever it was spent on; how much of it was in
no forward pass is told with the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Best = Sequence[Sequence[int]]  #: for each image its five best classes
NONE = "–"
#: the runtime and precision that predictions are held against
NATIVE = "harness, native"


@dataclass(frozen=True)
class Timed:
    """One contestant over the images of one row."""

    name: str
    seconds: Sequence[float] = ()  #: slice by slice
    images: Sequence[int] = ()  #: slice by slice
    best: Best = ()
    memory: Sequence[float] = ()  #: MiB, the most that each of its processes held
    natively: int | None = None  #: images that the native network ran beside a faster one
    checked: int | None = None  #: of these, whatever their margins
    engine: str = ""  #: what ran the network, in words
    note: str = ""
    failure: str | None = None  #: why there is no more than what stands here

    @property
    def complete(self) -> bool:
        return self.failure is None and bool(self.images)

    @property
    def ms(self) -> float:
        """Milliseconds per image."""
        return 1000 * sum(self.seconds) / sum(self.images) if sum(self.images) else float("nan")


@dataclass(frozen=True)
class RowTimes:
    """One row: the source's own evaluation, more than one way where there are some, and the harness."""

    source: str
    label: str
    size: int  #: pixels
    gflops: float  #: of one image
    own: Sequence[Timed]
    harness: Sequence[Timed]

    @property
    def reference(self) -> Timed | None:
        """What ratios are taken against: the fastest way of the source's own."""
        return min((one for one in self.own if one.complete), key=lambda one: one.ms, default=None)


@dataclass(frozen=True)
class SourceTime:
    """One harness contestant over all rows of its source."""

    source: str
    name: str
    seconds: float
    outside: float  #: seconds of these that were in no forward pass and no wait for its images
    images: int  #: each of which all rows ran


def of_evaluator(outcome: Any, name: str) -> Timed:
    """From an interleaved.Outcome of a source's own evaluation."""
    return Timed(
        name,
        [one["seconds"] for one in outcome.passes],
        [one["images"] for one in outcome.passes],
        outcome.best,
        [outcome.peak_rss_mib],
        failure=outcome.failure,
    )


def of_harness(outcome: Any, source: str, name: str, models: Sequence[str]) -> tuple[list[Timed], SourceTime | None]:
    """Row by row and as a whole, from an interleaved.Outcome of harness_evaluator; no whole without all rows."""
    passes: Sequence[Mapping[str, Any]] = outcome.passes
    memory = [outcome.peak_rss_mib, max((one["worker_peak_rss_mib"] for one in passes), default=float("nan"))]
    shares = [_shares(one) for one in passes]
    found = []
    for model in models:
        rows = [one["rows"][model] for one in passes]
        good = [row for row in rows if "failure" not in row]
        failure = next((row["failure"] for row in rows if "failure" in row), outcome.failure)
        found.append(
            Timed(
                name,
                [share[model] for share in shares if model in share],
                [one["images"] for one in passes if "failure" not in one["rows"][model]],
                [classes for row in good for classes in row["best"]],
                memory,
                sum(row["natively"] for row in good),
                sum(row["checked"] for row in good),
                good[-1]["engine"] if good else "",
                _note(good[-1]["certificate"]) if good else "",
                failure,
            )
        )
    if not all(one.complete for one in found):
        return found, None
    wall = sum(one["seconds"] for one in passes)
    inside = sum(row["seconds"] for one in passes for row in one["rows"].values())
    return found, SourceTime(source, name, wall, wall - inside, sum(one["images"] for one in passes))


def _note(certificate: Mapping[str, Any] | None) -> str:
    """What a certificate of a faster runtime says that a table has no column for."""
    if certificate is None or not certificate["fallback"]:
        return ""
    return f"the native network ran all images, since {certificate['fallback']}"


def _shares(one: Mapping[str, Any]) -> dict[str, float]:
    """What a slice took, shared out to the rows that were run."""
    ran = {model: row["seconds"] for model, row in one["rows"].items() if "failure" not in row}
    inside = sum(ran.values())
    return {model: one["seconds"] * (seconds / inside if inside else 1 / len(ran)) for model, seconds in ran.items()}


def differing(a: Best, b: Best) -> int | None:
    """Images whose best class or set of five best is another one; None where they are not the same images."""
    if len(a) != len(b) or not a:
        return None
    return sum(x[0] != y[0] or set(x) != set(y) for x, y in zip(a, b, strict=True))


def ratios(one: Timed, reference: Timed) -> list[float]:
    """Time over the reference's time, slice by slice."""
    return [mine / other for mine, other in zip(one.seconds, reference.seconds, strict=False)]


def row_table(row: RowTimes, peak: float) -> str:
    """`peak` is the machine's in GFLOP/s, fp32."""
    ideal = 1000 * row.gflops / peak
    reference = row.reference
    native = next((one for one in row.harness if one.name == NATIVE), None)
    lines = []
    for one in [*row.own, *row.harness]:
        if not one.images:
            lines.append([one.name, *[NONE] * 8])
            continue
        by_slice = ratios(one, reference) if reference else []
        lines.append([
            one.name + (f" (failed after {sum(one.images)} images)" if one.failure else ""),
            f"{one.ms:.1f}",
            f"{one.ms / reference.ms:.2f}" if reference else NONE,
            f"{min(by_slice):.2f} to {max(by_slice):.2f}" if by_slice else NONE,
            f"{ideal / one.ms:.0%}",
            _number(differing(one.best, native.best) if native and one is not native else None),
            _number(differing(one.best, reference.best) if reference and one is not reference else None),
            _natively(one),
            " + ".join(f"{mib:,.0f}" for mib in one.memory),
        ])  # fmt: skip
    head = [
        "contestant", "ms per image", "ratio", "ratio by slice", "of the peak", "differ from native",
        "differ from its own", "run natively", "peak RAM, MiB",
    ]  # fmt: skip
    title = f"### {row.label}, {row.size} pixels, {row.gflops:.2f} GFLOPs: {ideal:.1f} ms at the peak"
    notes = [f"{one.name}: {one.note}." for one in row.harness if one.note]
    notes += [f"{one.name}: {one.failure}" for one in [*row.own, *row.harness] if one.failure]
    return "\n\n".join([title, markdown(head, lines), *notes])


def _natively(one: Timed) -> str:
    return f"{one.natively}, {one.checked} of them checks" if one.natively else NONE


def sum_table(rows: Sequence[RowTimes], sources: Sequence[SourceTime], peak: float) -> str:
    """Milliseconds that one image takes in all rows of a source, and in all rows there are."""
    names = list(dict.fromkeys(one.name for row in rows for one in row.harness))
    lines = []
    for source in [*dict.fromkeys(row.source for row in rows), None]:
        mine = [row for row in rows if source in (None, row.source)]
        own = _total(row.reference.ms if row.reference else None for row in mine)
        ideal = sum(1000 * row.gflops / peak for row in mine)
        cells = [source or "all", str(len(mine)), f"{ideal:.1f}", _ms(own)]
        for name in names:
            parts = [part for part in sources if part.name == name and source in (None, part.source)]
            complete = {part.source for part in parts} == {row.source for row in mine}
            total = sum(1000 * part.seconds / part.images for part in parts) if complete else None
            outside = sum(part.outside for part in parts) / sum(part.seconds for part in parts) if complete else 0.0
            ratio = f" ({total / own:.2f})" if total and own else ""
            cells.append(f"{_ms(total)}{ratio}, {ideal / total:.0%}, {outside:.1%} outside" if total else NONE)
        lines.append(cells)
    return markdown(["source", "rows", "ms at the peak", "its own evaluation", *names], lines)


def _total(values: Iterable[float | None]) -> float | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def _number(value: int | None) -> str:
    return NONE if value is None else str(value)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first are numbers."""
    rule = [":---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])
