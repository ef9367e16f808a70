"""Which builds of a framework a machine's driver and GPUs can run; the facts are in reference/gpu_builds.toml."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.execution.devices.gpus import Gpu
from harness.reference import FOLDER as REFERENCE

#: packages that carry CUDA's runtime, whose release is that of the build
_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?==(\d+\.\d+)")
_TORCH = re.compile(r"(torch|paddlepaddle-gpu)==([\w.]+)(?:\+(\w+))?")

Capability = tuple[int, int]


@dataclass(frozen=True)
class Build:
    """A build of PyTorch."""

    cuda: str  #: release of CUDA, "13.0"
    backend: str  #: its name for uv
    capabilities: tuple[Capability, ...]  #: that it has code for
    ptx: Capability | None  #: whose code later GPUs take, too

    def has_code_for(self, capability: Capability) -> bool:
        """Code of a capability runs on later ones of its major number."""
        major, minor = capability
        own = any(major == theirs and minor >= least for theirs, least in self.capabilities)
        return own or (self.ptx is not None and capability > self.ptx)


@functools.cache
def _facts() -> tuple[Mapping[int, int], tuple[Build, ...]]:
    content = tomllib.loads((REFERENCE / "gpu_builds.toml").read_text(encoding="utf-8"))
    builds = tuple(
        Build(
            one["cuda"],
            one["backend"],
            tuple(map(_capability, one["capabilities"])),
            _capability(one["ptx"]) if "ptx" in one else None,
        )
        for one in content["build"]
    )
    return {int(major): driver for major, driver in content["least_driver"].items()}, builds


def _capability(text: str) -> Capability:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def sm(capability: Capability) -> str:
    """As builds name it: sm_90."""
    return f"sm_{capability[0]}{capability[1]}"


def least_driver(cuda: str) -> int | None:
    """The oldest branch of drivers for a CUDA release, 580 for R580; None where it is not known."""
    return _facts()[0].get(int(cuda.partition(".")[0]))


def built_for(packages: Sequence[str]) -> tuple[str, str] | None:
    """The framework with its release, and the CUDA release that it was built for; None where it has none."""
    named = [found for one in packages if (found := _TORCH.fullmatch(one))]
    runtimes = [found[1] for one in packages if (found := _RUNTIME.match(one))]
    if not named or named[0][3] == "cpu":
        return None
    label = re.fullmatch(r"cu(\d+)(\d)", named[0][3] or "")
    cuda = f"{label[1]}.{label[2]}" if label else runtimes[0] if runtimes else ""
    return (f"{named[0][1]} {named[0][2]}", cuda) if cuda else None


def branch(driver: str) -> int | None:
    """The branch of a driver, 580 of 580.65.06; None where that cannot be told."""
    found = re.match(r"\d+", driver)
    return int(found[0]) if found else None


def misfit(packages: Sequence[str], gpus: Sequence[Gpu]) -> str | None:
    """Why what is installed cannot run on these GPUs, and what to do; None where nothing is known against it."""
    built = built_for(packages)
    if built is None or not gpus:
        return None
    name, cuda = built
    driver, least = branch(gpus[0].driver), least_driver(cuda)
    if driver is not None and least is not None and driver < least:
        return (
            f"{name} is built for CUDA {cuda}, which needs a driver from R{least} on; this machine has "
            f"{gpus[0].driver}. {_remedy(gpus)}"
        )
    build = next((one for one in _facts()[1] if one.cuda == cuda), None)
    known = [gpu.capability for gpu in gpus if gpu.capability is not None]
    lacking = [one for one in known if build is not None and not build.has_code_for(one)]
    if lacking and build is not None:
        has = ", ".join(map(sm, build.capabilities))
        return f"{name} for CUDA {cuda} has no code for {sm(lacking[0])} (it has {has}). {_remedy(gpus)}"
    return None


def fitting(gpus: Sequence[Gpu]) -> list[Build]:
    """The builds that all of these GPUs and their driver can run."""
    driver = branch(gpus[0].driver) if gpus else None
    return [
        build
        for build in _facts()[1]
        if (driver is None or driver >= (least_driver(build.cuda) or 0))
        and all(gpu.capability is None or build.has_code_for(gpu.capability) for gpu in gpus)
    ]


def _remedy(gpus: Sequence[Gpu]) -> str:
    fits = fitting(gpus)
    if fits:
        names = " or ".join(f"UV_TORCH_BACKEND={build.backend}" for build in fits)
        return f"Set {names}, which makes an environment of its own with a build that fits, or update the driver"
    return "Update the driver, or leave --device out; no build of PyTorch that is known fits"
