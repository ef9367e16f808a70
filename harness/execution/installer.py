"""Runs uv: the user's own settings decide what is installed, never those of the working directory."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uv

from harness.core import cancellation

#: variables of uv that say how it works, or that hold a secret, and not what it installs or from where
_NOT_DECIDING = re.compile(
    r"UV_(CACHE_DIR|NO_CACHE|CONCURRENT_\w+|HTTP_\w+|REQUEST_TIMEOUT|INDEX_\w+_(USERNAME|PASSWORD)|NO_PROGRESS|COLOR"
    r"|LINK_MODE|COMPILE_BYTECODE\w*|LOG_\w+|KEYRING_PROVIDER|OFFLINE|LOCK_TIMEOUT|STACK_SIZE|SSL\w*|SYSTEM_CERTS"
    r"|NATIVE_TLS|INSECURE_\w+|TOOL_\w+|INSTALL_\w+|PYTHON_(INSTALL|BIN|CACHE)_DIR|SHOW_\w+|PREVIEW\w*|CONFIG_FILE|NO_CONFIG)"
)
#: variables by which uv would take its settings or its project from the working directory
_FOREIGN = ("VIRTUAL_ENV", "UV_WORKING_DIRECTORY", "UV_WORKING_DIR", "UV_PROJECT", "UV_ENV_FILE")
#: variables whose values are paths, several between blanks; relative ones are relative to the working directory
_PATHS = ("UV_CACHE_DIR", "UV_FIND_LINKS", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT")
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """uv with these arguments, whose paths are absolute: it is started in an empty folder."""
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    inherited |= {name: _absolute(inherited[name]) for name in _PATHS if name in inherited}
    with tempfile.TemporaryDirectory(prefix="parity-uv-") as folder:
        environment = {**inherited, **_configuration()}
        return cancellation.run([uv.find_uv_bin(), *arguments], cwd=folder, env=environment)


def settings() -> str:
    """What else decides what is installed, the package index above all; empty where nothing is set. No secrets."""
    deciding = {
        name: _SECRET.sub("", value)
        for name, value in os.environ.items()
        if name.startswith("UV_") and name not in (*_FOREIGN, "UV_TORCH_BACKEND") and not _NOT_DECIDING.fullmatch(name)
    }
    lines = [f"{name}={deciding[name]}" for name in sorted(deciding)]
    file = _configuration().get("UV_CONFIG_FILE")
    if file is not None:
        lines.append(f"uv.toml={_digest(Path(file))}")
    return "\n".join(lines)


def _absolute(paths: str) -> str:
    return " ".join(path if "://" in path else str(Path(path).absolute()) for path in paths.split())


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return str(error)  # uv says what is wrong with it


def _configuration() -> Mapping[str, str]:
    """The file of settings that uv is to read: the one that the user names, else the user's or the machine's own.

    uv itself searches the folder that it is started in and all folders above, which may belong to others.
    """
    if named := os.environ.get("UV_CONFIG_FILE"):
        return {"UV_CONFIG_FILE": str(Path(named).absolute())}
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    machine = [Path(folder) for folder in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder]
    for file in (home / "uv" / "uv.toml", *(folder / "uv" / "uv.toml" for folder in machine), Path("/etc/uv/uv.toml")):
        if file.is_absolute() and file.is_file() and "UV_NO_CONFIG" not in os.environ:
            return {"UV_CONFIG_FILE": str(file)}
    return {"UV_NO_CONFIG": "1"}
