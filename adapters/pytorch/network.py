"""A network of any PyTorch source behind the common contract; timm, mmcls and others build on it."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.adapters import runtimes
from harness.adapters.base import (
    FUSED_FORM,
    Alterations,
    Array,
    Inference,
    LayerCall,
    Match,
    Network,
    Parameters,
    Precision,
    Preprocessing,
    Runtime,
    Steps,
    fit,
)
from harness.adapters.pytorch import altered as torch_altered
from harness.adapters.pytorch import counters as torch_counters
from harness.adapters.pytorch import export as torch_export
from harness.adapters.pytorch import forms
from harness.adapters.pytorch import inference as torch_inference
from harness.adapters.pytorch import trace as torch_trace
from harness.adapters.pytorch.checkpoints import STAND_IN, read_checkpoint, stand_in_mark, state_of
from harness.adapters.pytorch.forms import OUTLINE
from harness.adapters.pytorch.loading import Loading
from harness.adapters.quiet import quiet
from torch import nn

__all__ = ["STAND_IN", "Logits", "TorchNetwork", "outline", "read_checkpoint", "stand_in_mark", "state_of"]

FUSED = ", branches fused"
NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


class Logits(nn.Module):
    """The network as a plain function from images to logits, as counters and hooks want it."""

    def __init__(self, network: nn.Module, forward: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network = network
        self._forward = forward

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self._forward(self.network, batch)


class TorchNetwork(Loading, Network):
    """See harness.adapters.base.Network. Subclasses say how an image is prepared and how a checkpoint is laid out."""

    plain_counter = torch_counters.PLAIN

    def __init__(
        self,
        module: nn.Module,
        preprocessing: Preprocessing,
        preprocessing_steps: Callable[[bytes], Steps],
        device: str,
        forward: Callable[[nn.Module, torch.Tensor], torch.Tensor] = lambda module, batch: module(batch),
        counters: Mapping[str, torch_counters.Counter] | None = None,
        without_values: Sequence[str] = (),
    ) -> None:
        """`counters` are the source's own, those of them that need no values are named."""
        self.module = forms.on_one_device(module).eval().to(device)
        self.logits = Logits(self.module, forward).eval()
        self.preprocessing = preprocessing
        self.input_size = preprocessing.crop
        self.preprocessing_steps = preprocessing_steps
        self.device = device
        self._alterations = Alterations()
        self._counters = {**(counters or {}), **torch_counters.COUNTERS}  # the source's own first
        self._with_values_alone: Sequence[str] = ()  #: counters that an outline leaves out
        if device == OUTLINE:
            able = (*without_values, *torch_counters.WITHOUT_VALUES)
            self._with_values_alone = [name for name in self._counters if name not in able]
            self._counters = {name: counter for name, counter in self._counters.items() if name in able}
        self._with_values: Callable[[], TorchNetwork] | None = None  #: makes this network with values, of an outline
        self._valued: TorchNetwork | None = None  #: what has taken the place of an outline
        self._failed: set[str] = set()  #: counters that cannot count the outline
        self._counting = forms.shapes_alone if device == OUTLINE else contextlib.nullcontext
        self._by_counter: dict[str, int] = {}  #: parameters as tools have counted them
        self._taken: dict[int, Mapping[str, int]] = {}  #: pixels -> what was counted before

    # -- forward ---------------------------------------------------------------------------------

    def preprocess(self, image: bytes) -> Array:
        return self.preprocessing_steps(image)["normalise"]

    def _tensor(self, batch: Array) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(batch))
        if self.device != "cpu":
            tensor = tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def forward(self, batch: Array) -> Array:
        with torch.inference_mode(), self._alterations.applied():
            return self.logits(self._tensor(batch)).float().cpu().numpy()

    def altered(self, alteration: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        return self._alterations.holding(torch_altered.applying(alteration, self.device))

    def features(self, batch: Array) -> Array:
        entered: list[torch.Tensor] = []
        hook = self._classifier().register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        try:
            self.forward(batch)
        finally:
            hook.remove()
        return entered[-1].float().cpu().numpy()

    def trace(self, batch: Array, emit: Callable[[LayerCall], None], values: bool = True) -> None:
        with torch.no_grad(), torch_trace.Recorder(self.module, emit, values):
            self.logits(self._tensor(batch))

    # -- other ways to run it --------------------------------------------------------------------

    def inference(self, precision: Precision, example: Array) -> Inference:
        return torch_inference.fastest(self.logits, self._tensor, precision, example)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        exporting = torch_export.EXPORTERS.get(runtime)
        if exporting is None:
            raise NotImplementedError(f"runtime {runtime}: PyTorch networks go to {', '.join(torch_export.EXPORTERS)}")
        try:
            with quiet(), torch.no_grad():
                return exporting(copy.deepcopy(self.logits).cpu(), self.input_size, folder)
        except Exception as error:  # a converter may raise anything
            reason = runtimes.reason(error)
            raise NotImplementedError(f"runtime {runtime}: the network cannot be converted. {reason}") from error

    # -- counts ----------------------------------------------------------------------------------

    def parameters(self) -> Parameters:
        if self._valued:
            return self._valued.parameters()
        counted = torch_counters.parameter_counts
        by_counter = self._by_counter or counted(lambda: forms.fresh(self.logits), self.input_size)
        if not by_counter and self._with_values:  # which may count on another device
            return self._become().parameters()
        fused = self._fused
        return dataclasses.replace(
            self.bare_parameters(),
            by_counter=by_counter,
            fused=sum(p.numel() for p in fused.parameters()) if fused else None,
            fused_biases=forms.biases(fused) if fused else 0,
        )

    def bare_parameters(self) -> Parameters:
        by_type: dict[str, int] = {}
        affine = running = other = frozen = 0
        seen: set[int] = set()  # a tensor shared by two modules is one tensor
        for module in self.module.modules():
            for parameter in module.parameters(recurse=False):
                if id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                frozen += 0 if parameter.requires_grad else parameter.numel()
                kind = type(module).__name__
                by_type[kind] = by_type.get(kind, 0) + parameter.numel()
                affine += parameter.numel() if isinstance(module, NORMALISATIONS) else 0
            for name, buffer in module.named_buffers(recurse=False):
                if name in ("running_mean", "running_var"):
                    running += buffer.numel()
                else:
                    other += buffer.numel()
        linear = self._classifier(optional=True)
        return Parameters(
            learnable=sum(by_type.values()),
            normalisation_affine=affine,
            running_statistics=running,
            other_buffers=other,
            classifier=sum(p.numel() for p in linear.parameters()) if linear else 0,
            by_type=by_type,
            by_counter={},
            biases=forms.biases(self.logits),
            frozen=frozen,
        )

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        if self._valued:
            return self._valued.multiply_adds(size)
        counts: dict[str, int | str] = {}
        known = self._taken.get(size, {})
        every = {"": self.logits, **({FUSED: self._fused} if self._fused else {})}
        for name, counter in self._counters.items():
            for form, logits in every.items():
                if name + form in known:
                    counts[name + form] = known[name + form]
                    continue
                try:
                    copied = forms.fresh(logits)
                    with self._counting():
                        counts[name + form] = counter(copied, size)
                    self._by_counter |= {} if form else torch_counters.counted_parameters(copied)
                except Exception as error:  # a counter that breaks on this network is a fact about the counter
                    counts[name + form] = f"{type(error).__name__}: {error}"
        if self._with_values is None:
            return counts
        if size == self.input_size and isinstance(counts[torch_counters.PLAIN], str):
            return self._become().multiply_adds(size)  # its forward pass looks at values
        self._failed.update(name for name, count in counts.items() if isinstance(count, str))
        return {name: count for name, count in counts.items() if not isinstance(count, str)}

    def take_counts(self, size: int, counts: Mapping[str, int]) -> None:
        self._taken[size] = counts

    def left_out(self) -> Sequence[str]:
        if self._with_values is None or self._valued:
            return ()
        form = [FUSED_FORM] if forms.is_fusible(self.module) else []
        return [*self._with_values_alone, *sorted(self._failed), *form]

    def _become(self) -> TorchNetwork:
        """The same network with values, which takes the place of an outline."""
        assert self._with_values is not None
        self._valued = self._with_values()
        return self._valued

    @cached_property
    def _fused(self) -> Logits | None:
        """A copy in the form in which it is deployed, its branches fused; None where it has no such form."""
        if self.device == OUTLINE or not forms.is_fusible(self.module):  # fusing computes with values
            return None
        return forms.fused(self.logits)

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> Mapping[str, Array]:
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.module.state_dict().items()}

    def load_state(self, state: Mapping[str, Array], match: Match = "name", where: str = "the state") -> None:
        own = {name: tuple(tensor.shape) for name, tensor in self.module.state_dict().items()}
        given = {name: tuple(np.shape(array)) for name, array in state.items()}
        pairs = fit(own, given, match, where)
        tensors = {ours: torch.as_tensor(np.array(state[theirs])) for ours, theirs in pairs.items()}
        self.module.load_state_dict(tensors, strict=True)

    def _classifier(self, optional: bool = False) -> nn.Linear | None:
        linears = [module for module in self.module.modules() if isinstance(module, nn.Linear)]
        if not linears and not optional:
            raise NotImplementedError(f"{type(self.module).__name__} has no final linear layer")
        return linears[-1] if linears else None

    def set_classifier(self, weight: Array, bias: Array) -> None:
        linear = self._classifier()
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))

    def calibrate(self, batches: Iterable[Array]) -> None:
        norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train()
        try:
            for seen, batch in enumerate(batches, 1):
                for norm in norms:
                    norm.momentum = 1 / seen  # the running value becomes the mean over the batches so far
                with torch.no_grad():
                    self.logits(self._tensor(batch))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
                norm.eval()

    def save(self, path: Path, stand_in: str | None = None) -> None:
        torch.save(self.checkpoint_layout(self.module.state_dict(), stand_in), path)

    def checkpoint_layout(self, state: dict[str, torch.Tensor], stand_in: str | None) -> dict[str, Any]:
        """The source's native layout; timm's unless a subclass says otherwise."""
        return {"state_dict": state, STAND_IN: stand_in} if stand_in else state


def outline(adapter: Any, model: str) -> TorchNetwork:
    """See harness.adapters.base.AdapterClass.outline; `adapter` is the class."""
    for numbers in forms.NUMBERS:
        try:
            with torch.device(OUTLINE), forms.NumbersHaveValues(numbers):
                network: TorchNetwork = adapter(device=OUTLINE).build(model)
        except KeyError:
            raise
        except Exception:  # many constructors look at values
            continue
        network._with_values = lambda: adapter().build(model)
        return network
    return adapter().build(model)  # type: ignore[no-any-return]
