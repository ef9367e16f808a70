"""Runs inside a source's environment: tasks come in, raw measurements go out, one JSON object per line.

The first line is a Job, each other one a task; what is sent back are the events of `protocol`. A task that fails is
reported and the next one is read. Nothing here knows a claim.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import platform
import select
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from harness.adapters import devices, third_party
from harness.worker import evaluate as evaluating
from harness.worker import protocol, tasks, variants
from harness.worker.counts import list_documents, list_models, measure_static
from harness.worker.preprocess import prepare_images
from harness.worker.protocol import Done, Emit, Event, Failed, Predicted, Ready
from harness.worker.stand_ins import make_stand_in
from harness.worker.traces import apply_state, condition_network, trace_network, write_state


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    # frameworks print to standard output; events get a descriptor of their own
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_reader, args=(events.fileno(),), daemon=True).start()

    def emit(event: Event) -> None:
        try:
            events.write(protocol.encode(event) + "\n")
        except BrokenPipeError:
            os._exit(1)

    job = protocol.decode_job(sys.stdin.readline())
    old_imports = third_party.accept_old_imports(job.module)
    adapter, used = _adapter(job)
    if note := old_imports.note():
        print(f"{job.module}: {note}", file=sys.stderr)
    gc.collect()
    gc.freeze()  # the libraries stay; looking through them after every network would take a quarter of a second
    emit(Ready(platform.python_version(), [note] if note else [], used.device, used.name, used.refused))
    perform = _handlers(evaluating.Networks(adapter))
    for line in sys.stdin:
        try:
            task = protocol.decode_task(line)
            if used.refused and not isinstance(
                task, tasks.AskDevice
            ):  # what it gave would be taken for another device's
                raise SystemExit(f"it cannot use {job.device}: {used.refused}")
            perform[type(task)](adapter, task, emit)
            emit(Done())
        except Exception as error:  # one model's failure is that model's alone
            with contextlib.suppress(OSError):  # the disk that the log is on may be full
                traceback.print_exc(file=sys.stderr)
            name = type(error).__name__
            message = f"{name}: {error}" if isinstance(error, KeyError) else str(error)  # it says the key alone
            emit(Failed(name, message or name))


def _adapter(job: tasks.Job) -> tuple[Any, devices.Used]:
    """The adapter, on the device that was asked for or, where the source cannot use it, on the CPU."""
    module = importlib.import_module(job.module)
    used = devices.settle(job.device)
    try:
        adapter = module.Adapter(device=used.device)
    except Exception as error:
        if used.device == "cpu":
            raise
        used = devices.Used("cpu", refused=devices.reason(error))
        adapter = module.Adapter(device="cpu")
    return third_party.complete(adapter), used


def _handlers(networks: evaluating.Networks) -> dict[type[tasks.Task], Callable[[Any, Any, Emit], None]]:
    """What does each kind of task; the networks that are evaluated are kept from task to task."""
    return {
        tasks.AskDevice: lambda *_: None,
        tasks.ListModels: list_models,
        tasks.ListDocuments: list_documents,
        tasks.Count: measure_static,
        tasks.Evaluate: lambda _, task, send: evaluate(networks, task, send),
        tasks.MakeStandIn: make_stand_in,
        tasks.Condition: condition_network,
        tasks.ApplyState: apply_state,
        tasks.TraceNetwork: trace_network,
        tasks.WriteState: write_state,
        tasks.Prepare: prepare_images,
        tasks.Identify: variants.identify,
        tasks.Vary: variants.vary,
    }


def _end_with_reader(events: int) -> None:
    """Ends this process once its events have no reader, in the middle of a forward pass too.

    A parent that was killed cannot say so.
    """
    reader = select.poll()
    reader.register(events, 0)  # of errors alone
    reader.poll()
    os._exit(1)


def evaluate(networks: evaluating.Networks, task: tasks.Evaluate, send: Emit) -> None:
    """See evaluating.evaluate; the parent answers every batch of predictions with an empty line once it is stored."""
    sent: deque[int] = deque()

    def emit(event: Event) -> None:
        send(event)
        if isinstance(event, Predicted):
            sent.append(event.run)

    def stored(run: int | None) -> None:
        while sent if run is None else run in sent:
            if not sys.stdin.readline():
                raise SystemExit(1)  # the parent is gone
            sent.popleft()

    try:
        evaluating.evaluate(networks, task, emit, stored)
    finally:
        stored(None)  # or the answers of a task that failed would be taken for the next one


if __name__ == "__main__":
    main()
