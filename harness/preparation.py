"""How the sources prepare the same images: measured per step, compared with each other and with the page."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import preprocessing
from harness.environments import Installed
from harness.images import ImageSet, shuffled
from harness.measure import Measurer
from harness.numerics import IMAGES, Pair
from harness.page import Page
from harness.preprocessing import Comparison
from harness.records import Finding, Source, Static

#: source, documented model, input size in pixels (None is the source's own)
_Prepared = tuple[Source, str, int | None]


def compare(
    networks: Sequence[_Prepared],
    pairs: Sequence[Pair],
    page: Page,
    installed: Mapping[Source, Installed],
    images: ImageSet,
    measurer: Measurer,
) -> tuple[list[Comparison], list[Finding]]:
    """Every pair, and every network against what the page says; what could not be prepared is noted and left out."""
    refs = shuffled(images.images)[:IMAGES]
    measurer.progress.stage(f"preprocessing: {len(refs)} images, step by step")
    wanted = dict.fromkeys([*networks, *((source, p.model, p.input_size) for p in pairs for source in (p.a, p.b))])
    scratch = Path(tempfile.mkdtemp(prefix="preprocessing-", dir=measurer.store.root))
    try:
        files = prepare(list(wanted), refs, installed, measurer, scratch)
        compared = []
        for pair in pairs:
            a, b = (files.get((source, pair.model, pair.input_size), {}) for source in (pair.a, pair.b))
            both = [name for name in a if name in b]
            if both:
                one, other = ({name: prepared[name] for name in both} for prepared in (a, b))
                compared.append(preprocessing.compare(str(pair.a), str(pair.b), pair.model, one, other))
        found = [
            finding
            for source, model, size in networks
            if files.get((source, model, size))
            for finding in preprocessing.against_page(
                str(source), model, files[source, model, size], page.preprocessing
            )
        ]
        return compared, found
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def describe(compared: Sequence[Comparison], statics: Mapping[tuple[str, str], Static]) -> list[Comparison]:
    """Adds what each source says that it does in the step that parts them; statics by (source, documented model)."""
    described = []
    for one in compared:
        field = {"decode": "decoder", "resize": "resize"}.get(one.first_apart or "")
        both = [statics.get((source, one.model)) for source in (one.a, one.b)]
        said = [str(static.preprocessing[field]) for static in both if static and field]
        described.append(dataclasses.replace(one, described=(said[0], said[1])) if len(said) == 2 else one)
    return described


def prepare(
    wanted: Sequence[_Prepared],
    refs: Sequence[Any],
    installed: Mapping[Source, Installed],
    measurer: Measurer,
    scratch: Path,
) -> dict[_Prepared, dict[str, Path]]:
    """Image -> file of its steps, for every network."""
    files: dict[_Prepared, dict[str, Path]] = {}
    sources = list(dict.fromkeys(source for source, _, _ in wanted))

    def one(source: Source) -> None:
        mine = [network for network in wanted if network[0] == source]
        folders = [scratch / str(source) / f"{model}@{size}" for _, model, size in mine]
        tasks = [
            {
                "kind": "prepare",
                "documented": model,
                "input_size": size,
                "images": [dataclasses.astuple(ref) for ref in refs],
                "out": str(folder),
            }
            for (_, model, size), folder in zip(mine, folders, strict=True)
        ]

        def handle(index: int, event: Mapping[str, Any]) -> None:
            model = mine[index][1]
            if event["event"] == "prepared":
                files.setdefault(mine[index], {})[event["image"]] = folders[index] / f"{event['index']}.npz"
            elif event["event"] == "undecodable":
                measurer.fail(source, model, "preprocessing", f"{event['image']}: {event['why']}")
            elif event["event"] == "failed":
                measurer.fail(source, model, "preprocessing", event["message"])

        measurer.run(installed[source], tasks, handle, max(1, (os.cpu_count() or 1) // len(sources)))

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, sources))
    return files
