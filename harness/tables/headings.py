"""What the heading of a column says.

A heading is about one thing if a word of it means that thing and all its other words are neutral: "ImageNet top-1 acc.
(%)" is a top1, "reference top1" is not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.records import UNITS
from harness.core.text import plain

_ACCURACY = """
    acc accuracy accuracies prec precision rate val validation eval set on of imagenet imagenet1k in1k in 1k ilsvrc
    ilsvrc2012 2012 准确率 精度 精确率 正确率 验证集
"""
#: kind of column -> the words that mean it, and the words that are neutral
_WORDS: Mapping[str, tuple[str, str]] = {
    "model": (
        "model models name names network networks net architecture arch method weight weights "
        "模型 模型名称 模型名 网络 名称",
        "of the 结构",
    ),
    "source": (
        "source sources framework codebase repo repository library 源码 来源 框架 代码 代码库 开源库",
        "code link name of the 链接 名称",
    ),
    "top1": ("top1", _ACCURACY),
    "top5": ("top5", _ACCURACY),
    "flops": (
        "flops flop macs mac madds madd 计算量 运算量 浮点运算量 浮点计算量 浮点运算 乘加 乘加运算量",
        "count number num no total of 次数 总",
    ),
    "params": (
        "params param parameters parameter 参数 参数量 参数数量 参数个数",
        "count number num no total of model 模型 总",
    ),
    "input_size": (
        "input resolution size crop 输入 输入尺寸 输入大小 分辨率 尺寸 大小",
        "image img val validation eval test pixels px 图像 图片 像素",
    ),
}
_MULTIPLY_ADDS = frozenset({"macs", "mac", "madds", "madd", "乘加", "乘加运算量"})
_MEANS = {kind: frozenset(means.split()) for kind, (means, _) in _WORDS.items()}
_NEUTRAL = {kind: frozenset(f"{means} {others}".split()) for kind, (means, others) in _WORDS.items()}
_UNIT_WORDS: Mapping[str, str] = {
    word: unit
    for unit, words in {
        "%": "% percent pct",
        "K": "k kilo thousand 千",
        "万": "万",
        "M": "m mn mio mega million millions 百万",
        "亿": "亿",
        "G": "g b bn giga billion billions 十亿",
        "T": "t tera trillion trillions 万亿",
    }.items()
    for word in [*words.split(), f"1e{math.log10(UNITS[unit]):.0f}"]
    if word != "1e0"
}  # fmt: skip
#: columns that only tables about other tasks than classification have
_OTHER_TASKS = frozenset({"map", "ap", "miou", "iou", "pq", "psnr"})

_CHINESE = "\u3400-\u9fff"
_KNOWN_CHINESE = re.compile(
    "|".join(sorted(filter(re.compile(f"[{_CHINESE}]").match, {*_UNIT_WORDS, *frozenset().union(*_NEUTRAL.values())}),
                    key=len, reverse=True))
)  # fmt: skip
_WORD = re.compile(rf"%|[{_CHINESE}]+|[^\W_{_CHINESE}]+")
_PIXELS = re.compile(r"(?:@\s*(\d{2,4})(?:\s*[x×*]\s*\1)?|\b(\d{2,4})\s*[x×*]\s*\2)(?:\s*(?:px|pixels?))?")
_POWER = re.compile(r"(?:[x×*]\s*)?(?<!\d)10\s*(?:\^|\*\*)\s*\{?(\d+)\}?|\b1e\+?(\d+)\b")
_NOTE = re.compile(r"\[\^[^\]]*\]|\^\w+")
_TOP = re.compile(r"(?<![a-z])(?:top|acc(?:uracy)?|prec(?:ision)?)[\s.@-]*([15])(?=acc|prec|[^a-z\d]|$)")
_MULTIPLY_ADD = re.compile(r"\bmul(?:t|ti|tiply|tiplies)?[\s-]*(?:and[\s-]*)?(?:adds?|accumulates?)\b")
_COMPOUND = re.compile(r"([kmgbt])(flops?|macs?|madds?|params?|parameters?)")


@dataclass(frozen=True)
class Column:
    """What a heading says."""

    kind: str  #: model, source, input_size or a metric
    text: str  #: as printed
    unit: str | None = None  #: a key of UNITS; None where the heading says none, or several
    multiply_adds: bool = False  #: the heading says MACs
    pixels: int | None = None  #: side of the square at which the figures are counted


def read(text: str) -> Column | None:
    """What a heading says; None where its column holds no claim about a model."""
    bare, pixels = _without_pixels(plain(text).lower())
    words = _words(bare)
    units = {_UNIT_WORDS[word] for word in words if word in _UNIT_WORDS}
    for kind, means in _MEANS.items():
        others = words - _NEUTRAL[kind]
        counts = kind in ("top1", "top5", "flops", "params")
        if words & means and (others <= _UNIT_WORDS.keys() if counts else not others and pixels is None):
            unit = units.pop() if counts and len(units) == 1 else None
            return Column(kind, text, unit, bool(words & _MULTIPLY_ADDS), pixels)
    return None


def of_another_task(text: str) -> bool:
    """Whether a heading says that the table is not about classifiers."""
    return bool(_words(plain(text).lower()) & _OTHER_TASKS)


def _without_pixels(text: str) -> tuple[str, int | None]:
    found = _PIXELS.search(text)
    return _PIXELS.sub(" ", text), int(found.group(1) or found.group(2)) if found else None


def _words(text: str) -> frozenset[str]:
    text = _POWER.sub(lambda power: f" 1e{int(power.group(1) or power.group(2))} ", text.replace("_", " "))
    text = _NOTE.sub(" ", text)
    text = _TOP.sub(r" top\1 ", text)
    text = _MULTIPLY_ADD.sub(" madds ", text)
    text = _KNOWN_CHINESE.sub(r" \g<0> ", text)
    found: list[str] = []
    for word in _WORD.findall(text):
        compound = _COMPOUND.fullmatch(word)
        found += compound.groups() if compound else [word]
    return frozenset(found)
