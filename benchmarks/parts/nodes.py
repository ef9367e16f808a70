"""One, two and four nodes of a Ray cluster, simulated here, over batches whose network does nothing but sleep.

The network is that of the tests' fake source, 50 ms a batch and without a framework, so that nodes need hardly any
processor and one machine can hold four. Starting of workers is outside of the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness_contestant import ROOT
from benchmarks.images import as_data_set
from benchmarks.speed_report import markdown
from harness.checks.accuracy.group import Evaluation, evaluate
from harness.cli.progress import Silent
from harness.execution.session import Session
from harness.execution.store import Store

#: where the fake source is
SUPPORT = ROOT / "tests" / "support"
NODES = (1, 2, 4)
SLEEP = 0.05  #: seconds a batch, of the fake source's network "slow"
BATCH_SIZE = 8
#: batches for each node to start its worker with
WARM_UP = 32


def measure(given: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="parity-overheads-") as folder:
        taken = {nodes: _seconds(nodes, given.batches, Path(folder)) for nodes in NODES}
    return f"{given.batches} batches of {SLEEP * 1000:.0f} ms:\n\n{compared(taken, given.batches * SLEEP)}"


def compared(taken: Mapping[int, float], asleep: float) -> str:
    """Pure: nodes -> seconds; `asleep` are the seconds that the networks sleep in all."""
    alone = taken[min(taken)]
    lines = [
        [str(nodes), f"{seconds:.1f}", f"{alone / (nodes * seconds):.1%}", f"{asleep / (nodes * seconds):.1%}"]
        for nodes, seconds in taken.items()
    ]
    return markdown(["nodes", "seconds", "efficiency", "asleep"], lines)


def _seconds(nodes: int, batches: int, folder: Path) -> float:
    sys.path.insert(0, str(SUPPORT))
    from fakes import contents as some_images
    from fakes import installed, save_checkpoint, write_images

    from harness.execution.ray.engine import Cluster

    checkpoint = save_checkpoint(folder / "slow.bin", "slow")
    files = sorted(write_images(folder / "images", some_images(64), [5] * 64).rglob("*.jpg"))
    with _cluster(nodes, folder):
        cluster = Cluster(None, 1, lambda _: None)
        assert cluster.slots == nodes
        seconds = 0.0
        for name, number in (("warm-up", WARM_UP * nodes), ("counted", batches)):
            data = as_data_set([(str(files[n % len(files)]), 5) for n in range(number * BATCH_SIZE)])
            store = Store(folder / f"{nodes} {name}")
            session = Session(store, Silent(), "cpu", BATCH_SIZE, cluster=cluster)
            began = time.perf_counter()
            [run] = evaluate(session, installed(), [Evaluation("slow", "slow", checkpoint, None, 8)], data)
            seconds = time.perf_counter() - began
            assert run is not None, session.failures
            assert run.measured_now == len(data.images)
        print(f"{nodes} nodes: {seconds:.1f} s", file=sys.stderr, flush=True)
    return seconds


@contextmanager
def _cluster(nodes: int, folder: Path) -> Iterator[None]:
    """A cluster of nodes with one processor each, to which this process is connected."""
    import ray
    from ray.cluster_utils import Cluster

    # this checkout is what the nodes run, and what they keep is gone afterwards
    kept = {name: os.environ.get(name) for name in ("PYTHONPATH", "PARITY_CACHE")}
    os.environ |= {"PYTHONPATH": f"{ROOT}:{SUPPORT}", "PARITY_CACHE": str(folder / "cache")}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
