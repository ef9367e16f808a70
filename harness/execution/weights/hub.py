"""Checkpoints on the Hugging Face hub, by its own library: its cache, its tokens, its environment variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.core import cancellation
from harness.core.errors import MeasurementError
from harness.core.files import sha256

#: the safe file of a repository -> the pickle that is asked for where it has none, as timm does
TWINS = {
    "model.safetensors": "pytorch_model.bin",
    "open_clip_model.safetensors": "open_clip_pytorch_model.bin",
}
OTHERWISE = "or get the file in another way and pass its folder with --weights DIR"

_ADDRESS = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """One file of a repository of the hub."""

    endpoint: str  #: the hub's address
    repository: str  #: owner/name
    revision: str
    name: str

    @property
    def page(self) -> str:
        """Where people see the repository."""
        return f"{self.endpoint}/{self.repository}"

    def within(self, folder: Path) -> list[Path]:
        """The files of a folder that are this one: in a copy of the hub's cache, or of the repository."""
        own = self.repository.partition("/")[2]
        files = [*sorted(folder.glob(f"models--{self.repository.replace('/', '--')}/snapshots/*/"))]
        files += [folder / self.repository, folder / own]
        names = [self.name, *([TWINS[self.name]] if self.name in TWINS else [])]
        return [file for name in names for place in files if (file := place / name).is_file()]


@dataclass(frozen=True)
class Found:
    """A file of the hub on this machine."""

    file: Path
    sha256: str
    verified: str | None  #: what the digest was checked against
    origin: str


def parse(url: str) -> HubFile | None:
    """The file of the hub that an address means; None for an address of something else."""
    parts = urlsplit(url)
    match = _ADDRESS.fullmatch(unquote(parts.path))
    if match is None or parts.scheme not in ("http", "https"):
        return None
    endpoint = f"{parts.scheme}://{parts.netloc}"
    return HubFile(endpoint, match["repository"], match["revision"], match["name"]) if _is_hub(endpoint) else None


def _is_hub(endpoint: str) -> bool:
    try:
        return endpoint in ("https://huggingface.co", _library().constants.ENDPOINT.rstrip("/"))
    except MeasurementError:
        return endpoint == "https://huggingface.co"


def _library() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise MeasurementError(
            f"the library huggingface_hub is missing ({error}). Run `pip install huggingface_hub`, {OTHERWISE}."
        ) from error
    return huggingface_hub


def fetch(wanted: HubFile) -> Found:
    """The file from the hub's cache, else from the hub, which keeps it there.

    Raises MeasurementError that says what to do: where a token is asked for, where it cannot be reached, where the file
    is damaged.
    """
    library = _library()
    library.utils.disable_progress_bars()
    library.utils.logging.set_verbosity_error()  # what is in the way is said once, by the error
    names = [wanted.name, *([TWINS[wanted.name]] if wanted.name in TWINS else [])]
    for name in names:
        known = library.try_to_load_from_cache(wanted.repository, name, revision=wanted.revision)
        if isinstance(known, str):
            return checked(Path(known), wanted)
    for name in names:
        cancellation.check()
        path = _download(library, wanted, name)
        if path is not None:
            return checked(path, wanted)
    raise MeasurementError(
        f"{wanted.page} has no {' and no '.join(names)} in revision {wanted.revision}. Look what it has, {OTHERWISE}."
    )


def _download(library: Any, wanted: HubFile, name: str) -> Path | None:
    """None where the repository has no such file."""
    errors = library.errors
    try:
        return Path(
            library.hf_hub_download(
                wanted.repository,
                name,
                revision=wanted.revision,
                endpoint=wanted.endpoint,
                library_name="parity-harness",
            )
        )
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        raise MeasurementError(_refused(error, wanted)) from error
    except errors.LocalEntryNotFoundError as error:
        cause = _first_line(error.__cause__ or error)
        raise MeasurementError(
            f"{wanted.page}/{name} is not in the cache of the hub and cannot be downloaded: {cause}. "
            f"Check the connection and HF_HUB_OFFLINE, {OTHERWISE}."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MeasurementError(f"{wanted.page} has no revision {wanted.revision}. Correct it, {OTHERWISE}.") from error
    except errors.EntryNotFoundError:
        return None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise MeasurementError(_refused(error, wanted)) from error
        raise MeasurementError(f"{wanted.page}/{name}: {_first_line(error)}. Run again later, {OTHERWISE}.") from error
    except OSError as error:
        raise MeasurementError(
            f"{wanted.page}/{name} cannot be kept in the cache of the hub: {error}. "
            f"Make room or give write permission, {OTHERWISE}."
        ) from error


def _refused(error: Any, wanted: HubFile) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 404:
        return f"{wanted.page}: there is no such repository on the hub. Check its name, {OTHERWISE}."
    return (
        f"{wanted.page}: the hub asks for a token (HTTP {status}): the repository is private, gated, or not there. "
        f"Accept its terms on that page, then set HF_TOKEN or run `hf auth login`, {OTHERWISE}."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def checked(path: Path, wanted: HubFile) -> Found:
    """Compares a file with the name under which the hub's cache keeps it, the SHA-256 that the hub gives for it."""
    try:
        content = path.resolve(strict=True)
        digest = sha256(content)
    except OSError as error:
        raise MeasurementError(f"{path} cannot be read: {error}. Delete it and run again, {OTHERWISE}.") from error
    known = content.name if _SHA256.fullmatch(content.name) else None
    if known and digest != known:
        raise MeasurementError(
            f"{path}: the hub gives the SHA-256 {known} for it, the file has {digest}: it is damaged. "
            f"Delete {content} and run again, {OTHERWISE}."
        )
    snapshot = path.parts[path.parts.index("snapshots") + 1] if "snapshots" in path.parts else wanted.revision
    return Found(path, digest, "SHA-256 that the hub gives" if known else None, f"{wanted.page}@{snapshot}")
