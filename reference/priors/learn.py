"""How published tables print FLOPs and parameters: shares for counts.toml, from every other table; tested on the rest.

    python reference/priors/learn.py FOLDER…
    python reference/priors/learn.py --corrections OLDER.whl NEWER.whl

Folders hold Markdown tables and metafiles of published zoos. Only rows of networks that are counted in
benchmarks/counted_networks.json tell something: their figures are compared with the counts, column by column. Wheels
are those of two releases of a zoo whose tables are in them: cells that differ were corrected.
"""

from __future__ import annotations

import json
import math
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NETWORKS = Path(__file__).parents[2] / "benchmarks" / "counted_networks.json"
#: share by which counters differ from each other on one network
COUNTERS_DIFFER = 0.05
#: sources whose networks are not those that were counted, though their names are alike
_OTHERS = re.compile(r"timm|ppcls|keras|official|offical|pytorch-image-models|PaddleClas", re.I)
_NUMBER = re.compile(r"^\s*([\d,]+(?:\.\d+)?)\s*([KMGTB]?)\s*$")
_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_ENTRY = re.compile(r"- Name: (\S+)\n((?:(?!\s*- Name:).*\n)*)")


@dataclass(frozen=True)
class Cell:
    """One published figure."""

    model: str
    text: str
    scale: float

    @property
    def value(self) -> float:
        return float(self.text) * self.scale

    @property
    def step(self) -> float:
        """Of whole numbers with many zeros at the end the first of these: they were rounded before."""
        whole, _, decimals = self.text.partition(".")
        zeros = len(whole) - len(whole.rstrip("0"))
        return self.scale * 10.0 ** (-len(decimals) if decimals else zeros if zeros > 3 else 0)

    def printed_by(self, count: float) -> str | None:
        """How a count becomes this figure."""
        if abs(count - self.value) <= self.step / 2 * (1 + 1e-9):
            return "rounded"
        return "cut" if math.floor(count / self.step + 1e-9) == round(self.value / self.step) else None


def folded(name: str) -> str:
    """A model's name as it can be compared: without the training, the release and the signs between words."""
    name = re.sub(r"\[([^\]]*)\].*", r"\1", name).split(".")[0]
    name = re.sub(r"_(?:\d+xb\d+|3rdparty|in1k|imagenet).*|\*|ImageNet-1k", "", name, flags=re.I)
    return re.sub(r"[^a-z0-9]", "", name.lower())


def counted() -> dict[str, Mapping[str, Any]]:
    found = json.loads(NETWORKS.read_text(encoding="utf-8"))
    return {folded(name.split(" ", 1)[1]): network for name, network in found.items()}


def columns(file: str, text: str) -> Iterator[tuple[str, list[Cell]]]:
    """The columns of FLOPs and parameters of a file, each with its heading's metric."""
    if file.endswith(".yml"):
        entries = _ENTRY.findall(text + "\n")
        for metric, key in (("flops", "FLOPs"), ("params", "Parameters")):
            found = [(name, re.search(rf"\b{key}: ([\d,]+)\s*$", body, re.M)) for name, body in entries]
            yield metric, [Cell(name, match[1].replace(",", ""), 1.0) for name, match in found if match]
        return
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip().strip("|").split("|") for line in block.splitlines() if line.strip().startswith("|")]
        if len(lines) < 3:
            continue
        for column, heading in enumerate(lines[0]):
            metric = "flops" if re.search("flops|macs", heading, re.I) else "params"
            if metric == "flops" or "param" in heading.lower():
                yield metric, list(_cells(lines, column, heading))


def _cells(lines: list[list[str]], column: int, heading: str) -> Iterator[Cell]:
    unit = re.search(r"\(?\b(?:x\s*)?([KMGTB])\b\)?|\b([GM])(?:FLOPs|MACs)", heading)
    for line in lines[2:]:
        match = _NUMBER.match(line[column]) if column < len(line) else None
        if match and not any(map(_OTHERS.search, line)):
            sign = match[2] or (next(filter(None, unit.groups())) if unit else "")
            yield Cell(line[0], match[1].replace(",", ""), _SCALES.get(sign, 1.0))


#: one way to count a network: its name, and the count
Way = tuple[str, float]


def _ways(metric: str, network: Mapping[str, Any]) -> Iterator[Way]:
    """Every way to count a network, the plain one first."""
    if metric == "flops":
        own, plain = str(network["input_size"]), network["plain_counter"]
        for size in sorted(network["multiply_adds"], key=lambda size: size != own):
            counters = network["multiply_adds"][size]
            for counter in sorted(counters, key=lambda counter: counter != plain):
                for factor in (1, 2):
                    name = "plain" if counter == plain else "own" if "mmcv" in counter else counter
                    at = "its size" if size == own else "224" if size == "224" else "another size"
                    yield f"{factor} x {name} at {at}", factor * counters[counter]
        return
    parameters = network["parameters"]
    yield "learnable", parameters["learnable"]
    yield "by a counter", parameters["by_counter"].get("thop", 0)
    yield "with statistics", parameters["learnable"] + parameters["running_statistics"]


def learn(files: list[Path]) -> dict[str, Counter[str]]:
    known = counted()
    names = ("factor", "mixed factors", "counter", "size", "params", "last digit", "rounding", "tool of flops",
             "tool of params", "cells of flops", "cells of params")  # fmt: skip
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for path in files:
        for metric, cells in columns(path.name, path.read_text(encoding="utf-8")):
            rows = [(known[folded(cell.model)], cell) for cell in cells if folded(cell.model) in known]
            found["last digit"].update(
                "zero" if cell.text.endswith("0") else "other" for _, cell in rows if "." in cell.text
            )
            if metric == "flops":
                factors = Counter(factor for network, cell in rows if (factor := _factor(network, cell)))
                found["factor"].update(factor for factor, _ in factors.most_common(1))
                if factors.total() > 1:
                    found["mixed factors"]["mixed" if len(factors) > 1 else "one factor"] += 1
            _learn_ways(metric, rows, found)
    return found


def _factor(network: Mapping[str, Any], cell: Cell) -> str | None:
    plain = network["multiply_adds"][str(network["input_size"])][network["plain_counter"]]
    near = [str(factor) for factor in (1, 2) if abs(cell.value / (factor * plain) - 1) < COUNTERS_DIFFER]
    return near[0] if near else None


def _learn_ways(metric: str, rows: Sequence[tuple[Mapping[str, Any], Cell]], found: dict[str, Counter[str]]) -> None:
    """The way of counting that prints most of a column's figures, if it is one, and what the others are."""
    printed = [{name: how for name, count in _ways(metric, network) if (how := cell.printed_by(count))}
               for network, cell in rows]  # fmt: skip
    usual = Counter(name for one in printed for name in one).most_common(1)
    if len(rows) > 1:
        is_known = bool(usual) and usual[0][1] >= max(2, len(rows) / 2)
        found[f"tool of {metric}"]["known" if is_known else "not known"] += 1
    if not usual or usual[0][1] < max(2, len(rows) / 2):
        return
    way = usual[0][0]
    if metric == "flops":
        found["counter"][way.split(" at ")[0].split(" x ")[1]] += 1
        if any(len(network["multiply_adds"]) > 1 for network, _ in rows):
            found["size"][way.split(" at ")[1]] += 1
    else:
        found["params"][way] += 1
    for one, (network, cell) in zip(printed, rows, strict=True):
        counts = dict(_ways(metric, network))
        if way in one:
            found["rounding"][one[way]] += 1
            found[f"cells of {metric}"]["as the column"] += 1
        elif one:
            found[f"cells of {metric}"][f"otherwise: {next(iter(one))}"] += 1
        else:
            near = way in counts and abs(cell.value / counts[way] - 1) < COUNTERS_DIFFER
            found[f"cells of {metric}"]["no way, near" if near else "no way, far"] += 1


def corrections(older: Path, newer: Path) -> Counter[str]:
    """What became of the figures that two releases have."""
    before, after = _figures(older), _figures(newer)
    found: Counter[str] = Counter()
    for place, old in before.items():
        if place in after:
            found[_kind(old, after[place])] += 1
    return found


def _figures(wheel: Path) -> dict[tuple[str, str], Cell]:
    found: dict[tuple[str, str], Cell] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".yml", "METADATA")):
                for metric, cells in columns(name, archive.read(name).decode()):
                    for cell in cells:
                        found.setdefault((metric, cell.model), cell)
    return found


def _kind(old: Cell, new: Cell) -> str:
    """How a figure was wrong that has been corrected."""
    if math.isclose(old.value, new.value):
        return "the same"
    if abs(old.value - new.value) <= max(old.step, new.step) / 2:
        return "more digits"
    a, b = old.text.replace(".", ""), new.text.replace(".", "")
    if len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1:
        return "one digit"
    ratio = old.value / new.value
    power = round(math.log10(ratio))
    if power and abs(math.log10(ratio) - power) < 1e-3:
        return "a power of ten"
    if min(abs(ratio / 2 - 1), abs(ratio * 2 - 1)) < 1e-3:
        return "twice or half"
    return "near, within 5 %" if abs(ratio - 1) < COUNTERS_DIFFER else "near, within 2" if 0.5 < ratio < 2 else "far"


def _show(found: Mapping[str, Counter[str]]) -> None:
    for what, counts in found.items():
        total = counts.total()
        shares = ", ".join(f"{key} {count}/{total} = {count / total:.2f}" for key, count in counts.most_common())
        print(f"  {what}: {shares}")


def main(arguments: list[str]) -> None:
    if arguments[0] == "--corrections":
        _show({"corrections": corrections(*map(Path, arguments[1:3]))})
        return
    files = sorted(path for folder in arguments for path in Path(folder).rglob("*") if path.suffix in (".md", ".yml"))
    for name, part in (("learnt", files[::2]), ("tested on", files[1::2])):
        print(f"{name} {len(part)} files")
        _show(learn(part))


if __name__ == "__main__":
    main(sys.argv[1:])
