"""How published tables print FLOPs and parameters: shares for counts.toml, from every other table; tested on the rest.

    python reference/priors/learn.py FOLDER…

Folders hold Markdown tables and metafiles of published zoos. Only rows of networks that are counted in
benchmarks/counted_networks.json tell something: their figures are compared with the counts, column by column.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NETWORKS = Path(__file__).parents[2] / "benchmarks" / "counted_networks.json"
#: share by which counters differ from each other on one network
COUNTERS_DIFFER = 0.05
_NUMBER = re.compile(r"^\s*([\d,]+(?:\.\d+)?)\s*([KMGTB]?)\s*$")
_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_METAFILE = re.compile(r"- Name: (\S+)\n(?:(?!- Name:).*\n)*?\s+FLOPs: (\d+)\n\s+Parameters: (\d+)")

Cell = tuple[str, str, float]  #: model, text, count


def folded(name: str) -> str:
    """A model's name as it can be compared: without the training, the release and the signs between words."""
    name = re.sub(r"\[([^\]]*)\].*", r"\1", name).split(".")[0]
    name = re.sub(r"_(?:\d+xb\d+|3rdparty|in1k|imagenet).*|\*|ImageNet-1k", "", name, flags=re.I)
    return re.sub(r"[^a-z0-9]", "", name.lower())


def counted() -> dict[str, Mapping[str, Any]]:
    found = json.loads(NETWORKS.read_text(encoding="utf-8"))
    return {folded(name.split(" ", 1)[1]): network for name, network in found.items()}


def columns(path: Path) -> Iterator[tuple[str, list[Cell]]]:
    """The columns of FLOPs and parameters of a file, each with its heading's metric."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yml":
        rows = _METAFILE.findall(text)
        yield "flops", [(name, flops, float(flops)) for name, flops, _ in rows]
        yield "params", [(name, params, float(params)) for name, _, params in rows]
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
        if match:
            sign = match[2] or (next(filter(None, unit.groups())) if unit else "")
            text = match[1].replace(",", "")
            yield line[0], text, float(text) * _SCALES.get(sign, 1.0)


def learn(files: list[Path]) -> dict[str, Counter[str]]:
    known = counted()
    found: dict[str, Counter[str]] = {"factor": Counter(), "params": Counter(), "last digit": Counter()}
    for path in files:
        for metric, cells in columns(path):
            rows = [(known[folded(model)], text, value) for model, text, value in cells if folded(model) in known]
            found["last digit"].update("zero" if text.endswith("0") else "other" for _, text, _ in rows if "." in text)
            votes = Counter(filter(None, (_way(metric, *row) for row in rows)))
            if votes:
                found["factor" if metric == "flops" else "params"][votes.most_common(1)[0][0]] += 1
    return found


def _way(metric: str, network: Mapping[str, Any], text: str, value: float) -> str | None:
    if metric == "flops":
        plain = network["multiply_adds"][str(network["input_size"])].get(network["plain_counter"])
        ratios = {factor: value / (factor * plain) for factor in (1, 2)} if plain else {}
        near = [str(factor) for factor, ratio in ratios.items() if abs(ratio - 1) < COUNTERS_DIFFER]
        return near[0] if near else None
    parameters = network["parameters"]
    ways = {
        "plain": parameters["learnable"],
        "counter": parameters["by_counter"].get("thop", 0),
        "other": parameters["learnable"] + parameters["running_statistics"],
    }
    share = 0.5 * 10.0 ** -len(text.partition(".")[2]) / float(text) if float(text) else 0.0
    return next((name for name, count in ways.items() if count and abs(value / count - 1) <= share * 1.01), None)


def main(folders: list[str]) -> None:
    files = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.suffix in (".md", ".yml"))
    for name, part in (("learnt", files[::2]), ("tested on", files[1::2])):
        print(f"{name} {len(part)} files")
        for what, counts in learn(part).items():
            total = counts.total()
            shares = ", ".join(
                f"{key} {count}/{total} = {(count + 1) / (total + 2):.2f}" for key, count in counts.items()
            )
            print(f"  {what}: {shares}")


if __name__ == "__main__":
    main(sys.argv[1:])
