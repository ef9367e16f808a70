"""The harness as a contestant: all rows of one source in one runtime and precision, as the harness runs them.

Runs in the harness's own interpreter, started by evaluators/serve.py. Beside what stands there a job has

    source, version   of the rows
    rows              [{"documented", "model" (the source's own name), "size" (pixels),
                      "checkpoint" (fields of weights.Checkpoint)}]
    runtime, precision
    counted           how many of the images count; those after them are what the first pass warms up with

Passes over the images that count have to follow each other, each but the last a multiple of the batch size: the
harness repeats a batch that has grown. The first pass starts the worker, which builds and converts the networks and
stays for the others; it has a store of its own, so that no image which counts is on disk before its time. The last
pass also makes the results: settled predictions, counts, and the certificate of a faster runtime.

What `Evaluator.evaluate` returns beside what stands in serve.py; its "top1", "top5" and "best" are of the first row:

    rows                 documented model -> {"seconds": of its forward passes with the wait for their images,
                         "top1", "top5", "best", "engine": in words, "natively": how many images the native network ran
                         beside the fast one, "checked": how many of these whatever their margins,
                         "certificate": fields of records.Certificate, in the last pass of a fast one}, or {"failure"}
    rss_mib              what this process holds in RAM now, in MiB
    worker_rss_mib, worker_peak_rss_mib  the same of its worker, and the most that it has held
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.images import as_data_set
from benchmarks.memory import children, resident_mib
from harness.checks.accuracy import certificate
from harness.checks.accuracy.certified_evaluation import CertifiedEvaluation
from harness.checks.accuracy.group import Evaluation, EvaluationGroup
from harness.checks.accuracy.network_evaluation import NetworkEvaluation
from harness.core.records import Run
from harness.dataset.image_set import ImageSet, shuffled
from harness.execution import environments, registry
from harness.execution.checkpoints import Checkpoint
from harness.execution.devices.seats import Places, Seat
from harness.execution.engine import Handle, Local, Work
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.execution.store import Store
from harness.worker.images import ImageRef
from harness.worker.protocol import Ready
from harness.worker.tasks import NetworkSpec


class Evaluator:
    """See serve.py."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._counted = as_data_set(job["images"][: job["counted"]])
        self._warm_up = as_data_set(job["images"][job["counted"] :])
        self._upto = 0
        spec = registry.sources()[job["source"]]
        self._installed = environments.prepare(spec, job["version"], job["runtime"])
        self._worker = KeptWorker()
        self._clock = Clock()
        self._folder = tempfile.TemporaryDirectory(prefix="parity-speed-")
        self._together: EvaluationGroup | None = None
        self.about: dict[str, Any] = {}
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the worker and removes the stores."""
        self._worker.close()
        self._folder.cleanup()

    def evaluate(self, images: list[tuple[str, int]]) -> dict[str, Any]:
        if self._warm_up.images:
            data, self._warm_up = self._warm_up, as_data_set([])
            return self._pass(data, None, 0, images)
        start, self._upto = self._upto, self._upto + len(images)
        return self._pass(self._counted, self._together, start, images)

    def _pass(self, data: ImageSet, together: EvaluationGroup | None, start: int, images: list[Any]) -> dict[str, Any]:
        """Settles the images that follow the first `start` of a data set."""
        stop = start + len(images)
        if [list(one) for one in images] != [[ref.file, ref.label] for ref in shuffled(data.images)[start:stop]]:
            raise ValueError(f"expected the {len(images)} images after the first {start} of {len(data.images)}")
        if stop < len(data.images) and stop % self._job["batch_size"]:
            raise ValueError(f"{stop} images are no whole number of batches of {self._job['batch_size']}")
        self._clock.seconds.clear()
        began = time.perf_counter()
        if together is None:
            together = self._begin(data)
        together.run_until(stop)
        results = [one.result() if stop == len(data.images) else None for one in together.networks]
        seconds = time.perf_counter() - began
        if data is self._counted:
            self._together = together
        rows = {
            one.evaluation.documented_model: self._row(one, result, start, stop)
            for one, result in zip(together.networks, results, strict=True)
        }
        first = next((row for row in rows.values() if "failure" not in row), None)
        if first is None:
            raise RuntimeError("; ".join(row["failure"] for row in rows.values()))
        return {
            "seconds": seconds,
            "first_batch": None,  # the worker does not say
            **{name: first[name] for name in ("top1", "top5", "best")},
            "rows": rows,
            "rss_mib": resident_mib(),
            "worker_rss_mib": max(resident_mib(worker) for worker in children(os.getpid())),
            "worker_peak_rss_mib": max(resident_mib(worker, peak=True) for worker in children(os.getpid())),
        }

    def _begin(self, data: ImageSet) -> EvaluationGroup:
        job = self._job
        store = Store(Path(self._folder.name) / ("counted" if data is self._counted else "warm-up"))
        how = (job["batch_size"], job["runtime"], job["precision"])
        session = Session(store, self._clock, "cpu", *how, cluster=self._worker)
        evaluations = [
            Evaluation(row["documented"], row["model"], Checkpoint(**row["checkpoint"]), None, row["size"])
            for row in job["rows"]
        ]
        return EvaluationGroup(session, self._installed, evaluations, data)

    def _row(self, one: NetworkEvaluation, result: Run | None, start: int, stop: int) -> dict[str, Any]:
        if one.failed is not None:
            return {"failure": one.failed}
        certified = one if isinstance(one, CertifiedEvaluation) else None
        natively = one.native.decoded | certified.cross_checked.decoded if certified else one.native.decoded
        best = one.decided(lambda table: table.best)
        checks = [position for batch in certificate.checks(len(best), self._job["batch_size"]) for position in batch]
        before, after = one.counts(start), one.counts(stop)
        fast = certified.fast if certified else one.native
        return {
            "seconds": self._clock.seconds[one.label],
            "top1": after[1] - before[1],
            "top5": after[2] - before[2],
            "best": best[start:stop].tolist(),
            "engine": built.engine if (built := fast.predictions.network()) else "",
            "natively": int(natively[start:stop].sum()) if certified else 0,
            "checked": sum(start <= position < stop for position in checks) if certified else 0,
            "certificate": dataclasses.asdict(result.certificate) if result and result.certificate else None,
        }


class Clock:
    """Adds up what forward passes took (a measure.Progress)."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()  #: label of a candidate -> seconds

    def stage(self, text: str) -> None: ...

    def expect(self, images: int) -> None: ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:  # noqa: ARG002
        self.seconds[run] += seconds

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None: ...

    def settled(self, one: object) -> None: ...


class KeptWorker:
    """One worker for all evaluations, where the harness starts one for each (a measure.Cluster and its engine)."""

    slots = 1
    places = Places()

    def __init__(self) -> None:
        self._local: Local | None = None

    def engine(self, installed: Installed, log: Path, device: str) -> KeptWorker:
        self._local = self._local or Local(installed, log, Seat(device), lambda _: None)
        return self

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        assert self._local is not None
        self._local.do(works, order, handle)

    def ask_device(self, installed: Installed, log: Path) -> Ready | str:
        raise NotImplementedError("benchmarks run on the CPU")

    def leave(self, networks: Sequence[NetworkSpec]) -> None:
        """They are asked for again in the next turn."""

    def close(self) -> None:
        if self._local is not None:
            self._local.__exit__(None, None, None)

    def __enter__(self) -> KeptWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
