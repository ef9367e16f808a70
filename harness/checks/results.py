"""All that one run found out: what a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.checks import issues, verdicts
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.equivalence.preprocessing import Comparison
from harness.checks.equivalence.run import PairedRuns
from harness.core.records import Claim, Failure, Finding, Outcome, PairResult, Row, Run, Source, Static, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.environments import Installed
from harness.plan.plan import Options, Plan
from harness.tables.claims import Problem


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
    def entries(self) -> list[issues.Entry]:
        """What is to be mended in the documents."""
        return issues.entries(self.verdicts, self.findings)

    @cached_property
    def wrong(self) -> dict[Claim, list[str]]:
        """Claims that are wrong though no measurement contradicts them, and why."""
        contradicted = {verdict.claim for verdict in self.verdicts if verdict.outcome is Outcome.CONTRADICTED}
        found = verdicts.wrong_by_themselves(self.findings)
        return {claim: texts for claim, texts in found.items() if claim not in contradicted}

    @property
    def exit_status(self) -> int:
        """See verdicts.exit_status; a table of which no row is of a source that can be asked does not pass either."""
        nothing = bool(self.verdicts) and not self.plan.targets
        failures = len(self.failures) + len(self.problems) + nothing
        return verdicts.exit_status(self.verdicts, failures, self.pairs, self.findings)
