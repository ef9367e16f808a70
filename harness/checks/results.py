"""All that one run found out: what a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from harness.checks import issues, results
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.equivalence.preprocessing import Comparison
from harness.checks.equivalence.run import PairedRuns
from harness.core.findings import Finding
from harness.core.records import UNITS, Claim, Failure, Outcome, PairResult, Row, Run, Source, Static, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.environments import Installed
from harness.plan.options import Options
from harness.plan.plan import Plan
from harness.tables.claims import Problem

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Results:
    """Everything a report shows."""

    options: Options
    plan: Plan
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    runs: tuple[Run, ...]
    pairs: tuple[PairResult, ...]  #: the same weights in two sources
    preprocessing: tuple[Comparison, ...]
    paired: tuple[PairedRuns, ...]  #: each source with its own weights, on the same images
    attributions: tuple[Attribution, ...]  #: why an accuracy differs
    installed: Mapping[Source, Installed]
    images: ImageSet | None
    demonstration: Run | None
    statics: Mapping[tuple[Row, Source], Static]  #: each documented model that was built

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.plan.table.problems

    @cached_property
    def entries(self) -> list[issues.Issue]:
        """What is to be fixed in the documents."""
        return issues.issues(self.verdicts, self.findings)

    @cached_property
    def wrong(self) -> dict[Claim, list[str]]:
        """Claims that are wrong though no measurement contradicts them, and why."""
        contradicted = {verdict.claim for verdict in self.verdicts if verdict.outcome is Outcome.CONTRADICTED}
        found = results.wrong_by_themselves(self.findings)
        return {claim: texts for claim, texts in found.items() if claim not in contradicted}

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame with a row for each cell: what is documented, what was measured, and the outcome.

        `documented` is text as printed; `measured` is a number in the same unit, and NaN where nothing was measured.
        """
        import pandas as pd

        columns = ("source", "version", "model", "input_size", "metric", "documented", "measured", "unit", "outcome",
                   "convention", "cause", "file", "line")  # fmt: skip
        rows = []
        for verdict in self.verdicts:
            claim, source = verdict.claim, verdict.source
            measured = None if verdict.measured is None else verdict.measured / UNITS[claim.unit]
            known = (source.name, source.version, claim.row.model, claim.row.input_size, claim.metric, claim.text)
            judged = (measured, claim.unit, str(verdict.outcome), verdict.convention, verdict.cause)
            rows.append((*known, *judged, claim.row.file, claim.row.line))
        return pd.DataFrame(rows, columns=list(columns)).astype({"measured": float})

    def _repr_html_(self) -> str:
        """The cells as a table, for notebooks."""
        counts = Counter(str(verdict.outcome) for verdict in self.verdicts)
        tally = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items())
        shown = ["model", "source", "metric", "documented", "measured", "unit", "outcome"]
        frame = self.to_frame().rename_axis(None)
        frame["source"] += "==" + frame["version"]
        table = frame[shown].to_html(index=False, na_rep="–", float_format="{:.6g}".format)
        return f"<p><b>{len(self.verdicts)} cells</b>: {escape(tally)}</p>{table}"

    @property
    def exit_status(self) -> int:
        """See exit_status(); a table of which no row is of a source that can be asked does not pass either."""
        nothing = bool(self.verdicts) and not self.plan.targets
        failures = len(self.failures) + len(self.problems) + nothing
        return results.exit_status(self.verdicts, failures, self.pairs, self.findings, self.options.strict)


def exit_status(
    verdicts: Sequence[Verdict],
    failures: int,
    pairs: Sequence[PairResult] = (),
    findings: Iterable[Finding] = (),
    strict: bool = False,
) -> int:
    """0: every cell holds, or was not asked for; 1: something is contradicted; 2: something could not be measured.

    A doubtful cell counts as one that holds, or where it is `strict` as one that is contradicted.

    Two sources that document one model and run different functions contradict each other, and so does a row that
    cannot be true, regardless of measurement.

    A run without a single cell has proven nothing and does not pass.
    """
    failing = (Outcome.CONTRADICTED, Outcome.DOUBTFUL) if strict else (Outcome.CONTRADICTED,)
    if any(verdict.outcome in failing for verdict in verdicts):
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
    """Claims that are wrong regardless of measurement, or are not what the source publishes, and why."""
    found: dict[Claim, list[str]] = {}
    for finding in findings:
        if finding.severity == "error" and finding.row is not None:
            for suspect in finding.suspects:
                found.setdefault(suspect.claim, []).append(finding.text)
    return found
