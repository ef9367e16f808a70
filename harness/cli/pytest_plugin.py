"""The harness in pytest: options, one test per documented cell, and outcomes translated; nothing is judged here.

A module gets its tests by having a function that takes `parity_cell`:

    @pytest.mark.parity
    def test_parity(parity_cell): parity_cell.check()

pytest loads this wherever the harness is installed, so that it imports what is heavy only when cells are checked.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from harness.core.errors import InputError
from harness.plan.arguments import add_pytest_options, options_of
from harness.plan.options import Options

if TYPE_CHECKING:
    from harness.checks.results import Results
    from harness.core.records import Claim, Source, Verdict
    from harness.plan.pairs import Pair
    from harness.plan.plan import Plan

_RESULTS: pytest.StashKey[Results] = pytest.StashKey()
_VERDICTS: pytest.StashKey[Mapping[Claim, Sequence[Verdict]]] = pytest.StashKey()
_PLAN: pytest.StashKey[Plan] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_pytest_options(parser.getgroup("parity", "checking a published table of models").addoption)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parity: checks one documented cell against the implementation")


class DoubtfulCell(UserWarning):
    """It cannot be decided whether a documented cell is right."""


@dataclass(frozen=True)
class Cell:
    """One documented cell and the run that judges it."""

    claim: Claim
    source: Source
    config: pytest.Config

    def check(self) -> None:
        """Passes, fails, skips or xfails as the verdict says; fails too where the table itself shows an error."""
        from harness.core.records import UNJUDGED, Outcome
        from harness.report.wording import line, outcome_words

        verdict = self._verdict()
        if verdict.outcome in (Outcome.CONTRADICTED, Outcome.ERROR):
            pytest.fail(line(verdict), pytrace=False)
        if verdict.outcome is Outcome.DOUBTFUL:
            if _results(self.config).options.strict:
                pytest.fail(line(verdict), pytrace=False)
            warnings.warn(DoubtfulCell(line(verdict)), stacklevel=1)
        if wrong := _results(self.config).wrong.get(self.claim):
            pytest.fail("\n".join(wrong), pytrace=False)
        if verdict.outcome in UNJUDGED:
            pytest.skip(f"{outcome_words(verdict.outcome)}: {verdict.cause}")
        if verdict.outcome is Outcome.KNOWN_GAP and verdict.known_gap:
            # a gap that closed is an error verdict by then, so this is as strict as xfail(strict=True)
            pytest.xfail(f"known gap: {verdict.known_gap.reason} {verdict.known_gap.url}")

    def _verdict(self) -> Verdict:
        of_claim = _verdicts(self.config)[self.claim]
        # where a release cannot be installed, another one was measured
        same_name = [verdict for verdict in of_claim if verdict.source.name == self.source.name]
        return next((verdict for verdict in of_claim if verdict.source == self.source), same_name[0])

    def properties(self) -> list[tuple[str, object]]:
        """Documented and measured values for JUnit."""
        from harness.report.report_json import cell

        entry = cell(self._verdict())
        return [(name, entry[name]) for name in ("documented", "measured", "unit", "outcome", "convention")]


@dataclass(frozen=True)
class Unread:
    """A cell that cannot be read, or a table in which no cell can be checked."""

    text: str

    def check(self) -> None:
        """Fails, because what cannot be read is not proven."""
        pytest.fail(self.text, pytrace=False)

    def properties(self) -> list[tuple[str, object]]:
        return []


@pytest.fixture
def parity_cell(request: pytest.FixtureRequest) -> Cell | Unread:
    """The cell that this test is about; its values go into JUnit as properties."""
    found: Cell | Unread = request.param
    request.node.user_properties.extend(found.properties())  # record_property would warn under xunit2
    return found


@dataclass(frozen=True)
class PairOfSources:
    """Two sources of one model, and the run that says whether they are the same function."""

    pair: Pair
    config: pytest.Config

    def check(self) -> None:
        """Passes, fails or xfails as the comparison says; fails too where it could not be made."""
        from harness.checks.equivalence.findings import pair_sentence

        results = _results(self.config)
        asked = self.pair
        compared = [pair for pair in results.pairs if pair.model == asked.model]
        found = next((pair for pair in compared if (pair.a, pair.b) == (asked.a, asked.b)), None)
        # where a release cannot be installed, another one was compared
        names = (asked.a.name, asked.b.name)
        found = found or next((pair for pair in compared if (pair.a.name, pair.b.name) == names), None)
        if found is None:
            reasons = "; ".join(failure.message for failure in results.failures) or "no reason is known"
            pytest.fail(f"{self.pair.a} and {self.pair.b}, {self.pair.model}: not compared: {reasons}", pytrace=False)
        if found.outcome == "different_function" and found.known_gap:
            pytest.xfail(f"known gap: {found.known_gap['reason']} {found.known_gap['url']}")
        if found.outcome != "same_function":
            pytest.fail(pair_sentence(found), pytrace=False)


@dataclass(frozen=True)
class PreparedSource:
    """One source's preprocessing of one model against what the page says."""

    source: Source
    model: str
    config: pytest.Config

    def check(self) -> None:
        """Fails where the page's recipe is not what the source does."""
        found = [
            finding
            for finding in _results(self.config).findings
            if finding.kind == "preprocessing_parity"
            and (finding.source, finding.model) == (str(self.source), self.model)
        ]
        if not found:
            pytest.skip("the page says nothing about the preprocessing, or it could not be measured")
        wrong = [finding.text for finding in found if finding.severity != "note"]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture
def parity_pair(request: pytest.FixtureRequest) -> PairOfSources:
    """The two sources that this test is about."""
    found: PairOfSources = request.param
    return found


@pytest.fixture
def parity_preprocessing(request: pytest.FixtureRequest) -> PreparedSource:
    """The source and model whose preprocessing this test is about."""
    found: PreparedSource = request.param
    return found


def _parametrize_comparisons(metafunc: pytest.Metafunc) -> None:
    """One test per pair and per prepared source where these checks were asked for, else none."""
    config = metafunc.config
    checks = _options(config).checks
    if "parity_pair" in metafunc.fixturenames:
        pairs = _plan(config).pairs() if "numerics" in checks else []
        ids = [f"{pair.a}-{pair.b}-{pair.model}" for pair in pairs]
        metafunc.parametrize("parity_pair", [PairOfSources(pair, config) for pair in pairs], ids=ids, indirect=True)
    if "parity_preprocessing" in metafunc.fixturenames:
        targets = _plan(config).targets if "preprocessing" in checks else ()
        prepared = list(dict.fromkeys((target.source, target.row.model) for target in targets))
        metafunc.parametrize(
            "parity_preprocessing",
            [PreparedSource(source, model, config) for source, model in prepared],
            ids=[f"{source}-{model}" for source, model in prepared],
            indirect=True,
        )


@pytest.hookimpl(tryfirst=True)  # before -m and -k choose among the tests
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds the tests of the cells where a table is given and no test of the repository is about them.

    A comparison that was not asked for is not a test; pytest would show it as skipped.
    """
    comparisons = {"parity_pair", "parity_preprocessing"}
    ours = {"parity_cell", *comparisons}
    has_ours = any(isinstance(item, pytest.Function) and ours & set(item.fixturenames) for item in items)
    if config.getoption("--parity-table") and not has_ours:
        file = Path(__file__).with_name("default_tests.py")
        items += session.genitems(pytest.Module.from_parent(session, path=file, nodeid="parity"))
    items[:] = [
        item
        for item in items
        if not (
            isinstance(item, pytest.Function) and comparisons & set(item.fixturenames) and item.callspec.id == "NOTSET"
        )
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    try:
        _parametrize_comparisons(metafunc)
        if "parity_cell" in metafunc.fixturenames:
            _parametrize_cells(metafunc)
    except InputError as error:
        _exit(error)


def _parametrize_cells(metafunc: pytest.Metafunc) -> None:
    """One test per cell, and one that fails for each cell that cannot be read."""
    from harness.checks.not_measured import foreign
    from harness.report.wording import unmeasured

    planned = _plan(metafunc.config)
    cells = [Cell(claim, source, metafunc.config) for claim, source in planned.claims()]
    unread = [(one.where, Unread(str(one))) for one in planned.table.problems]
    if not cells:
        reasons = "; ".join(f"{reason}: {of}" for reason, of in unmeasured(foreign(planned)))
        unread.append(("nothing", Unread(f"no cell can be checked. {reasons}")))
    ids = [*_ids(cells), *(name for name, _ in unread)]
    metafunc.parametrize("parity_cell", [*cells, *(one for _, one in unread)], ids=ids, indirect=True)


def _ids(cells: Iterable[Cell]) -> list[str]:
    """Source, model and metric; the release too where there are several of it, else the line of a repeated row."""
    cells = list(cells)
    names = [f"{one.source.name}-{one.claim.row.model}-{one.claim.metric}" for one in cells]
    releases = {(one.claim.row, one.claim.metric): 0 for one in cells}
    for one in cells:
        releases[one.claim.row, one.claim.metric] += 1
    ids, repeated = [], Counter(names)
    for one, name in zip(cells, names, strict=True):
        row, metric = one.claim.row, one.claim.metric
        if releases[row, metric] > 1:
            ids.append(f"{one.source}-{row.model}-{metric}")
        else:
            ids.append(f"{name}-line{row.line}" if repeated[name] > 1 else name)
    return ids


def _options(config: pytest.Config) -> Options:
    return options_of(config.option, "parity_")


def _plan(config: pytest.Config) -> Plan:
    from harness.plan.plan import plan

    if _PLAN not in config.stash:
        config.stash[_PLAN] = plan(_options(config))
    return config.stash[_PLAN]


def _results(config: pytest.Config) -> Results:
    """Everything is measured once, when the first cell asks for it."""
    from harness import report
    from harness.checks.run import execute
    from harness.cli.progress import Silent
    from harness.core.cancellation import interruptible
    from harness.plan.preview import preview

    if _RESULTS not in config.stash:
        options = _options(config)
        try:
            config.stash[_RESULTS] = interruptible(lambda: execute(preview(options), Silent()))
            report.write(config.stash[_RESULTS], options.out)
        except InputError as error:
            _exit(error)
    return config.stash[_RESULTS]


def _verdicts(config: pytest.Config) -> Mapping[Claim, Sequence[Verdict]]:
    """Those on each cell."""
    if _VERDICTS not in config.stash:
        found: dict[Claim, list[Verdict]] = {}
        for verdict in _results(config).verdicts:
            found.setdefault(verdict.claim, []).append(verdict)
        config.stash[_VERDICTS] = found
    return config.stash[_VERDICTS]


def _exit(error: InputError) -> NoReturn:
    pytest.exit(f"parity: {error}", returncode=2)
