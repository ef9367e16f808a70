"""Runs inside a source's environment: tasks come in, raw measurements go out, one JSON object per line.

The first line is {"module", "device"}; each other one is a task {"kind", "model", ...}. What is sent back:
{"event": "ready" | "static" | "network" | "predictions" | "saved" | "models" | "documents" | "done" | "failed", ...}.
A task that fails is reported and the next one is read. Nothing here knows a claim.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
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

from harness.worker import evaluate as evaluating
from harness.worker import variants
from harness.worker.counts import list_documents, list_models, measure_static
from harness.worker.preprocess import prepare_images
from harness.worker.protocol import Emit
from harness.worker.stand_ins import make_stand_in
from harness.worker.traces import apply_state, condition_network, trace_network, write_state


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    # frameworks print to standard output; events get a descriptor that nobody else knows
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_reader, args=(events.fileno(),), daemon=True).start()

    def emit(event: dict[str, Any]) -> None:
        try:
            events.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            os._exit(1)

    job = json.loads(sys.stdin.readline())
    adapter = importlib.import_module(job["module"]).Adapter(device=job["device"])
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    emit({"event": "ready", "python": platform.python_version(), "packages": packages})
    networks = evaluating.Networks(adapter)
    tasks: dict[str, Callable[[Any, dict[str, Any], Emit], None]] = {
        "models": list_models,
        "documents": list_documents,
        "static": measure_static,
        "evaluate": lambda _, task, send: evaluate(networks, task, send),
        "stand_in": make_stand_in,
        "condition": condition_network,
        "apply": apply_state,
        "trace": trace_network,
        "state": write_state,
        "prepare": prepare_images,
        "identify": variants.identify,
        "vary": variants.vary,
    }
    for line in sys.stdin:
        task = json.loads(line)
        try:
            tasks[task["kind"]](adapter, task, emit)
            emit({"event": "done"})
        except Exception as error:  # one model's failure is that model's alone
            with contextlib.suppress(OSError):  # the disk that the log is on may be full
                traceback.print_exc(file=sys.stderr)
            name = type(error).__name__
            message = f"{name}: {error}" if isinstance(error, KeyError) else str(error)  # it says the key alone
            emit({"event": "failed", "error": name, "message": message or name})


def _end_with_reader(events: int) -> None:
    """Ends this process once nobody reads its events any more, in the middle of a forward pass too: a parent that
    was killed tells nobody."""
    reader = select.poll()
    reader.register(events, 0)  # of errors alone
    reader.poll()
    os._exit(1)


def evaluate(networks: evaluating.Networks, task: dict[str, Any], send: Emit) -> None:
    """See evaluating.evaluate; the parent answers every batch of predictions with an empty line once it is stored."""
    sent: deque[int] = deque()

    def emit(event: dict[str, Any]) -> None:
        send(event)
        if event["event"] == "predictions":
            sent.append(event["run"])

    def stored(run: int | None) -> None:
        while sent if run is None else run in sent:
            if not sys.stdin.readline():
                raise SystemExit(1)  # whoever asked for this is gone
            sent.popleft()

    try:
        evaluating.evaluate(networks, task, emit, stored)
    finally:
        stored(None)  # or the answers of a task that failed would be taken for the next one


if __name__ == "__main__":
    main()
