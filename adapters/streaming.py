"""Turns a function that reports as it runs into an iterator, so that a trace is never held whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import TypeVar

T = TypeVar("T")


class _ConsumerGone(Exception):
    """Raised inside the producer once nobody reads any more."""


def stream(produce: Callable[[Callable[[T], None]], None]) -> Iterator[T]:
    """Runs `produce(emit)` in a thread and yields what it emits, one item ahead at most.

    An exception of the producer is raised here, after the items it emitted before.
    """
    items: Queue[tuple[bool, T | BaseException | None]] = Queue(maxsize=1)
    gone = threading.Event()

    def emit(item: T) -> None:
        if gone.is_set():
            raise _ConsumerGone
        items.put((False, item))

    def run() -> None:
        try:
            produce(emit)
            items.put((True, None))
        except _ConsumerGone:
            pass
        except BaseException as error:
            items.put((True, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            last, item = items.get()
            if last:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            yield item  # type: ignore[misc]
    finally:
        gone.set()
        while thread.is_alive():
            while not items.empty():
                items.get_nowait()
            thread.join(timeout=0.01)
