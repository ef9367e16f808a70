"""Pure functions: claims and what was measured -> verdicts. Nothing here measures, and nothing here prints."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.checks.counts import judge
from harness.checks.counts.matching import Judgement, Measured
from harness.core.errors import InputError
from harness.core.records import Claim, Finding, Outcome, PairResult, Row, Source, Static, Suspect, Verdict
from harness.tables.cells import shown_file

#: of the place that confirms a known gap, which reports show as a link
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Target:
    """A row as it is to be checked: with which release of its source."""

    row: Row
    source: Source


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


# -- static cells ----------------------------------------------------------------------------------


def judge_static(claims: Sequence[tuple[Claim, Source]], statics: Mapping[tuple[Row, Source], Static]) -> list[Verdict]:
    """Verdicts on FLOPs and parameters of the claims whose network was built."""
    groups: dict[tuple[Any, ...], list[Claim]] = {}  # of one source in one column of one table
    for claim, source in claims:
        if (claim.row, source) in statics:
            column = (source, claim.row.file, claim.row.table, claim.metric, claim.multiply_adds)
            groups.setdefault(column, []).append(claim)
    measured = {
        column: [Measured(claim, statics[claim.row, column[0]]) for claim in group] for column, group in groups.items()
    }
    first = {column: judge.judge(items) for column, items in measured.items()}
    verdicts = []
    for column, group in groups.items():
        source = column[0]
        judgements = first[column]
        if any(judged.outcome is Outcome.CONTRADICTED for judged in judgements):
            others = [
                judged for other in first if other != column and _counts_alike(other, column) for judged in first[other]
            ]
            judgements = judge.judge(measured[column], _customs(others), _custom(others))
        for claim, judged in zip(group, judgements, strict=True):
            verdicts.append(
                Verdict(
                    claim,
                    source,
                    judged.outcome,
                    judged.plain,
                    judged.convention,
                    judged.cause,
                    judged.evidence,
                )
            )
    return verdicts


def _counts_alike(column: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two columns are about the same metric of the same source, whatever the table."""
    return (column[0], *column[3:]) == (other[0], *other[3:])


def _customs(judged: Iterable[Judgement]) -> set[str]:
    """The conventions by which several figures are explained."""
    texts = [one.convention for one in judged if one.outcome is Outcome.EXPLAINED and one.convention]
    return {text for text in texts if texts.count(text) >= judge.COMMON_ROWS}


def _custom(judged: Iterable[Judgement]) -> tuple[str, int] | None:
    """The convention by which nearly all figures are counted, and how many; None where there is no such."""
    held = [one.convention for one in judged if one.outcome in (Outcome.REPRODUCED, Outcome.EXPLAINED)]
    [(text, rows)] = Counter(held).most_common(1) or [(None, 0)]
    common = rows >= max(judge.COMMON_ROWS, judge.COMMON_SHARE * len(held))
    return (text, rows) if text is not None and common else None


# -- known gaps and the end result -----------------------------------------------------------------


def apply_known_gaps(verdicts: Sequence[Verdict], gaps: Iterable[KnownGap]) -> list[Verdict]:
    """Contradictions that are listed become known gaps; an entry that no longer holds becomes an error."""
    gaps = list(gaps)
    applied = []
    for verdict in verdicts:
        gap = next((gap for gap in gaps if gap.covers(verdict)), None)
        if gap is None or verdict.outcome in (Outcome.NOT_MEASURED, Outcome.ERROR):
            applied.append(verdict)
            continue
        printed, same = _measured_now(verdict, gap)
        evidence = {**verdict.evidence, "known_gap": {"reason": gap.reason, "url": gap.url}}
        if verdict.outcome is Outcome.CONTRADICTED and same:
            applied.append(dataclasses.replace(verdict, outcome=Outcome.KNOWN_GAP, evidence=evidence))
        else:
            cause = (
                f"the known gap listed for it is stale: it says that {gap.measured} is measured, but the cell is "
                f"{verdict.outcome} and {printed} is measured. Correct or remove the entry"
            )
            applied.append(dataclasses.replace(verdict, outcome=Outcome.ERROR, cause=cause, evidence=evidence))
    return applied


def _measured_now(verdict: Verdict, gap: KnownGap) -> tuple[str, bool]:
    """What is measured, as the document would print it, and whether it is what the gap lists, or may be."""
    claim = verdict.claim
    if "possible_percent" not in verdict.evidence:
        printed = claim.printed(verdict.measured) if verdict.measured is not None else "nothing"
        return printed, printed == gap.measured
    low, high = verdict.evidence["possible_percent"]  # of a part of the images
    try:
        same = low - claim.step / 2 <= float(gap.measured) <= high + claim.step / 2
    except ValueError:
        same = False
    return f"{claim.printed(low)} to {claim.printed(high)}", same


def exit_status(
    verdicts: Sequence[Verdict], failures: int, pairs: Sequence[PairResult] = (), findings: Iterable[Finding] = ()
) -> int:
    """0: every cell holds, or was not asked for; 1: something is contradicted; 2: something could not be measured.

    Two sources that document one model and run different functions contradict each other, and so does a row that
    cannot be true, whatever is measured.

    A run without a single cell has proven nothing and does not pass.
    """
    if any(verdict.outcome is Outcome.CONTRADICTED for verdict in verdicts):
        return 1
    if wrong_by_themselves(findings):
        return 1
    if any(pair.outcome == "different_function" and not pair.known_gap for pair in pairs):
        return 1
    if any(pair.outcome in ("no_correspondence", "stale_gap") for pair in pairs):
        return 2
    if failures or not verdicts or any(verdict.outcome is Outcome.ERROR for verdict in verdicts):
        return 2
    return 0


def wrong_by_themselves(findings: Iterable[Finding]) -> dict[Claim, list[str]]:
    """The claims of rows that cannot be true whatever is measured, or are not what the source publishes, and why."""
    found: dict[Claim, list[str]] = {}
    for finding in findings:
        if finding.severity == "error" and finding.row is not None:
            for suspect in finding.suspects:
                found.setdefault(suspect.claim, []).append(finding.text)
    return found


def apply_known_pairs(pairs: Iterable[PairResult], listed: Iterable[KnownPair]) -> list[PairResult]:
    """Differences that are listed become known; an entry that no longer holds makes its pair stale."""
    listed = list(listed)
    applied = []
    for pair in pairs:
        entry = next((entry for entry in listed if entry.covers(pair)), None)
        if entry is None or pair.outcome == "no_correspondence":
            applied.append(pair)
            continue
        first = pair.divergence or {}
        gap = {"reason": entry.reason, "url": entry.url}
        if (first.get("kind_a"), first.get("kind_b")) == (entry.kind_a, entry.kind_b):
            applied.append(dataclasses.replace(pair, known_gap=gap))
        else:
            found = f"{first['kind_a']} against {first['kind_b']}" if first else "no such difference"
            reason = (
                f"the known pair listed for it is stale: it says that {entry.kind_a} against {entry.kind_b} is where "
                f"they part, but {found} was measured. Correct or remove the entry"
            )
            applied.append(dataclasses.replace(pair, outcome="stale_gap", reason=reason, known_gap=gap))
    return applied


def pair_findings(pairs: Iterable[PairResult]) -> list[Finding]:
    """Sources that document one model and run another function, and those that could not be compared."""
    found = []
    for pair in pairs:
        sources = f"{pair.a}, {pair.b}"
        if pair.outcome == "same_function":
            if pair.wiring:
                found.append(_wired_differently(pair, sources))
            continue
        if pair.outcome == "stale_gap":
            text = f"{pair.a} and {pair.b}, {pair.model}: {pair.reason}."
            found.append(Finding("stale_gap", "error", sources, pair.model, text))
            continue
        if pair.outcome == "no_correspondence":
            text = f"The weights of {pair.model} cannot be moved from {pair.a} to {pair.b}: {pair.reason}."
            found.append(Finding("no_correspondence", "error", sources, pair.model, text))
            continue
        text = f"{pair.a} and {pair.b} run different functions as {pair.model} with the same weights"
        first = pair.divergence
        if first:
            text += f": at {first['layer_a']} (in {pair.b}: {first['layer_b']}) {first['why']}"
        apart = len(pair.wiring)
        text += f". {apart} layers in all are built or fed differently." if apart else "."
        text += f" {operators_apart(pair)}" if operators_apart(pair) else ""
        text += f" {pair.known_gap['reason']} {pair.known_gap['url']}" if pair.known_gap else ""
        evidence = {"first_divergence": first, "max_abs_diff": pair.max_abs_diff, "images": pair.images}
        severity: Literal["warning", "error"] = "warning" if pair.known_gap else "error"
        found.append(Finding("different_function", severity, sources, pair.model, text, evidence))
    return found


def _wired_differently(pair: PairResult, sources: str) -> Finding:
    """Equal logits say that a difference does not matter with these weights, not that it does with no others."""
    first, number = pair.wiring[0], len(pair.wiring)
    text = (
        f"{pair.a} and {pair.b} give the same logits as {pair.model} with these weights on these images, but "
        f"{number} layer{'s are' if number > 1 else ' is'} built or fed differently, first {first['layer_a']} "
        f"({first['text_a']}; in {pair.b}: {first['layer_b']}, {first['text_b']}). With other weights it may show."
    )
    return Finding("wired_differently", "warning", sources, pair.model, text, {"layers": number})


def pair_sentence(pair: PairResult) -> str:
    """One line on a pair for the terminal and for pytest."""
    who = f"{pair.a} and {pair.b}, {pair.model}"
    if pair.outcome == "same_function":
        apart = f"differ by at most {pair.max_abs_diff:.2g}" if pair.max_abs_diff else "are equal to the bit"
        return f"{who}: same function; with the same weights their logits {apart} on {pair.images} images"
    first = pair.divergence
    if pair.outcome == "different_function" and first:
        return (
            f"{who}: different function; at {first['layer_a']} (in {pair.b}: {first['layer_b']}) {first['why']}; the "
            f"best class is the same on {pair.top1_agreement or 0:.0%} of {pair.images} images"
        )
    return f"{who}: {pair.outcome.replace('_', ' ')}; {pair.reason or 'where they part was not found'}"


def operators_apart(pair: PairResult) -> str:
    """Kinds of operation that the two do not run equally often, as a sentence; empty where all agree."""
    a, b = pair.inventories
    kinds = [kind for kind in {**a, **b} if a.get(kind, 0) != b.get(kind, 0)]
    if not kinds:
        return ""
    listed = ", ".join(f"{kind} {a.get(kind, 0)} against {b.get(kind, 0)} times" for kind in kinds)
    return f"Operations of {pair.a} against {pair.b}: {listed}."


def findings(verdicts: Sequence[Verdict]) -> list[Finding]:
    """What the verdicts say about a source as a whole, beyond single cells."""
    found: list[Finding] = []
    ratios: dict[tuple[Source, str], list[Verdict]] = {}
    owners: dict[tuple[Source, Row, str], list[Verdict]] = {}
    overlooking: dict[tuple[Source, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if "ratio" in verdict.evidence:
            ratios.setdefault((verdict.source, verdict.evidence["ratio"]), []).append(verdict)
        if "belongs_to" in verdict.evidence:
            key = (verdict.source, verdict.claim.row, verdict.evidence["belongs_to"])
            owners.setdefault(key, []).append(verdict)
        if "other_rows" in verdict.evidence:
            found.append(_counts_otherwise(verdict))
        if "share_seen" in verdict.evidence:
            counted = (verdict.source, verdict.claim.row.file, str(verdict.convention))
            overlooking.setdefault(counted, []).append(verdict)
        if "may_be_copied_from" in verdict.evidence and verdict.measured is not None:
            found.append(_may_be_copied(verdict, verdict.measured))
    for (source, ratio), cells in ratios.items():
        figures = "; ".join(
            f"{v.claim.row.model}: {v.claim.text} is {ratio} of {v.evidence['ratio_of']}" for v in cells
        )
        found.append(
            Finding(
                "constant_ratio", "warning", str(source), ", ".join(v.claim.row.model for v in cells),
                f"The documented {cells[0].claim.metric} of {len(cells)} rows of {source} are {ratio} of what is "
                f"counted. The factor is the same for all, and no counter, resolution or unit gives it ({figures}).",
                {"ratio": ratio, "chance": cells[0].evidence["chance"]},
            )
        )  # fmt: skip
    found += [_overlooks(*counted, cells) for counted, cells in overlooking.items()]
    for (source, row, owner), cells in owners.items():
        figures = ", ".join(f"{v.claim.metric} {v.claim.text} {v.claim.unit}" for v in cells)
        found.append(
            Finding(
                "figures_of_another_network", "error", str(source), row.model,
                f"Row {row.number} documents {row.model}, but {figures} are the figures of {owner} of the same "
                f"source. The row's other figures may be {owner}'s as well.",
                {"belongs_to": owner, "chance": cells[0].evidence["chance"]},
                row=row,
            )
        )  # fmt: skip
    return found


def _counts_otherwise(verdict: Verdict) -> Finding:
    """A figure that holds, though not in the way in which the source's other figures in the table do."""
    claim, other = verdict.claim, verdict.evidence["other_rows"]
    text = (
        f"The documented {claim.metric} of {claim.row.model}, {claim.text} {claim.unit}, are {verdict.convention}, but "
        f"{other['rows']} figures of {verdict.source.name} in the same column are {other['convention']}, by which it "
        f"would be {other['value']} {claim.unit}."
    )
    return Finding(
        *("counts_otherwise", "warning", str(verdict.source), claim.row.model, text),
        {"metric": claim.metric, **other},
        (Suspect(claim, other["value"]),),
        claim.row,
    )


def _may_be_copied(verdict: Verdict, measured: float) -> Finding:
    """A figure that another row has as well, of which it is plainly true."""
    claim, other = verdict.claim, verdict.evidence["may_be_copied_from"]
    text = (
        f"The documented {claim.metric} of {claim.row.model}, {claim.text} {claim.unit}, are {verdict.convention}; but "
        f"the same figure stands in {other}, of which it is true under the plain meaning of the column."
    )
    return Finding(
        *("may_be_copied", "warning", str(verdict.source), claim.row.model, text),
        {"metric": claim.metric, "from": other},
        (Suspect(claim, claim.printed(measured)),),
        claim.row,
    )


def _overlooks(source: Source, file: str, convention: str, cells: Sequence[Verdict]) -> Finding:
    """Figures that hold by a counter which does not see most of the network."""
    shares = sorted(100 * cell.evidence["share_seen"] for cell in cells)
    models = ", ".join(cell.claim.row.model for cell in cells)
    span = f"{shares[0]:.1f}" if len(shares) == 1 else f"{shares[0]:.1f} to {shares[-1]:.1f}"
    text = (
        f"The documented FLOPs of {models} are {convention}. That counter does not know all layers of the network: it "
        f"finds {span} % of the multiply-adds of its convolutions and matrix products, so that the figure does not "
        "tell what the network costs."
    )
    evidence = {"file": shown_file(file), "line": cells[0].claim.row.line, "share_seen": shares[0] / 100}
    return Finding("counter_overlooks", "warning", str(source), models, text, evidence)
