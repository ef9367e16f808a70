"""Swaps one factor at a time: drives `worker.variants` in the worker of a source and keeps what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.diagnosis.factors import Identified
from harness.core import codec
from harness.core.records import Run, Source
from harness.dataset.image_set import ImageSet
from harness.dataset.remote import parse_location
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.session import Session
from harness.worker import protocol
from harness.worker.images import ImageRef
from harness.worker.protocol import Event, Failed, RecipeFound, VariantFailed, Varied
from harness.worker.tasks import Identify, Variant, Vary


def identify_task(run: Run, refs: Sequence[ImageRef]) -> Identify:
    """Has a worker identify what the run's source does with these images."""
    return Identify(documented=run.documented_model, model=run.model, input_size=run.input_size, images=refs)


def identified(event: RecipeFound) -> Identified:
    """What the worker has identified."""
    return Identified(
        recipe=event.recipe,
        reasons=event.reasons,
        libraries=tuple(event.libraries),
        said=event.said,
        epsilons=dict(event.epsilons),
        operations={(kind, slope): count for kind, slope, count in event.operations},
    )


@dataclass(frozen=True)
class VariantRunner:
    """Runs variants of a source; shared by all diagnoses."""

    installed: Mapping[Source, Installed]
    images: ImageSet
    session: Session

    def identity(self, run: Run, kind: str, **rest: Any) -> dict[str, Any]:
        """What an answer about a run over these images depends on; `rest` is what else this one does."""
        return self.session.identity(
            self.installed[run.source],
            kind,
            model=run.model,
            checkpoint=run.checkpoint.sha256,
            match=run.checkpoint.match,
            input_size=run.input_size,
            device=self.session.placed(self.installed[run.source]).device.identity,
            data=self.images.digest,
            **rest,
        )

    def identify(self, run: Run, refs: Sequence[ImageRef]) -> Identified | None:
        """What the run's source does with these images; None where that cannot be determined, which is noted."""
        installed = self.installed[run.source]
        task = identify_task(run, refs)
        identity = self.session.identity(installed, **{**protocol.named(task), "images": [ref.name for ref in refs]})
        identity["data"] = self.images.digest
        known = self.session.store.cached(identity)
        found = [codec.decode(RecipeFound, known)] if known else []

        def handle(_: int, event: Event) -> None:
            if isinstance(event, RecipeFound):
                found.append(event)
                self.session.store.save(identity, codec.plain(event))
            elif isinstance(event, Failed):
                self.session.fail(run.source, run.documented_model, "why", event.message)

        if not found:
            self.session.run(installed, [task], handle)
        return identified(found[0]) if found else None

    def vary(
        self,
        run: Run,
        known: Identified,
        variants: Mapping[str, Mapping[str, Any]],
        refs: Sequence[ImageRef],
        kept: Mapping[str, Predictions],
    ) -> dict[str, str]:
        """Adds what every variant (key -> see worker.variants) predicts for these images to its own in `kept`.

        Existing predictions are not repeated. Returns key -> why, of the variants that cannot be run.
        """
        wanted = {ref.name for ref in refs}
        lacking = {key: wanted - set(kept[key].read()["image"]) for key in variants}
        keys = [key for key in variants if lacking[key]]
        todo = set().union(*lacking.values())
        failed: dict[str, str] = {}
        if not keys:
            return failed
        base = Predictions(parse_location(run.predictions)).read()
        columns = (base[name] for name in ("image", "classes", "logits"))
        own = {name: (list(classes), list(logits)) for name, classes, logits in zip(*columns, strict=True)}

        def handle(_: int, event: Event) -> None:
            if isinstance(event, Varied):
                rows = [*event.rows, *((name, *own[name]) for name in event.unchanged)]
                kept[keys[event.variant]].append(rows, [(name, "") for name in event.undecodable])
            elif isinstance(event, VariantFailed):
                failed[keys[event.variant]] = event.message
            elif isinstance(event, Failed):
                failed.update(dict.fromkeys(keys, event.message))

        task = Vary(
            model=run.model,
            checkpoint=run.checkpoint.file,
            match=run.checkpoint.match,
            input_size=run.input_size,
            recipe=known.recipe,
            variants=[Variant(**variants[key]) for key in keys],
            images=[ref for ref in refs if ref.name in todo],
        )
        installed = self.installed[run.source]
        self.session.run(installed, [task], handle, seat=self.session.placed(installed).seats[0])
        for key in keys:
            kept[key].compact()
        return failed
