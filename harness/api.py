"""What `import harness` offers: what the command line does, for programs and notebooks.

The examples are about a page with one row:

    | model | source | top1 | flops   | params  | input size |
    | :---- | :----- | :--- | :------ | :------ | :--------- |
    | tiny  | fake   | 52.4 | 97.152K | 49.006K | 8          |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import report
from harness.checks import run as checks
from harness.checks.results import Results
from harness.core.cancellation import interruptible
from harness.core.findings import Finding
from harness.core.records import Verdict
from harness.plan import preview as previews
from harness.plan.options import Options
from harness.plan.preview import Preview
from harness.report import diff
from harness.report.diff import Comparison, Report
from harness.tables import claims
from harness.tables.claims import Table


@dataclass(frozen=True)
class Step:
    """What a run is doing."""

    text: str  #: in words, or the network that is evaluated
    #: images that the network has seen, or networks that were counted; None where that is not what it is doing
    done: int | None = None
    total: int | None = None  #: that there will be


def audit(
    *pages: str | Path, out: str | Path = "parity-report", progress: Callable[[Step], None] | None = None
) -> Results:
    """Checks FLOPs and parameters of the tables on these pages; needs neither weights nor images.

    `pages` are Markdown or CSV files, folders or patterns. Measurements are kept in `out`, so that the next call
    measures only what is new; see `run`.

    >>> import harness
    >>> results = harness.audit("README.md")
    >>> results.exit_status
    1
    >>> [(verdict.claim.metric, str(verdict.outcome)) for verdict in results.verdicts]
    [('top1', 'not_measured'), ('flops', 'reproduced'), ('params', 'contradicted')]
    """
    return run(Options(tables=pages, checks=("static",), out=out), progress)


def run(options: Options, progress: Callable[[Step], None] | None = None) -> Results:
    """Measures and judges everything that the options ask for.

    `progress` is called with each step, from several threads. Interrupting it (Ctrl-C, or the stop button of a
    notebook) ends all workers within seconds and raises KeyboardInterrupt; the same call resumes.

    Raises InputError where something that was asked for is missing or cannot be read. What cannot be measured is in
    `Results.failures`.

    >>> import harness
    >>> results = harness.run(harness.Options(tables="README.md", checks=["static"]))
    >>> results.to_frame()[["metric", "documented", "measured", "unit", "outcome"]].values.tolist()[2]
    ['params', '49.006', 49.009, 'K', 'contradicted']
    """
    reporter = _Reporter(progress or (lambda _: None))
    return interruptible(lambda: checks.execute(previews.preview(options), reporter))


def preview(options: Options) -> Preview:
    """What `run` would do with these options. Raises InputError where something that was asked for is missing.

    >>> import harness
    >>> [(part.source.name, part.models) for part in harness.preview(harness.Options(tables="README.md")).parts]
    [('fake', 1)]
    """
    return previews.preview(options)


def write_report(results: Results, folder: str | Path) -> Path:
    """Writes report.md, .html, .json and .xml (JUnit). Returns the path of report.md.

    >>> import harness
    >>> harness.write_report(harness.audit("README.md"), "parity-report").as_posix()
    'parity-report/report.md'
    """
    return report.write(results, Path(folder))


def load_report(path: str | Path) -> Report:
    """A report.json, or that of a folder. Raises InputError where there is none, or of another schema.

    >>> import harness
    >>> path = harness.write_report(harness.audit("README.md"), "parity-report")
    >>> [cell["outcome"] for cell in harness.load_report("parity-report").entries("cells")]
    ['not_measured', 'reproduced', 'contradicted']
    """
    return diff.read(Path(path))


def compare(before: str | Path | Report, after: str | Path | Report) -> Comparison:
    """What changed between two reports, each a report.json or a folder with one.

    >>> import harness
    >>> path = harness.write_report(harness.audit("README.md"), "before")
    >>> harness.compare("before", "before").exit_status
    0
    """
    return diff.compare(*(one if isinstance(one, Report) else load_report(one) for one in (before, after)))


def read_tables(pages: str | Path | Sequence[str | Path]) -> Table:
    """Every claim on these pages, and what looks like one but cannot be read. Raises InputError where there is none.

    >>> import harness
    >>> [(claim.row.model, claim.metric, claim.text, claim.unit) for claim in harness.read_tables("README.md").claims]
    [('tiny', 'top1', '52.4', '%'), ('tiny', 'flops', '97.152', 'K'), ('tiny', 'params', '49.006', 'K')]
    """
    return claims.read_tables([Path(one) for one in ([pages] if isinstance(pages, str | Path) else pages)])


class _Reporter:
    """Progress of a run as calls of a function."""

    def __init__(self, tell: Callable[[Step], None]) -> None:
        self._tell = tell

    def stage(self, text: str) -> None:
        self._tell(Step(text))

    def estimate(self) -> None: ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:  # noqa: ARG002
        self._tell(Step(run, done, total))

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None:  # noqa: ARG002
        self._tell(Step(f"{what}: counted {model}", done, total))

    def settled(self, one: Finding | Verdict) -> None: ...
