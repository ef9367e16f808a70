"""How the sources prepare the same images: measured per step, compared with each other and with the page."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.checks.equivalence import page_preprocessing, preprocessing
from harness.checks.equivalence.numerics import IMAGES
from harness.checks.equivalence.preprocessing import Comparison
from harness.core.files import write_whole
from harness.core.findings import Finding
from harness.core.records import Source, Static
from harness.dataset.image_set import ImageSet, shuffled
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.page import Page
from harness.plan.pairs import Pair
from harness.worker.protocol import Event, ImageUndecodable, Prepared
from harness.worker.tasks import Prepare

#: in the store: what each source made of each image in each step, as hashes that other machines can compare
HASHES = "preprocessing.csv"


class Hash(NamedTuple):
    """One line of HASHES."""

    source: str  #: with version
    model: str  #: as documented
    input_size: int | None  #: pixels; None is the source's own
    image: str
    step: str  #: one of harness.adapters.base.STEPS
    sha256: str  #: see prepared.save


#: source, documented model, input size in pixels (None is the source's own)
_Prepared = tuple[Source, str, int | None]


def compare(
    networks: Mapping[_Prepared, Page],
    pairs: Sequence[Pair],
    installed: Mapping[Source, Installed],
    images: ImageSet,
    session: Session,
) -> tuple[list[Comparison], list[Finding]]:
    """Every pair, and every network against what its page says; what could not be prepared is noted and left out."""
    refs = shuffled(images.images)[:IMAGES]
    session.progress.stage(f"preprocessing: {len(refs)} images, step by step")
    wanted = dict.fromkeys([*networks, *((source, p.model, p.input_size) for p in pairs for source in (p.a, p.b))])
    scratch = Path(tempfile.mkdtemp(prefix="preprocessing-", dir=session.store.local))
    try:
        files, hashes = _prepare(list(wanted), refs, installed, session, scratch)
        table = pd.DataFrame(hashes, columns=Hash._fields).to_csv(index=False)
        write_whole(session.store.local / HASHES, table.encode())
        compared = []
        for pair in pairs:
            a, b = (files.get((source, pair.model, pair.input_size), {}) for source in (pair.a, pair.b))
            both = [name for name in a if name in b]
            if both:
                one, other = ({name: prepared[name] for name in both} for prepared in (a, b))
                compared.append(preprocessing.compare(str(pair.a), str(pair.b), pair.model, one, other))
        found = [
            finding
            for (source, model, size), page in networks.items()
            if files.get((source, model, size))
            for finding in page_preprocessing.against_page(
                str(source), model, files[source, model, size], page.preprocessing
            )
        ]
        return compared, found
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def describe(compared: Sequence[Comparison], statics: Mapping[tuple[str, str], Static]) -> list[Comparison]:
    """Adds each source's own description of the first step that differs; statics by (source, documented model)."""
    described = []
    for one in compared:
        field = {"decode": "decoder", "resize": "resize"}.get(one.first_apart or "")
        both = [statics.get((source, one.model)) for source in (one.a, one.b)]
        said = [str(getattr(static.preprocessing, field)) for static in both if static and field]
        described.append(dataclasses.replace(one, described=(said[0], said[1])) if len(said) == 2 else one)
    return described


def _prepare(
    wanted: Sequence[_Prepared],
    refs: Sequence[Any],
    installed: Mapping[Source, Installed],
    session: Session,
    scratch: Path,
) -> tuple[dict[_Prepared, dict[str, Path]], list[Hash]]:
    """Image -> file of its steps, for every network, and the hashes of these."""
    files: dict[_Prepared, dict[str, Path]] = {}
    hashes: list[Hash] = []
    tasks: dict[Source, list[tuple[_Prepared, Prepare]]] = {}

    def folder(network: _Prepared) -> Path:
        source, model, size = network
        return scratch / str(source) / f"{model}@{size}"

    for network in wanted:
        source, model, size = network
        task = Prepare(documented=model, input_size=size, images=refs, out=str(folder(network)))
        tasks.setdefault(source, []).append((network, task))

    def handle(network: _Prepared, event: Event) -> None:
        source, model, size = network
        if isinstance(event, Prepared):
            files.setdefault(network, {})[event.image] = folder(network) / f"{event.index}.npz"
            for step, sha256 in event.sha256.items():
                hashes.append(Hash(str(source), model, size, event.image, step, sha256))
        elif isinstance(event, ImageUndecodable):
            session.fail(source, model, "preprocessing", f"{event.image}: {event.why}")

    session.side_by_side(installed, tasks, "preprocessing", handle, len(tasks))
    return files, hashes
