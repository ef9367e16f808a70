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
        "model top1 top1:error top5 top5:error params input_size - -"
    ),
    "model |img_size|top1 |top5 |param_count|gmacs|macts|samples / sec": (
        "model input_size top1 top5 params flops/G - -"
    ),
    "Weight | Acc@1 | Acc@5 | Params | GFLOPS | Recipe": "model top1 top5 params flops/G -",
    "name | pretrain | resolution | acc@1 | acc@5 | #params | FLOPs | FPS | 22K model | 1K model": (
        "model pretraining input_size top1 top5 params flops - - -"
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
    shown = [f"{one.kind}/{one.unit}".removesuffix("/None") + ":error" * one.error if one else "-" for one in read]
    assert shown == said.split()


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
        "reference top1", "real top-1", "v2 top-1", "top1 teacher", "CIFAR-10 top-1", "ImageNet-22K top-1", "top10",
        "Top-1/Top-5", "model size", "model size (MB)", "Params (MB)", "train size", "batch size",
        "crop pct", "pretrained model", "time", "FLOPs/s", "FLOPs@224x256", "22K model", "模型大小",
        "推理模型下载", "weights (M)", "code", "", "%", "(M)", "1e6",
    ],
)  # fmt: skip
def test_a_word_that_says_something_else_makes_it_another_column(text: str) -> None:
    assert headings.read(text) is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Top-1/Top-5", "top1 top5"),
        ("Top-5 / Top-1 acc. (%)", "top5 top1"),
        ("Acc (top1/top5)", "top1 top5"),
        ("Params (M) / FLOPs (G)", "params flops"),
        ("FLOPs (G), Params (M)", "flops params"),
        ("Top-1/Real top-1", ""),
        ("top-1/top-5 accuracy(PIL)", ""),
        ("Model, speed", ""),
        ("FLOPs/2", "flops"),
        ("Top-1", "top1"),
        ("speed", ""),
    ],
)
def test_a_heading_may_be_about_several_figures_of_each_cell(text: str, kinds: str) -> None:
    assert " ".join(column.kind for column in headings.read_all(text)) == kinds


@pytest.mark.parametrize(
    ("text", "kind", "error", "beside"),
    [
        ("Top-1 error", "top1", True, False),
        ("error<br>(top-5)", None, False, False),
        ("error (top-5)", "top5", True, False),
        ("top1_err", "top1", True, False),
        ("Top-1 错误率", "top1", True, False),
        ("Acc@1 (Err)", "top1", False, True),
        ("Top-1 (Err)", "top1", True, True),
        ("Error, %", "accuracy", True, False),
        ("精度", "accuracy", False, False),
        ("Accuracy", "accuracy", False, False),
        ("val acc", "accuracy", False, False),
    ],
)
def test_a_heading_says_whether_right_or_wrong_predictions_are_counted(
    text: str, kind: str | None, error: bool, beside: bool
) -> None:
    read = headings.read(text)
    assert (read and read.kind) == kind
    assert read is None or (read.error, read.beside) == (error, beside)


@pytest.mark.parametrize("text", ["参数量", "パラメータ数", "参数个数 (M)", "paramètres (M)", "파라미터"])
def test_parameters_are_understood_in_other_languages(text: str) -> None:
    read = headings.read(text)
    assert read is not None
    assert read.kind == "params"


def test_half_of_the_flops_are_multiply_adds() -> None:
    read = headings.read("FLOPs/2")
    assert read is not None
    assert (read.kind, read.multiply_adds, read.unit) == ("flops", True, None)


@pytest.mark.parametrize(
    ("section", "task"),
    [
        ("Classification Models", "classification"),
        ("Semantic segmentation", "another"),
        ("Object Detection", "another"),
        ("Image classification and detection", "classification"),
        ("ImageNet-1k", "classification"),
        ("ImageNet", "classification"),
        ("实例分割", "another"),
        ("Results", None),
    ],
)
def test_the_heading_of_a_section_says_its_task(section: str, task: str | None) -> None:
    assert headings.task_of(section) == task
