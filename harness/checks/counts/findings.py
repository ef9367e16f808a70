"""What the verdicts on counts say of a source as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.paths import shown_file
from harness.core.records import Finding, Row, Source, Suspect, Verdict


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
                "constant_ratio", str(source), ", ".join(v.claim.row.model for v in cells),
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
                "figures_of_another_network", str(source), row.model,
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
        *("counts_otherwise", str(verdict.source), claim.row.model, text),
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
        *("may_be_copied", str(verdict.source), claim.row.model, text),
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
    return Finding("counter_overlooks", str(source), models, text, evidence)
