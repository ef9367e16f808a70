"""What a page claims besides its table, kept in a TOML file next to it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.records import WeightSource
from harness.dataset.image_set import ImageSet

_SECTIONS = {"data", "preprocessing", "head", "operators", "weights"}


@dataclass(frozen=True)
class DocumentedData:
    """Images other than ImageNet val that a page's accuracies are about."""

    name: str
    digest: str  #: as in ImageSet: hex SHA-256 over names, labels and bytes


@dataclass(frozen=True)
class Page:
    """Claims of a page about all of its models."""

    file: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)  #: ratio, short_side, mean, std
    head: tuple[str, ...] = ()  #: kinds of operation that end the network, in order
    operators: tuple[str, ...] = ()  #: kinds of operation said to be common to the models
    weights: Mapping[str, WeightSource] = field(default_factory=dict)  #: documented model -> where its weights are
    data: DocumentedData | None = None  #: what the accuracies were measured on; None is ImageNet val

    def is_about(self, images: ImageSet) -> bool:
        """Whether the page's accuracies were measured on exactly these images."""
        return images.digest == self.data.digest if self.data else images.is_imagenet_val


def read_page(table: Path) -> Page:
    """The TOML file next to a table; an empty page where there is none.

    Raises InputError for a file that is not as described in reference/README.md.
    """
    path = table.with_suffix(".toml")
    if not path.is_file():
        return Page()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = sorted(content.keys() - _SECTIONS)
        if unknown:
            raise ValueError(f"unknown section {unknown[0]!r}; expected {', '.join(sorted(_SECTIONS))}")
        return Page(
            file=str(path),
            preprocessing=dict(content.get("preprocessing", {})),
            head=_kinds(content.get("head", {}).get("operators", [])),
            operators=_kinds(content.get("operators", {}).get("common", [])),
            data=DocumentedData(**content["data"]) if "data" in content else None,
            weights={model: WeightSource(**entry) for model, entry in content.get("weights", {}).items()},
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot read the claims next to the table: {error}") from error


def _kinds(listed: Any) -> tuple[str, ...]:
    if not isinstance(listed, list):
        raise ValueError(f"{listed!r} is not a list of operators")
    return tuple(listed)
