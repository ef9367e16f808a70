"""What was asked for, and what will be checked: read from the table before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import InputError
from harness.core.records import Claim, Row, Source
from harness.execution import registry
from harness.execution.registry import SourceSpec
from harness.plan import known_gaps
from harness.plan.options import CHECKS, DEVICES, ENGINES, PRECISIONS, RUNTIMES, Options, nearest
from harness.plan.page import Page, read_page
from harness.plan.pairs import Pair, pairs_of
from harness.reference import FOLDER as REFERENCE
from harness.tables.claims import Table, read_tables


@dataclass(frozen=True)
class Plan:
    """What will be checked: read from the table before anything is measured."""

    table: Table
    pages: Mapping[str, Page]  #: file of the table -> what its page says besides
    targets: tuple[Target, ...]
    foreign: tuple[Row, ...]  #: rows of sources that have no adapter
    gaps: tuple[known_gaps.KnownGap, ...]
    known_pairs: tuple[known_gaps.KnownPair, ...]
    known: Mapping[str, SourceSpec]

    def claims(self) -> list[tuple[Claim, Source]]:
        wanted: dict[Row, list[Source]] = {}
        for target in self.targets:
            wanted.setdefault(target.row, []).append(target.source)
        return [(claim, source) for claim in self.table.claims for source in wanted.get(claim.row, ())]

    @property
    def sources(self) -> list[Source]:
        """Every source to be checked, in the order of the table."""
        return list(dict.fromkeys(target.source for target in self.targets))

    def page(self, row: Row) -> Page:
        return self.pages[row.file]

    def with_release(self, documented: Source, instead: Source) -> Plan:
        """The same with another release of a source instead of the one that the table names."""
        targets = (replace(t, source=instead) if t.source == documented else t for t in self.targets)
        return replace(self, targets=tuple(dict.fromkeys(targets)))

    def pairs(self) -> list[Pair]:
        """Every two of the sources to be checked that document the same model."""
        return pairs_of((target.row.model, target.row.input_size, target.source) for target in self.targets)


def plan(options: Options) -> Plan:
    """Reads the table and what was asked of it. Raises InputError, with the nearest valid name where one is wrong."""
    known = registry.sources()
    for check in options.checks:
        if check not in CHECKS:
            raise InputError(f"--checks: unknown check {check!r}; {nearest(check, CHECKS)}")
    for name, valid in (("device", DEVICES), ("runtime", RUNTIMES), ("precision", PRECISIONS), ("engine", ENGINES)):
        given = getattr(options, name)
        if given not in valid:
            raise InputError(f"--{name}: unknown {name} {given!r}; {nearest(given, valid)}")
    if options.device != "cpu" and options.runtime != "native":
        raise InputError(f"--runtime {options.runtime} runs on the CPU; leave --device {options.device} out, or it")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: expected at least 1")
    if options.engine != "ray" and (options.ray_address or options.ray_cpus):
        raise InputError("--ray-address, --ray-cpus: give --engine ray as well")
    if options.ray_cpus is not None and options.ray_cpus < 1:
        raise InputError(f"--ray-cpus {options.ray_cpus}: expected at least 1")
    evaluating = options.data is not None and "accuracy" in options.checks and options.weights != "none"
    for flag, asked_for, what in (
        ("--why", options.why, "swaps are evaluated"),
        ("--stop-early", options.stop_early, "it is evaluations that stop"),
    ):
        if asked_for and not evaluating:
            raise InputError(f"{flag}: {what}; give --data, accuracy among the --checks, and weights")
    if options.why and options.stop_early:
        raise InputError("--why weighs the counts of all images; leave --stop-early out")
    if options.why and (options.runtime, options.precision) != ("native", "fp32"):
        raise InputError("--why compares logits to the last digits; leave --runtime and --precision out")
    comparing = [check for check in ("numerics", "preprocessing") if check in options.checks]
    if options.data is not None and not isinstance(options.data, Path) and (options.why or comparing):
        what = "--why" if options.why else f"--checks {','.join(comparing)}"
        raise InputError(f"{what}: {options.data} is not on this machine; copy it here, evaluations alone fetch images")
    asked = [registry.parse_source(text, known) for text in options.sources]
    table = read_tables(options.tables, but=options.out)
    named = ", ".join(table.files) if len(table.files) < 4 else f"{table.files[0]} and {len(table.files) - 1} more"
    in_table = sorted({row.source for row in table.rows if row.source})
    nobody = [row for row in table.rows if not row.source]
    for name, _ in asked:
        if name not in in_table and not nobody:
            raise InputError(f"--sources: {named} documents nothing from {name}; it has {', '.join(in_table)}")
    in_models = sorted({row.model for row in table.rows})
    for model in options.models:
        if model not in in_models:
            raise InputError(f"--models: {named} has no model {model!r}; {nearest(model, in_models)}")
    rows = [row for row in table.rows if not options.models or row.model in options.models]
    targets = []
    for row in rows:
        # a table that names no source is about the one that is asked for
        wanted = [(name, v) for name, v in asked if row.source in (name, "")] if asked else [(row.source, None)]
        for name, version in wanted:
            if name in known:
                targets.append(Target(row, Source(name, version or row.version or known[name].default_version)))
    foreign = tuple(row for row in rows if row.source not in known and not asked)
    if options.models and asked and not targets:
        raise InputError(
            f"--models, --sources: {named} documents none of {', '.join(options.models)} from "
            f"{', '.join(name for name, _ in asked)}"
        )
    beside = dict.fromkeys(Path(file).parent / "known_gaps.toml" for file in table.files)
    listed = [file for file in beside if file.is_file()] or [REFERENCE / "known_gaps.toml"]
    return Plan(
        table,
        {file: read_page(Path(file)) for file in table.files},
        tuple(dict.fromkeys(targets)),
        foreign,
        tuple(gap for file in listed for gap in known_gaps.read_known_gaps(file)),
        tuple(pair for file in listed for pair in known_gaps.read_known_pairs(file)),
        known,
    )


@dataclass(frozen=True)
class Target:
    """A row as it is to be checked: with which release of its source."""

    row: Row
    source: Source
