"""What became of planted defects, counted over all modules of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counts:
    """One group of defects."""

    named: dict[str, bool] = field(default_factory=dict)  #: detected defect -> whether the finding names it
    missed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)  #: undamaged, but something was found
    undamaged: int = 0

    def line(self) -> str:
        total = len(self.named) + len(self.missed)
        return (
            f"detected {len(self.named)} of {total}, named correctly {sum(self.named.values())} of {total}, "
            f"false alarms {len(self.alarms)} of {self.undamaged}"
        )
