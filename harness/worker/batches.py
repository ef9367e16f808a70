"""Runs inside a source's environment: from encoded images to batches, and from logits to the best classes."""

from __future__ import annotations

import base64
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.worker.images import ImageRef, read_image, truncation
from harness.worker.protocol import Prediction, Undecodable

Array = npt.NDArray[np.float32]

#: classes kept per image; enough for top1 and top5, the sixth tells how close the fifth was
TOP_K = 6


def attempt(prepare: Callable[[bytes], Any], ref: ImageRef) -> Any:
    """What `prepare` makes of the image, or a text that says why it cannot be decoded."""
    image = read_image(ref)  # what cannot be read says nothing about the image, so it ends the task
    if cut := truncation(image):
        return cut
    try:
        return prepare(image)
    except MemoryError:
        raise  # which says nothing about the image either
    except Exception as error:  # a decoder may raise anything; what it says is reported with the image
        return str(error) or type(error).__name__


def prefetch(
    chunks: Iterable[tuple[Callable[[bytes], Any], Sequence[ImageRef]]],
) -> Iterator[list[tuple[ImageRef, Any]]]:
    """Of each (prepare, images) the images with what attempt() makes of them, one chunk ahead of whoever takes them."""
    with ThreadPoolExecutor(max_workers=max(2, int(os.environ.get("PARITY_THREADS") or os.cpu_count() or 1))) as pool:
        waiting: deque[tuple[Sequence[ImageRef], list[Future[Any]]]] = deque()
        for prepare, refs in chunks:
            waiting.append((refs, [pool.submit(attempt, prepare, ref) for ref in refs]))
            if len(waiting) == 2:
                yield _results(*waiting.popleft())
        while waiting:
            yield _results(*waiting.popleft())


def _results(refs: Sequence[ImageRef], futures: Sequence[Future[Any]]) -> list[tuple[ImageRef, Any]]:
    return [(ref, future.result()) for ref, future in zip(refs, futures, strict=True)]


def in_chunks(
    prepare: Callable[[bytes], Any], refs: Sequence[ImageRef], size: int
) -> Iterator[tuple[Callable[[bytes], Any], Sequence[ImageRef]]]:
    """Chunks of `size` images, as prefetch() takes them."""
    return ((prepare, refs[start : start + size]) for start in range(0, len(refs), size))


def batches(network: Any, refs: Sequence[ImageRef], size: int) -> Iterator[tuple[list[str], Array, list[Undecodable]]]:
    """Names, images (N, 3, H, W) and undecodable files of consecutive batches."""
    for chunk in prefetch(in_chunks(network.preprocess, refs, size)):
        names = [ref.name for ref, image in chunk if not isinstance(image, str)]
        images = [image for _, image in chunk if not isinstance(image, str)]
        undecodable = [(ref.name, why) for ref, why in chunk if isinstance(why, str)]
        yield names, np.stack(images) if images else np.empty((0, 3, 0, 0), np.float32), undecodable


def predictions(
    names: Sequence[str], logits: Array, kept: int = TOP_K, whole: Collection[str] = ()
) -> list[Prediction]:
    """The `kept` best classes of each image, and all classes of the images named in `whole`.

    Raises ValueError for logits (N, classes) that are not all finite.
    """
    if broken := [name for name, row in zip(names, logits, strict=True) if not np.isfinite(row).all()]:
        raise ValueError(f"the network gives logits that are not all finite numbers for {broken[0]}")
    order = np.argsort(-logits, axis=1, kind="stable")
    best = np.take_along_axis(logits, order, axis=1)
    cut = [None if name in whole else kept for name in names]
    return [(name, o[:n].tolist(), b[:n].tolist()) for name, n, o, b in zip(names, cut, order, best, strict=True)]


def pack_logits(logits: Array) -> list[str]:
    """All logits (N, classes) of N images as text that travels in JSON, one text per image; see unpack_logits().

    Float16 of the difference from the image's best logit, little-endian, in Base64: softmax does not change by what
    all classes have in common, and the classes that matter are then kept with the smallest error (a relative one of
    at most 2^-11). 1,000 classes take 2,000 bytes.
    """
    best = logits.max(axis=1, keepdims=True)
    differences = np.maximum(logits.astype(np.float64) - best, np.finfo(np.float16).min).astype("<f2")
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in differences]


def unpack_logits(packed: bytes) -> npt.NDArray[np.float64]:
    """(classes,) logits of one image minus the best of them, from the bytes behind a text of pack_logits()."""
    return np.frombuffer(packed, "<f2").astype(np.float64)
