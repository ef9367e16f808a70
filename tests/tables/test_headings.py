"""What the heading of a column says, in the spellings of published tables."""

import pytest

from harness.tables import headings

#: headings of a published table -> what each of them is, None where it is nothing that is claimed of a model
PUBLISHED = {
    "模型 | Top-1 Acc | Top-5 Acc | time(ms) bs=1 | FLOPs(G) | Params(M) | 预训练模型下载地址": (
        "model top1 top5 - flops/G params/M -"
    ),
    "Models | Top1 | Top5 | Reference top1 | Reference top5 | FLOPS (G) | Parameters (M)": (
        "model top1 top5 - - flops/G params/M"
    ),
    "Model | Params(M) | Flops(G) | Top-1 (%) | Top-5 (%) | Config | Download": (
        "model params/M flops/G top1/% top5/% - -"
    ),
    "model|top1|top1_err|top5|top5_err|param_count|img_size|crop_pct|interpolation": (
        "model top1 - top5 - params input_size - -"
    ),
    "model |img_size|top1 |top5 |param_count|gmacs|macts|samples / sec": (
        "model input_size top1 top5 params flops/G - -"
    ),
    "Weight | Acc@1 | Acc@5 | Params | GFLOPS | Recipe": "model top1 top5 params flops/G -",
    "name | pretrain | resolution | acc@1 | acc@5 | #params | FLOPs | FPS | 22K model | 1K model": (
        "model - input_size top1 top5 params flops - - -"
    ),
    "name | resolution |acc@1 | #params | FLOPs | model": "model input_size top1 params flops model",
    "模型名称 | 源码 | Top1 准确率 | top-5 精度 | 浮点运算量(亿) | 参数量（万） | 输入大小": (
        "model source top1 top5 flops/亿 params/万 input_size"
    ),
    "网络 | 来源 | Top1准确率(%) | ImageNet top-5 acc. | 计算量（十亿） | 参数(百万) | 分辨率": (
        "model source top1/% top5 flops/G params/M input_size"
    ),
    "模型 | 框架 | 代码 | 模型大小 | 模型参数量 | 输入尺寸 | 推理耗时": "model source source - params input_size -",
    "Network | Codebase | ImageNet-1K top-1 | val_acc5 | ＦＬＯＰｓ（Ｇ） | ＃Params（M）": (
        "model source top1 top5 flops/G params/M"
    ),
}


@pytest.mark.parametrize(("row", "said"), PUBLISHED.items())
def test_the_headings_of_published_tables_are_understood(row: str, said: str) -> None:
    read = [headings.read(text.strip()) for text in row.split("|")]
    assert [f"{one.kind}/{one.unit}".removesuffix("/None") if one else "-" for one in read] == said.split()


@pytest.mark.parametrize(
    ("text", "unit", "multiply_adds"),
    [
        ("FLOPs", None, False),
        ("MACs(G)", "G", True),
        ("MAdds (M)", "M", True),
        ("Mult-Adds", None, True),
        ("Multiply-Adds (M)", "M", True),
        ("GMACs", "G", True),
        ("FLOPs (GMac)", "G", True),
        ("MFLOPs", "M", False),
        ("FLOPs/G", "G", False),
        ("FLOPs, G", "G", False),
        ("FLOPs [B]", "G", False),
        ("FLOPs (1e9)", "G", False),
        ("FLOPs (10^6)", "M", False),
        ("FLOPs (×10⁹)", "G", False),
        ("# FLOPs*", None, False),
        ("FLOPs^1 (G)", "G", False),
        ("FLOPs[^2] (G)", "G", False),
        ("计算量(万亿)", "T", False),
        ("乘加次数(M)", "M", True),
        ("GFLOPs (M)", None, False),  # which of the two, nobody knows
    ],
)
def test_a_heading_of_operations_says_unit_and_whether_it_counts_multiply_adds(
    text: str, unit: str | None, multiply_adds: bool
) -> None:
    read = headings.read(text)
    assert read is not None
    assert (read.kind, read.unit, read.multiply_adds) == ("flops", unit, multiply_adds)


@pytest.mark.parametrize(
    "text", ["Params [M]", "params (x10^6)", "params (10⁶)", "参数（百万）", "# of params, million"]
)
def test_a_unit_may_be_written_in_many_ways(text: str) -> None:
    read = headings.read(text)
    assert read is not None
    assert (read.kind, read.unit) == ("params", "M")


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        ("FLOPs @224 (B)", 224),
        ("FLOPs@224x224 (G)", 224),
        ("FLOPs (384×384)", 384),
        ("FLOPs @ 224px (B)", 224),
        ("FLOPs (G)", None),
        ("acc@1", None),
        ("top_1 acc.", None),
        ("acc@5 @384", 384),
    ],
)
def test_a_heading_says_where_it_counts(text: str, pixels: int | None) -> None:
    read = headings.read(text)
    assert read is not None
    assert read.pixels == pixels


@pytest.mark.parametrize(
    "text",
    [
        "reference top1", "real top-1", "v2 top-1", "top1 teacher", "top-1 error", "ImageNet-22K top-1", "top10",
        "Top-1/Top-5", "accuracy", "model size", "model size (MB)", "Params (MB)", "train size", "batch size",
        "crop pct", "pretrain", "pretrained model", "time", "FLOPs/s", "FLOPs@224x256", "22K model", "模型大小",
        "推理模型下载", "weights (M)", "code", "", "%", "(M)", "1e6",
    ],
)  # fmt: skip
def test_a_word_that_says_something_else_makes_it_another_column(text: str) -> None:
    assert headings.read(text) is None
