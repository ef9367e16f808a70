"""How timm loads published weights: its own conversions, on what was read without executing anything in the file."""

from __future__ import annotations

import contextlib
import functools
import importlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import timm
import torch
from harness.adapters.base import CheckpointError
from harness.adapters.pytorch import loading

#: where timm's own load_state_dict looks for the weights in a training checkpoint, in its order
STATE_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")
#: files that a network's own load_pretrained reads
ARRAYS = (".npz", ".npy")
#: what a hub's repository has instead of a pickle, which timm takes first
_SAFE_NAME = "model.safetensors"
_PICKLE_NAME = "pytorch_model.bin"


def _builder() -> ModuleType:
    """Its module that builds networks and loads their weights."""
    for name in ("timm.models._builder", "timm.models.helpers"):  # up to 0.6 the second; 0.8 has both
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
            if hasattr(module, "build_model_with_cfg"):
                return module
    raise ImportError(f"timm {timm.__version__} has no build_model_with_cfg where it is known to be")


def create(model: str, pretrained: bool) -> tuple[torch.nn.Module, Mapping[str, Any]]:
    """A network with random weights, and the arguments with which timm would have loaded its published ones.

    It is built as for these where they are wanted; else, and where timm builds without asking, there are no arguments.
    """
    if not pretrained:
        return timm.create_model(model, pretrained=False), {}
    asked: dict[str, Any] = {}

    def noted(module: torch.nn.Module, pretrained_cfg: Any = None, **arguments: Any) -> None:
        config = pretrained_cfg or module.pretrained_cfg
        asked.update(arguments, pretrained_cfg=config if isinstance(config, dict) else config.to_dict())

    builder = _builder()
    with contextlib.ExitStack() as stack:
        for name in ("load_pretrained", "load_custom_pretrained"):
            if hasattr(builder, name):
                stack.enter_context(mock.patch.object(builder, name, noted))
        return timm.create_model(model, pretrained=True), asked


def is_published(checkpoint: Path, url: str | None) -> bool:
    """Whether a file is named as the one that timm would download."""
    return url is not None and checkpoint.name == url.rpartition("/")[2]


def form(module: torch.nn.Module, asked: Mapping[str, Any]) -> loading.Form:
    """What timm does with a state before it loads it: its filter for these networks, and the offset of the classes."""

    def converted(state: loading.State) -> loading.State:
        builder = _builder()
        taken: dict[str, torch.Tensor] = {}

        def take(given: Mapping[str, torch.Tensor], *_: Any, **__: Any) -> Any:
            taken.update(given)
            return torch.nn.modules.module._IncompatibleKeys([], [])

        # a file of the machine's own, so that nothing is asked for anywhere
        own = {"source": "", "url": "", "hf_hub_id": None, "state_dict": None, "custom_load": False, "file": "given"}
        arguments = {**asked, "pretrained_cfg": {**asked["pretrained_cfg"], **own}}
        with (
            mock.patch.object(builder, "load_state_dict", return_value=dict(state)),
            mock.patch.object(module, "load_state_dict", take),
        ):
            builder.load_pretrained(module, **arguments)
        return taken

    return converted


def load_arrays(module: torch.nn.Module, path: Path, model: str) -> None:
    """Loads a file of NumPy arrays by the network's own method. Raises CheckpointError where that does not fill it."""
    if not hasattr(module, "load_pretrained"):
        raise CheckpointError(
            f"{path}: timm {timm.__version__} reads no .npz of {model}: its class {type(module).__name__} has no "
            "load_pretrained. Save the weights as a .pth or .safetensors file"
        )
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(torch.nan)  # so that what is not set shows
    reading = np.load
    try:
        # whatever it asks NumPy for, no pickle is read
        safely = lambda file, *_, **__: reading(file, allow_pickle=False)  # noqa: E731
        with torch.no_grad(), mock.patch.object(np, "load", safely):
            module.load_pretrained(str(path))
    except (OSError, KeyError, ValueError, IndexError, AttributeError, AssertionError, RuntimeError, TypeError,
            zipfile.BadZipFile, EOFError) as error:  # fmt: skip
        raise CheckpointError(
            f"{path} cannot be loaded into {model} by timm's own load_pretrained: {_said(error)}. Nothing in it was "
            "executed. Is it the .npz of this model?"
        ) from error
    unset = [name for name, parameter in parameters.items() if parameter.isnan().any()]
    if unset:
        raise CheckpointError(
            f"{path} does not fill {model}: {len(unset)} of {len(parameters)} entries were not set by timm's own "
            f"load_pretrained, the first {unset[0]}{_classes(path, module)}"
        )


def _said(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _classes(path: Path, module: torch.nn.Module) -> str:
    """Where the file's head is of another number of classes, this number."""
    with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile), np.load(path) as arrays:
        heads = {arrays[name].shape[-1] for name in arrays.files if "head" in name and name.endswith("bias")}
        if heads and getattr(module, "num_classes", None) not in heads:
            return f"; its head has {', '.join(map(str, sorted(heads)))} outputs, the network's {module.num_classes}"
    return ""


# -- names and addresses -------------------------------------------------------------------------


@functools.cache
def tags() -> Mapping[str, str]:
    """Names of weights -> the model that they are the default of, else themselves. Releases before 0.9 have none."""
    found: dict[str, str] = {}
    for name in timm.list_pretrained() if hasattr(timm, "list_pretrained") else ():
        architecture = name.partition(".")[0]
        if name != architecture:
            default = getattr(timm.models.get_pretrained_cfg(architecture), "tag", None)
            found[name] = architecture if name == f"{architecture}.{default}" else name
    return found


def address(config: Mapping[str, Any]) -> str | None:
    """Where timm would load weights from; of a hub, the address of the file that it takes first."""
    hub = config.get("hf_hub_id")
    newer = hasattr(timm, "list_pretrained")
    url = config.get("url") or None
    if not hub or (url and not newer):  # before 0.9 the hub comes last
        return url
    identity, _, revision = hub.partition("@")
    file = config.get("hf_hub_filename") or (_SAFE_NAME if newer else _PICKLE_NAME)
    return f"{_endpoint()}/{identity}/resolve/{revision or 'main'}/{file}"


def _endpoint() -> str:
    with contextlib.suppress(ImportError):
        from huggingface_hub import constants  # of newer releases alone

        return str(constants.ENDPOINT)
    return "https://huggingface.co"
