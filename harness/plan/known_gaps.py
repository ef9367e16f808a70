"""Contradictions that were confirmed: read from a file, and matched with verdicts."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.causes import StaleGap
from harness.core.errors import InputError
from harness.core.evidence import ImagesEvaluated, ListedGap
from harness.core.records import UNJUDGED, Outcome, PairResult, Verdict

#: of the place that confirms a known gap, which reports show as a link
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class KnownGap:
    """A contradiction that was confirmed and is listed with its reason."""

    source: str
    version: str
    model: str
    metric: str
    documented: str  #: as printed
    measured: str  #: rounded as the document prints
    reason: str
    url: str

    def covers(self, verdict: Verdict) -> bool:
        claim = verdict.claim
        listed = (self.source, self.version, self.model, self.metric, self.documented)
        return listed == (
            verdict.source.name,
            verdict.source.version,
            claim.row.model,
            claim.metric,
            claim.text,
        )


@dataclass(frozen=True)
class KnownPair:
    """Two sources that were confirmed to run different functions as one model."""

    a: str  #: source with version, as in "timm==0.6.5"
    b: str
    model: str  #: as documented
    kind_a: str  #: what each runs at the first divergence
    kind_b: str
    reason: str
    url: str

    def covers(self, pair: PairResult) -> bool:
        return (self.a, self.b, self.model) == (str(pair.a), str(pair.b), pair.model)


def read_known_gaps(path: Path) -> list[KnownGap]:
    """Every `[[gap]]` of the file. Raises InputError that names the entry and what it lacks."""
    return [KnownGap(**entry) for entry in _entries(path, "gap", KnownGap)]


def read_known_pairs(path: Path) -> list[KnownPair]:
    """Every `[[pair]]` of the file. Raises InputError that names the entry and what it lacks."""
    return [KnownPair(**entry) for entry in _entries(path, "pair", KnownPair)]


def _entries(path: Path, section: str, kind: type[KnownGap] | type[KnownPair]) -> list[dict[str, str]]:
    try:
        entries: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8")).get(section, [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot read the known gaps: {error}") from error
    fields = [field.name for field in dataclasses.fields(kind)]
    for number, entry in enumerate(entries, 1):
        wrong = [name for name in fields if not isinstance(entry.get(name), str) or not entry[name]]
        wrong += [name for name in entry if name not in fields]
        if "url" not in wrong and not _ADDRESS.fullmatch(entry["url"]):
            wrong.append("url (an address that begins with https://)")
        if wrong:
            raise InputError(
                f"{path}: {section} {number}: expected a text for each of {', '.join(fields)}; see {', '.join(wrong)}"
            )
    return entries


def apply_known_gaps(verdicts: Sequence[Verdict], gaps: Iterable[KnownGap]) -> list[Verdict]:
    """Contradictions that are listed become known gaps; an entry that no longer holds becomes an error."""
    gaps = list(gaps)
    applied = []
    for verdict in verdicts:
        gap = next((gap for gap in gaps if gap.covers(verdict)), None)
        if gap is None or verdict.outcome in (*UNJUDGED, Outcome.ERROR):
            applied.append(verdict)
            continue
        printed, same = _measured_now(verdict, gap)
        listed = dataclasses.replace(verdict, known_gap=ListedGap(gap.reason, gap.url))
        if verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL) and same:
            applied.append(dataclasses.replace(listed, outcome=Outcome.KNOWN_GAP))
        else:
            stale = StaleGap(gap.measured, str(verdict.outcome), printed)
            applied.append(dataclasses.replace(listed, outcome=Outcome.ERROR, causes=(*verdict.causes, stale)))
    return applied


def _measured_now(verdict: Verdict, gap: KnownGap) -> tuple[str, bool]:
    """What is measured, as the document would print it, and whether it is what the gap lists, or may be."""
    claim = verdict.claim
    part = verdict.basis.part if isinstance(verdict.basis, ImagesEvaluated) else None
    if part is None:
        printed = claim.printed(verdict.measured) if verdict.measured is not None else "nothing"
        return printed, printed == gap.measured
    low, high = part.possible_percent
    try:
        same = low - claim.step / 2 <= float(gap.measured) <= high + claim.step / 2
    except ValueError:
        same = False
    return f"{claim.printed(low)} to {claim.printed(high)}", same


def apply_known_pairs(pairs: Iterable[PairResult], listed: Iterable[KnownPair]) -> list[PairResult]:
    """Differences that are listed become known; an entry that no longer holds makes its pair stale."""
    listed = list(listed)
    applied = []
    for pair in pairs:
        entry = next((entry for entry in listed if entry.covers(pair)), None)
        if entry is None or pair.outcome == "no_correspondence":
            applied.append(pair)
            continue
        first = pair.divergence
        gap = {"reason": entry.reason, "url": entry.url}
        if first and (first.kind_a, first.kind_b) == (entry.kind_a, entry.kind_b):
            applied.append(dataclasses.replace(pair, known_gap=gap))
        else:
            found = f"{first.kind_a} against {first.kind_b}" if first else "no such difference"
            reason = (
                f"the known pair listed for it is stale: it says that {entry.kind_a} against {entry.kind_b} is where "
                f"they part, but {found} was measured. Correct or remove the entry"
            )
            applied.append(dataclasses.replace(pair, outcome="stale_gap", reason=reason, known_gap=gap))
    return applied
