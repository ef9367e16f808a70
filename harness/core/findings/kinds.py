"""Every kind of finding that a report can hold, declared once: its name, how severe it is, and what it means.

`report.json` exports the names as `kind`; docs/reference/findings.md is generated from this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
#: the most severe first
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

#: the page of the documentation that describes each kind under a heading of its name
PAGE = "reference/findings.md"


@dataclass(frozen=True)
class FindingKind:
    """One kind of finding."""

    name: str  #: as `kind` in report.json
    severities: tuple[Severity, ...]  #: that a finding of this kind can have; the first one unless another is given
    meaning: str  #: one sentence

    @property
    def anchor(self) -> str:
        """Where the documentation describes it, relative to the folder docs."""
        return f"{PAGE}#{self.name}"


_ERROR: tuple[Severity, ...] = ("error",)
_WARNING: tuple[Severity, ...] = ("warning",)
_NOTE: tuple[Severity, ...] = ("note",)

KINDS: Mapping[str, FindingKind] = {
    kind.name: kind
    for kind in (
        FindingKind(
            "accuracy_and_error",
            _ERROR,
            "A documented accuracy and the error that stands beside it do not make 100 % together.",
        ),
        FindingKind(
            "another_release",
            _WARNING,
            "The release that the table names cannot be installed, so its rows are checked against another release.",
        ),
        FindingKind("assumed_unit", _NOTE, "A heading gives no unit, and the usual unit of the column is assumed."),
        FindingKind(
            "attribution",
            ("warning", "note"),
            "The diagnosis of a different accuracy: the factors that explain it, or those that were tried; a note "
            "where there was nothing to explain.",
        ),
        FindingKind(
            "checkpoint_name",
            ("error", "warning"),
            "The name of a row's file says another accuracy than the row, where the names of the other rows agree; a "
            "warning where too few do to tell a slip from a file that was replaced.",
        ),
        FindingKind(
            "constant_ratio",
            _WARNING,
            "Several documented FLOPs are the same constant multiple of the measured ones, and no counter, resolution "
            "or unit gives that constant.",
        ),
        *(
            FindingKind(
                f"contradicted_{metric}",
                _ERROR,
                f"A documented {figure} that the measurement contradicts; only in the `entries` of a report.",
            )
            for metric, figure in {
                "flops": "FLOPs figure",
                "params": "parameter count",
                "top1": "top-1 accuracy",
                "top5": "top-5 accuracy",
            }.items()
        ),
        *(
            FindingKind(
                f"doubtful_{metric}",
                _WARNING,
                f"A documented {figure} that may be wrong or right; of the `entries` of a report alone.",
            )
            for metric, figure in {"flops": "FLOPs figure", "params": "parameter count"}.items()
        ),
        FindingKind(
            "column_unit",
            _ERROR,
            "All figures of a column are right in another unit than that of its heading.",
        ),
        FindingKind(
            "column_quantity",
            _ERROR,
            "All figures of a column are another quantity: FLOPs of a batch of images, or bytes of parameters.",
        ),
        FindingKind("exchanged_rows", _ERROR, "Counts of two rows are exchanged."),
        FindingKind("exchanged_columns", _ERROR, "FLOPs and parameters of one or more rows are exchanged."),
        FindingKind(
            "counted_at_other_size",
            _WARNING,
            "FLOPs were counted at another input size than their rows say, wherever the figures can tell.",
        ),
        FindingKind(
            "counter_overlooks",
            _WARNING,
            "Documented FLOPs were counted by a counter that does not know some layers of the network.",
        ),
        FindingKind(
            "counts_otherwise",
            _WARNING,
            "A figure matches under a different counting convention than the other figures of its column.",
        ),
        FindingKind("data", _WARNING, "Some images were left out, or are in the data set twice."),
        FindingKind("demonstration", _WARNING, "The accuracy demonstration on a few photographs could not run."),
        FindingKind(
            "different_function",
            ("error", "warning"),
            "Two sources compute different functions for one model with the same weights; a warning where the "
            "difference is listed as known.",
        ),
        FindingKind(
            "differs_between_tables",
            _WARNING,
            "A figure of one model differs between two tables that agree in their other rows.",
        ),
        FindingKind(
            "duplicated_row",
            ("warning", "note"),
            "One model has two rows at one input size; a note where the figures are the same.",
        ),
        FindingKind("failure", _ERROR, "Something that was asked for could not be measured."),
        FindingKind(
            "figures_of_another_network",
            _ERROR,
            "The documented counts of a row are those of another network of the same source.",
        ),
        FindingKind(
            "flops_per_parameter",
            _WARNING,
            "The ratio of documented FLOPs and parameters is outside the range of known ImageNet networks, or differs "
            "from other rows of the same model.",
        ),
        FindingKind("head_claim", _WARNING, "The page describes another classification head than the network has."),
        FindingKind(
            "impossible_percentage",
            ("error", "warning"),
            "No whole number of images gives the documented accuracy; a warning where the table has too few figures "
            "to tell which images they are of.",
        ),
        FindingKind(
            "inferred_source",
            _NOTE,
            "A table names no source, and its rows are checked against the one that its links or its names say.",
        ),
        FindingKind("labels", _ERROR, "The predictions suggest that the labels of the images are wrong or permuted."),
        FindingKind(
            "may_be_copied",
            _WARNING,
            "A figure matches only under an unusual convention, but under the plain one in another row.",
        ),
        FindingKind(
            "no_correspondence",
            _ERROR,
            "The weights of a model cannot be moved from one source to another, so the two cannot be compared.",
        ),
        FindingKind(
            "name_of_another_release",
            _WARNING,
            "The release that a row is checked with has no model of its name, and another release has.",
        ),
        FindingKind(
            "no_source",
            _WARNING,
            "A table names no source, and none can be told from its links and its names, so its rows are not checked.",
        ),
        FindingKind("no_model_table", _NOTE, "A table in the document is not about models and was not read."),
        FindingKind(
            "not_the_official_file",
            _WARNING,
            "A checkpoint does not have the checksum that the source names for its own file.",
        ),
        FindingKind("operator_claim", _WARNING, "The page names operators that the network does not run."),
        FindingKind(
            "padded_digits",
            _NOTE,
            "The last printed digits of a column are always 0, so its figures are less precise than they look.",
        ),
        FindingKind("page_contradicts_itself", _WARNING, "Two statements of the page contradict each other."),
        FindingKind(
            "preprocessing_claim",
            _NOTE,
            "The preprocessing that a source declares for a model differs from what the page says.",
        ),
        FindingKind(
            "preprocessing_description",
            _WARNING,
            "A source describes its own preprocessing differently from what it does.",
        ),
        FindingKind(
            "preprocessing_parity",
            ("warning", "note"),
            "A source's preprocessing of the images was compared with the page's description; a note where they match.",
        ),
        FindingKind(
            "repeated_figure", _WARNING, "Two models have the same accuracies, which is unlikely to be a coincidence."
        ),
        FindingKind(
            "stale_gap", _ERROR, "A difference of two sources that is listed as known is not the one that was measured."
        ),
        FindingKind(
            "top5_below_top1",
            ("error", "warning"),
            "The documented top-5 accuracy is below the top-1 accuracy; a warning where the figures may be errors.",
        ),
        FindingKind(
            "unread_column",
            _NOTE,
            "A column that seems to hold accuracies or counts, or a part of a cell, was not read.",
        ),
        FindingKind(
            "runs_on_cpu", _WARNING, "A source cannot use the GPU that was asked for; it runs on the CPU instead."
        ),
        FindingKind("unreadable", _ERROR, "A cell or a row of the table could not be read."),
        FindingKind(
            "upstream_contradicted",
            _WARNING,
            "Counts in the source's own documents contradict the source's own networks.",
        ),
        FindingKind(
            "upstream_different",
            ("warning", "error"),
            "A documented figure differs from what the source publishes; an error where the row's other accuracy is "
            "the published one.",
        ),
        FindingKind(
            "upstream_other_model", _ERROR, "A documented figure is what the source publishes for another model."
        ),
        FindingKind(
            "upstream_other_size",
            ("warning", "error"),
            "A documented figure is what the source publishes for another input size; an error where the row's other "
            "accuracy is the published one.",
        ),
        FindingKind(
            "upstream_other_weights",
            ("warning", "error"),
            "A documented figure is what the source publishes for other weights of the model; an error where the row's "
            "other accuracy is the published one.",
        ),
        FindingKind("upstream_unread", _NOTE, "A row of the source's own documents could not be read."),
        FindingKind(
            "wired_differently",
            _WARNING,
            "Two sources give the same logits for one model, but some layers are built or connected differently.",
        ),
    )
}


def severity_of(kind: str, severity: Severity | None = None) -> Severity:
    """The severity of a finding of this kind: `severity` where the kind allows it, else the kind's first one.

    Raises ValueError where the kind is not registered, or does not allow the severity.
    """
    known = KINDS.get(kind)
    if known is None:
        raise ValueError(f"unknown kind of finding {kind!r}: register it in {__name__}.KINDS")
    if severity is None:
        return known.severities[0]
    if severity not in known.severities:
        allowed = " or ".join(known.severities)
        raise ValueError(f"a finding of kind {kind!r} has severity {allowed}, not {severity!r}")
    return severity


def reference_page() -> str:
    """docs/reference/findings.md, with a heading for every kind."""
    sections = [
        f"## {kind.name}\n\n{_severities(kind)} {kind.meaning}\n"
        for kind in sorted(KINDS.values(), key=lambda kind: kind.name)
    ]
    return (
        "# Findings\n\n"
        "Each entry of `findings` and of `entries` in [report.json](report-json.md) has a `kind` and a `severity`. "
        "An *error* in a row of the table makes the run fail; a *warning* is probably wrong and worth a look; a *note* "
        "is information. These are all kinds. The page is generated from the list in "
        "`harness/core/findings/kinds.py`.\n\n" + "\n".join(sections)
    )


def _severities(kind: FindingKind) -> str:
    return " or ".join(f"*{severity}*" for severity in kind.severities).capitalize() + "."
