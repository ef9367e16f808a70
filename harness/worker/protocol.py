"""What goes between the harness and a worker: tasks one way, events the other, each a record and a line of JSON.

A record's fields are its line's fields, besides `kind` (of a task) or `event`, which name the record. Whoever sends one
makes the record, so that a field that is missing or misspelt fails there; `decode_task` and `decode_event` refuse a
line that does not fit its record. Standard library alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

from harness.adapters.base import Document, Parameters, Preprocessing
from harness.core import codec
from harness.worker.tasks import Job, Task

#: image, its best classes, their logits
Prediction: TypeAlias = tuple[str, Sequence[int], Sequence[float]]
Undecodable: TypeAlias = tuple[str, str]  #: image, why it could not be decoded
Record = TypeVar("Record")


class ProtocolError(Exception):
    """A line is no record of the protocol; the message names the record and the field."""


# -- events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """Something that a worker reports."""

    event: ClassVar[str]


@dataclass(frozen=True)
class Ready(Event):
    """The adapter is imported; before the events of the first task."""

    event = "ready"
    python: str = ""  #: release of the interpreter
    notes: Sequence[str] = ()  #: what the author of the adapter has to change
    device: str = "cpu"  #: that it computes on
    gpu: str = ""  #: its name, where the framework tells it
    refused: str = ""  #: why that is not the one that was asked for


@dataclass(frozen=True)
class Done(Event):
    """The last event of a task that came to its end."""

    event = "done"


@dataclass(frozen=True)
class Failed(Event):
    """The last event of a task that did not."""

    event = "failed"
    error: str  #: name of the exception's class
    message: str


@dataclass(frozen=True)
class Models(Event):
    """The names that the adapter takes."""

    event = "models"
    offered: Sequence[str]
    aliases: Mapping[str, str]  #: other names by which documents mean them -> the source's own


@dataclass(frozen=True)
class Documents(Event):
    """What the source's package says of its models."""

    event = "documents"
    documents: Sequence[Document]


@dataclass(frozen=True)
class Counts(Event):
    """See harness.core.records.Static, which has these fields."""

    event = "static"
    model: str
    input_size: int
    preprocessing: Preprocessing
    plain_counter: str
    parameters: Parameters
    multiply_adds: Mapping[int, Mapping[str, int]]
    failed_counters: Mapping[str, str]
    operators: Mapping[str, int]
    last_operators: tuple[str, ...]
    checkpoint_url: str | None
    left_out: tuple[str, ...] = ()
    named: str = ""


@dataclass(frozen=True)
class RunEvent(Event):
    """About one run of Evaluate."""

    run: int  #: position in Evaluate.runs


@dataclass(frozen=True)
class NetworkBuilt(RunEvent):
    """How a network that is about to be run was built."""

    event = "network"
    input_size: int  #: pixels
    preprocessing: Preprocessing
    stand_in: str | None  #: how its checkpoint was made up; None for real weights
    engine: str  #: what runs it; "" where that is its own forward()
    states: tuple[str, ...] = ()  #: sets of weights in its checkpoint, the one that it has first


@dataclass(frozen=True)
class Predicted(RunEvent):
    """One batch. The parent answers with an empty line once it is stored."""

    event = "predictions"
    rows: Sequence[Prediction]
    undecodable: Sequence[Undecodable]
    seconds: float
    #: all logits of each row, packed by batches.pack_logits, in Base64; None where they are not kept
    full_logits: Sequence[str | None] = ()


@dataclass(frozen=True)
class RunFailed(RunEvent):
    """The last event of a run that broke."""

    event = "run_failed"
    message: str
    elsewhere: bool = False  #: whether another worker may be able to: this one died or has too little memory


@dataclass(frozen=True)
class ShortOfMemory(RunEvent):
    """The memory does not hold a whole batch, so that it is run in parts from now on."""

    event = "short_of_memory"
    at_once: int  #: images; 0 where the network waits until the others of its task are done


@dataclass(frozen=True)
class Saved(Event):
    """A stand-in checkpoint was written."""

    event = "saved"
    file: str
    stand_in: str  #: how it was made up


@dataclass(frozen=True)
class Conditioned(Event):
    """A network was built, and conditioned where images were given."""

    event = "conditioned"
    shapes: Mapping[str, tuple[int, ...]]  #: entry of the state -> shape, of the floating-point ones
    input_size: int  #: pixels
    undecodable: Sequence[Undecodable]


@dataclass(frozen=True)
class StateWritten(Event):
    """The state of a network was written."""

    event = "state"
    shapes: Mapping[str, tuple[int, ...]]  #: as in Conditioned


@dataclass(frozen=True)
class Prepared(Event):
    """An image's preprocessing steps were written."""

    event = "prepared"
    image: str
    index: int  #: position of the image, which names the file
    sha256: Mapping[str, str]  #: step -> hex digest


@dataclass(frozen=True)
class ImageUndecodable(Event):
    """An image could not be decoded."""

    event = "undecodable"
    image: str
    why: str


@dataclass(frozen=True)
class RecipeFound(Event):
    """How a source prepares images, and what its network has that can be altered."""

    event = "recipe"
    recipe: Mapping[str, Any]  #: step -> parameters of harness.adapters.recipe, None where none give its results
    reasons: Mapping[str, str]  #: step -> why its parameters are not known
    libraries: Sequence[str]  #: image libraries of the environment
    said: Preprocessing  #: as the source describes itself
    epsilons: Sequence[tuple[float, int]]  #: epsilon of a normalisation, how often
    operations: Sequence[tuple[str, float | None, int]]  #: kind, negative slope, how often


@dataclass(frozen=True)
class Varied(Event):
    """What a variant predicts for some images."""

    event = "varied"
    variant: int  #: position in Vary.variants
    rows: Sequence[Prediction]
    unchanged: Sequence[str]  #: images that reach the network as they were
    undecodable: Sequence[str]


@dataclass(frozen=True)
class VariantFailed(Event):
    """A variant cannot be run."""

    event = "variant_failed"
    variant: int
    message: str


Emit: TypeAlias = Callable[[Event], None]


# -- the wire ------------------------------------------------------------------------------------


def encode(record: Job | Task | Event) -> str:
    """The record as one line of JSON, without the line's end. Raises TypeError for what JSON does not have."""
    return json.dumps(named(record), default=codec.plain)


def named(record: Job | Task | Event) -> dict[str, Any]:
    """The record's fields, after what names it."""
    match record:
        case Task():
            return {"kind": record.kind, **codec.plain(record)}
        case Event():
            return {"event": record.event, **codec.plain(record)}
        case _:
            return codec.plain(record)


def decode_job(line: str) -> Job:
    """Raises ProtocolError for a line that is no job."""
    return _record(Job, _parsed(line))


def decode_task(line: str) -> Task:
    """Raises ProtocolError for a line that is no task."""
    return _unnamed(_parsed(line), "kind", _tasks())


def decode_event(line: str) -> Event:
    """Raises ProtocolError for a line that is no event."""
    return _unnamed(_parsed(line), "event", _events())


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ProtocolError(f"not a line of JSON ({error}): {line[:80]!r}") from error


def _unnamed(content: Any, key: str, known: Mapping[str, type[Record]]) -> Record:
    name = content.pop(key, None) if isinstance(content, dict) else None
    if not isinstance(name, str) or name not in known:
        raise ProtocolError(f"{key} {name!r} is unknown; expected one of {', '.join(known)}")
    return _record(known[name], content)


def _record(kind: type[Record], content: Any) -> Record:
    try:
        return codec.decode(kind, content)
    except codec.CodecError as error:
        raise ProtocolError(str(error)) from error


@functools.cache
def _tasks() -> dict[str, type[Task]]:
    return {kind.kind: kind for kind in _subclasses(Task) if "kind" in vars(kind)}


@functools.cache
def _events() -> dict[str, type[Event]]:
    return {kind.event: kind for kind in _subclasses(Event) if "event" in vars(kind)}


def _subclasses(record: type[Record]) -> list[type[Record]]:
    return [found for kind in record.__subclasses__() for found in (kind, *_subclasses(kind))]
