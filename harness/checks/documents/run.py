"""What documents say, held against themselves and each other."""

from __future__ import annotations

from harness.core.records import Finding
from harness.plan.plan import Plan


def reading_notes(planned: Plan) -> list[Finding]:
    """What was read otherwise than as claims, or not as it stands."""
    return [
        *(
            Finding("no_model_table", "", "", f"The table {other.text!r} is not about models.", other.place)
            for other in planned.table.passed_over
        ),
        *(Finding("assumed_unit", "", "", f"{column.text}.", column.place) for column in planned.table.assumed),
        *(Finding("unread_column", "", "", f"{column.text}.", column.place) for column in planned.table.unread),
    ]
