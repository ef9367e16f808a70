"""Values of options that are not valid, or that exclude each other, each with the message that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.text import closest
from harness.execution.devices.names import parse as parse_device
from harness.plan.options import Options, specs


def conflicts(options: Options) -> Iterator[tuple[bool, str]]:
    """Whether something is wrong, and what. Raises InputError where a value says nothing at all."""
    yield from _invalid(options)
    yield from _of_machines(options)
    yield from _conflicts(options)


def _invalid(options: Options) -> Iterator[tuple[bool, str]]:
    for name, spec in specs():
        value = getattr(options, name)
        kind = name.removesuffix("s")
        for one in value if isinstance(value, tuple) else (value,):
            if spec.choices:
                yield one not in spec.choices, f"--{name}: unknown {kind} {one!r}; {nearest(str(one), spec.choices)}"
    yield options.batch_size < 1, f"--batch-size {options.batch_size}: expected at least 1"


def _conflicts(options: Options) -> list[tuple[bool, str]]:
    why = options.why
    faster = (options.runtime, options.precision) != ("native", "fp32")
    far = options.data is not None and not isinstance(options.data, Path)
    comparing = [check for check in ("numerics", "preprocessing") if check in options.checks]
    local_only = "--why" if why else f"--checks {','.join(comparing)}"
    return [
        *_of_shards(options, local_only if why or comparing else ""),
        (
            bool(options.upstream) and not options.asks_sources,
            "--upstream cannot be combined with --checks documents alone, which asks no source; add static",
        ),
        (
            why and not options.evaluates,
            "--why needs --data, --checks accuracy and weights: it evaluates the models again with one factor changed "
            "at a time",
        ),
        (
            options.stop_early and not options.evaluates,
            "--stop-early applies to accuracy evaluation only; pass --data, --checks accuracy and weights",
        ),
        (why and options.stop_early, "--why cannot be combined with --stop-early: it needs every image"),
        (
            why and faster,
            "--why cannot be combined with --runtime or --precision: it compares the exact logits of native fp32",
        ),
        (
            options.real_labels is not None and options.data is None,
            "--real-labels are labels of images; pass --data with ImageNet val",
        ),
        (
            far and (why or bool(comparing)),
            f"{local_only}: {options.data} is a URL, which only accuracy evaluation can read. Copy the images into a "
            "local folder first",
        ),
    ]


def _of_machines(options: Options) -> Iterator[tuple[bool, str]]:
    """What devices and engines exclude."""
    ray, asked = options.engine == "ray", parse_device(options.device)
    yield (
        asked.kind != "cpu" and options.runtime != "native",
        f"--runtime {options.runtime} runs on the CPU only and cannot be combined with --device {options.device}",
    )
    yield asked.kind == "cpu" and options.precision == "tf32", "--precision tf32 is of GPUs; pass --device cuda"
    yield (
        ray and bool(asked.numbers),
        f"--device {options.device} names devices of this machine; with --engine ray pass --device cuda, and Ray hands "
        "out the GPUs of its nodes",
    )
    yield (
        options.cuda_index is not None and "@" in options.cuda_index,
        "--cuda-index: leave user name and password out, since reports show the command; uv reads them from ~/.netrc",
    )
    yield not ray and bool(options.ray_address or options.ray_cpus), "--ray-address and --ray-cpus need --engine ray"
    yield (
        options.ray_cpus is not None and options.ray_cpus < 1,
        f"--ray-cpus {options.ray_cpus}: expected at least 1",
    )


def _of_shards(options: Options, other: str) -> Iterator[tuple[bool, str]]:
    """What --shard excludes; `other` is what the options ask for besides counts and accuracies."""
    shard = options.share
    if shard is None:
        return
    faster = (options.runtime, options.precision) != ("native", "fp32")
    yield (
        not options.evaluates,
        f"--shard {shard}: only accuracy evaluation is shared out; pass --data, --checks accuracy and weights",
    )
    yield (
        options.engine == "ray" or faster or options.stop_early,
        f"--shard {shard} shares out every image of a native fp32 evaluation on this machine; leave out --engine ray, "
        "--runtime, --precision and --stop-early",
    )
    yield (
        bool(other) and not shard.merges,
        f"--shard {shard} evaluates only; pass {other} with --shard merge/{shard.of}",
    )


def nearest(name: str, valid: Sequence[str]) -> str:
    """A hint that follows an unknown name."""
    near = closest(name, valid)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(valid)}"
