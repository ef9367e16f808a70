"""Every option is declared once: the command line, pytest, the API and the printed command have the same ones."""

import argparse
import dataclasses
import doctest
import shlex
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run
from harness.core.errors import InputError
from harness.dataset.remote import parse_location
from harness.plan import options as declared
from harness.plan.arguments import add_pytest_options, command_of, options_of
from harness.plan.options import Options, specs

#: a value of every field that is not its default
OTHER: dict[str, Any] = {
    "tables": (Path("a b.md"), Path("zoo/**/*.md")),
    "upstream": (Path("results.csv"), Path("more's.csv")),
    "sources": ("timm==0.6.13", "mmcls"),
    "models": ("resnet50", "odd name"),
    "data": parse_location("memory://bucket/a b/val"),
    "labels": Path("val.txt"),
    "real_labels": Path("real.json"),
    "weights": "check points",
    "checks": ("numerics", "accuracy"),
    "why": True,
    "limit": 500,
    "stop_early": True,
    "batch_size": 7,
    "device": "cuda:0-1",
    "cuda_index": "https://packages.example.org/simple",
    "shard": "3/8",
    "runtime": "openvino",
    "precision": "bf16",
    "engine": "ray",
    "ray_address": "ray://head:10001",
    "ray_cpus": 3,
    "store": Path("my store"),
    "out": Path("my out"),
    "fix": True,
    "gallery": True,
    "annotate": True,
    "strict": True,
}


def parsed(command: str) -> Options:
    python, flag, module, *arguments = shlex.split(command)
    assert (python, flag, module) == ("python", "-m", "harness.run")
    return options_of(run.parser().parse_args(arguments))


def test_the_printed_command_repeats_the_run() -> None:
    assert OTHER.keys() == {field.name for field in dataclasses.fields(Options)}
    options = Options(**OTHER)
    default = Options()
    assert not [name for name in OTHER if getattr(options, name) == getattr(default, name)]
    assert parsed(command_of(options)) == options
    assert parsed(command_of(default)) == default


@pytest.mark.parametrize("name", OTHER)
def test_each_option_alone_is_in_the_printed_command(name: str) -> None:
    options = Options(**{name: OTHER[name]})
    assert parsed(command_of(options)) == options
    spec = dict(specs())[name]
    assert (command_of(options, measuring=True) == command_of(Options())) == (not spec.measures)


def test_no_folder_of_this_machine_is_in_the_printed_command(tmp_path: Path) -> None:
    far = tmp_path / "someone" / "checkpoints"
    command = command_of(Options(weights=far, data=far, labels=far, out=far, tables=far))
    assert str(tmp_path) not in command
    assert command.count("checkpoints") == 5


def test_pytest_has_every_option_that_makes_sense_there() -> None:
    parser = argparse.ArgumentParser()
    add_pytest_options(parser.add_argument)
    chosen = {name: spec for name, spec in specs() if spec.in_pytest}
    assert OTHER.keys() - chosen.keys() == {"fix", "annotate", "shard"}
    arguments: list[str] = []
    for name, spec in chosen.items():
        flag = f"--parity-{(spec.flag or name).replace('_', '-')}"
        values = OTHER[name] if spec.several else [OTHER[name]]
        for value in values:
            arguments += (
                [flag] if value is True else [flag, ",".join(value) if isinstance(value, tuple) else str(value)]
            )
    assert options_of(parser.parse_args(arguments), "parity_") == Options(**{name: OTHER[name] for name in chosen})
    assert options_of(parser.parse_args([]), "parity_") == Options()


def test_help_has_every_option_with_its_default() -> None:
    text = " ".join(run.parser().format_help().split())
    for _, spec in specs():
        assert spec.help in text
    assert "images per forward pass (default: 32)" in text
    assert "(default: static,accuracy)" in text


def test_a_program_may_pass_text_and_lists() -> None:
    given = Options(tables="a.md", upstream=["b.csv"], sources="timm, mmcls", models=["x"], data="val", labels="l",
                    weights=Path("w"), checks=["static"], store="memory://x", out="o")  # fmt: skip
    assert given == Options(
        tables=(Path("a.md"),),
        upstream=(Path("b.csv"),),
        sources=("timm", "mmcls"),
        models=("x",),
        data=Path("val"),
        labels=Path("l"),
        weights="w",
        checks=("static",),
        store=parse_location("memory://x"),
        out=Path("o"),
    )
    with pytest.raises(InputError, match="Give a path, or a URL"):
        Options(data="nonsense+x://a")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"checks": ("statik",)}, "--checks: unknown check 'statik'; did you mean static?"),
        ({"precision": "fp8"}, "--precision: unknown precision 'fp8'; "),
        ({"runtime": "openvine"}, "--runtime: unknown runtime 'openvine'; did you mean openvino?"),
        ({"engine": "slurm"}, "--engine: unknown engine 'slurm'; expected one of local, ray"),
        ({"device": "cuda", "runtime": "openvino"}, "--runtime openvino runs on the CPU only"),
        ({"why": True}, "--why needs --data"),
        ({"why": True, "data": "d", "stop_early": True}, "--why cannot be combined with --stop-early"),
        ({"why": True, "data": "d", "precision": "bf16"}, "--why cannot be combined with --runtime or --precision"),
        ({"stop_early": True}, "--stop-early applies to accuracy evaluation only"),
        ({"data": "memory://x", "why": True}, "--why: memory://x is a URL"),
        ({"data": "memory://x", "checks": "numerics"}, "--checks numerics: memory://x is a URL"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Options(**asked).validate()
    assert str(caught.value).startswith(message)


def test_defaults_are_valid_and_the_examples_hold() -> None:
    Options().validate()
    Options(data="d", why=True).validate()
    assert doctest.testmod(declared).failed == 0
