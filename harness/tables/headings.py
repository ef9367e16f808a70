"""What the heading of a column says.

A heading is about one thing if a word of it means that thing and all its other words are neutral: "ImageNet top-1 acc.
(%)" is a top1, "reference top1" is not. A heading over cells with several figures is about several: "Top-1/Top-5".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from harness.core.records import UNITS
from harness.core.text import plain

#: words that say that a percentage counts what is right, or what is wrong
_RIGHT = (
    "acc accuracy accuracies prec precision 准确率 精度 精确率 正确率 正解率 準確率 準確度 精確率 正確率 認識率 정확도 "
    "genauigkeit précision exactitude precisión exactitud precisão acurácia precisione accuratezza точность"
)
_WRONG = "err errs error errors 错误率 误差 錯誤率 誤差 誤り率 오류율 fehler fehlerrate erreur erro errore ошибка"
_ACCURACY = f"""
    {_RIGHT} rate val validation eval set on of imagenet imagenet1k in1k in 1k ilsvrc
    ilsvrc2012 2012 验证集 驗證集
"""
#: what tables have above a group of columns of counts
_GROUPS = "size compute computation computational complexity cost costs efficiency statistics stats"

#: kind of column -> the words that mean it, and the words that are neutral
_WORDS: Mapping[str, tuple[str, str]] = {
    "model": (
        "model models name names network networks net architecture arch method weight weights 方法 "
        "模型 模型名称 模型名 网络 名称 モデル モデル名 모델 modelo modell modèle modello модель "
        "сеть netz netzwerk réseau 網路 網絡 模型名稱 名稱",
        "of the structure id 结构 結構 名",
    ),
    "source": (
        "source sources framework codebase repo repository library 源码 来源 框架 代码 代码库 开源库",
        "code link name of the 链接 名称",
    ),
    "top1": ("top1", f"{_ACCURACY} {_WRONG}"),
    "top5": ("top5", f"{_ACCURACY} {_WRONG}"),
    "accuracy": (f"{_RIGHT} {_WRONG}", _ACCURACY),
    "flops": (
        "flops flop macs mac madds madd 计算量 运算量 浮点运算量 浮点计算量 浮点运算 乘加 乘加运算量 "
        "計算量 演算量 運算量 浮點運算量 연산량 rechenaufwand",
        f"count number num no total of infer inference 次数 总 数 總 數 {_GROUPS}",
    ),
    "params": (
        "params param parameters parameter 参数 参数量 参数数量 参数个数 パラメータ パラメーター 파라미터 paramètres "
        "parametri parámetros parâmetros parametry параметры параметров 參數 參數量 參數數量 매개변수",
        f"count number num no total of model 模型 总 数 總 數 수 anzahl nombre de número {_GROUPS}",
    ),
    "input_size": (
        "input resolution reso res size crop 输入 输入尺寸 输入大小 分辨率 尺寸 大小 解像度 入力 "
        "輸入 輸入尺寸 輸入大小 解析度 入力解像度 サイズ 입력 해상도 크기 auflösung bildgröße "
        "résolution resolución resolução risoluzione разрешение",
        "image img val validation eval test infer inference pixels px 图像 图片 像素 圖像 圖片 画像 이미지 bild "
        "entrada",
    ),
    "pretraining": (
        "pretrain pretraining pretrained 预训练",
        "data dataset set on training 数据 数据集",
    ),
}
_MULTIPLY_ADDS = frozenset({"macs", "mac", "madds", "madd", "乘加", "乘加运算量"})
_MEANS = {kind: frozenset(means.split()) for kind, (means, _) in _WORDS.items()}
_NEUTRAL = {kind: frozenset(f"{means} {others}".split()) for kind, (means, others) in _WORDS.items()}
_COUNTS = ("top1", "top5", "accuracy", "flops", "params")
_UNIT_WORDS: Mapping[str, str] = {
    word: unit
    for unit, words in {
        "%": "% percent pct",
        "K": "k kilo thousand 千",
        "万": "万 萬",
        "M": "m mn mio mega million millions 百万 百萬 millionen",
        "亿": "亿 億",
        "G": "g b bn giga billion billions 十亿 十億 milliarden milliards",
        "T": "t tera trillion trillions 万亿",
    }.items()
    for word in [*words.split(), f"1e{math.log10(UNITS[unit]):.0f}"]
    if word != "1e0"
}  # fmt: skip
#: columns that only tables about other tasks than classification have
_OTHER_MEASURES = frozenset(
    word
    for words in (
        "map ap pq oks mota pckh",
        "miou iou",
        "psnr ssim fid mae rmse",
        "wer cer bleu cider rouge",
        "recall auc f1",
    )
    for word in words.split()
)
#: words of headings of a page's sections, and the task that they say: classification, or another
_TASKS: Mapping[str, str] = {
    word: task
    for task, words in {
        "classification": "classification classifier classifiers classify imagenet imagenet1k 分类 分類",
        "another": "segmentation detection detector detectors detect pose keypoint keypoints tracking captioning "
        "caption retrieval grounding depth reidentification reid ocr speech answering denoising "
        "分割 检测 姿态 关键点 跟踪",
    }.items()
    for word in words.split()
}

_CHINESE = "\u3400-\u9fff"
_KNOWN_CHINESE = re.compile(
    "|".join(sorted(filter(re.compile(f"[{_CHINESE}]").match,
                           {*_UNIT_WORDS, *_TASKS, *frozenset().union(*_NEUTRAL.values())}), key=len, reverse=True))
)  # fmt: skip
_WORD = re.compile(rf"%|[{_CHINESE}]+|[^\W_{_CHINESE}]+")
_PIXELS = re.compile(r"(?:@\s*(\d{2,4})(?:\s*[x×*]\s*\1)?|\b(\d{2,4})\s*[x×*]\s*\2)(?:\s*(?:px|pixels?))?")
_POWER = re.compile(r"(?:[x×*]\s*)?(?<!\d)10\s*(?:\^|\*\*)\s*\{?(\d{1,3})\}?|\b1e\+?(\d{1,3})\b")
_NOTE = re.compile(r"\[\^[^\]]*\]|\^\w+")
_TOP = re.compile(r"(?<![a-z])(?:top|acc(?:uracy)?|prec(?:ision)?)[\s.@-]*([15])(?=acc|prec|err|[^a-z\d]|$)")
_HALVED = re.compile(r"\bflops?\s*/\s*2\b")
_MULTIPLY_ADD = re.compile(r"\bmul(?:t|ti|tiply|tiplies)?[\s-]*(?:and[\s-]*)?(?:adds?|accumulates?)\b")
_COMPOUND = re.compile(r"([kmgbt])(flops?|macs?|madds?|params?|parameters?)")
_IN_BRACKETS = re.compile(rf"\(\s*(?:{'|'.join(_WRONG.split())})\s*\)")
_SAYS_RIGHT = re.compile("|".join(sorted(_RIGHT.split(), key=len)))
_WRONG_WORDS = frozenset(_WRONG.split())
_SEVERAL = re.compile(r"\s*[/|,&+、]\s*|\s+and\s+")


@dataclass(frozen=True)
class Column:
    """What a heading says."""

    kind: str  #: model, source, input_size, pretraining, accuracy (of a rank that is not named) or a metric
    text: str  #: as printed
    unit: str | None = None  #: a key of UNITS; None where the heading says none, or several
    multiply_adds: bool = False  #: the heading says MACs
    pixels: int | None = None  #: side of the square at which the figures are counted
    error: bool = False  #: the heading says that the percentages count what is wrong
    beside: bool = False  #: the heading names the error in brackets, so that cells may have it behind the accuracy


def read(text: str) -> Column | None:
    """What a heading says; None where its column holds no claim about a model, or several."""
    return _read(plain(text), text)


@lru_cache(maxsize=4096)
def _read(shown: str, text: str) -> Column | None:
    bare, pixels = _without_pixels(shown.lower())
    words = _words(bare)
    beside = bool(_IN_BRACKETS.search(bare))
    says_right = beside and bool(_SAYS_RIGHT.search(bare))
    units = {_UNIT_WORDS[word] for word in words if word in _UNIT_WORDS}
    if {"top1", "top5"} <= words:
        return None
    for kind, means in _MEANS.items():
        others = words - _NEUTRAL[kind]
        counts = kind in _COUNTS
        if words & means and (others <= _UNIT_WORDS.keys() if counts else not others and pixels is None):
            unit = units.pop() if counts and len(units) == 1 else None
            error = counts and not says_right and bool(words & _WRONG_WORDS)
            return Column(kind, text, unit, bool(words & _MULTIPLY_ADDS), pixels, error, beside)
    return None


def read_all(text: str) -> tuple[Column, ...]:
    """The one thing or the several that a heading says of each of its cells, in their order; none, if it says none."""
    if (one := read(text)) is not None:
        return (one,)
    shown = plain(text).lower()
    both = [f"top{rank[1]}" for rank in _TOP.finditer(shown)]
    if sorted(both) == ["top1", "top5"]:
        rest = read(f"{_TOP.sub(' ', shown)} top-1")
        return tuple(replace(rest, kind=kind, text=text) for kind in both) if rest else ()
    parts = [read(part) for part in _SEVERAL.split(shown)]
    known = [part for part in parts if part is not None]
    apart = len(known) > 1 and len({part.kind for part in known}) == len(parts)
    return tuple(replace(part, text=text) for part in known) if apart and known[0].kind in _COUNTS else ()


def says_right(text: str) -> bool:
    """Whether a text calls percentages shares of what is right."""
    return bool(_SAYS_RIGHT.search(plain(text).lower()))


def of_another_task(text: str) -> bool:
    """Whether a heading says that the table is not about classifiers."""
    return bool(_words(plain(text).lower()) & _OTHER_MEASURES)


def task_of(text: str) -> str | None:
    """The task that the heading of a section names: "classification" or "another"; None where it names neither."""
    tasks = {_TASKS[word] for word in _words(plain(text).lower()) if word in _TASKS}
    return "classification" if "classification" in tasks else "another" if tasks else None


def _without_pixels(text: str) -> tuple[str, int | None]:
    found = _PIXELS.search(text)
    return _PIXELS.sub(" ", text), int(found.group(1) or found.group(2)) if found else None


def _words(text: str) -> frozenset[str]:
    text = _POWER.sub(lambda power: f" 1e{int(power.group(1) or power.group(2))} ", text.replace("_", " "))
    text = _NOTE.sub(" ", text)
    text = _TOP.sub(r" top\1 ", text)
    text = _HALVED.sub(" macs ", text)
    text = _MULTIPLY_ADD.sub(" madds ", text)
    text = _KNOWN_CHINESE.sub(r" \g<0> ", text)
    found: list[str] = []
    for word in _WORD.findall(text):
        compound = _COMPOUND.fullmatch(word)
        found += compound.groups() if compound else [word]
    return frozenset(found)
