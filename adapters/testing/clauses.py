"""The clauses of the contract, run inside a source's environment: NumPy and the adapter alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.adapters.testing import adapter_clauses, network_clauses, preprocessing_clauses, weights_clauses
from harness.adapters.testing.outcome import Outcome
from harness.adapters.testing.subject import Broken, Skipped, Subject

#: each begins with one sentence that says what it holds the source to
CLAUSES: Mapping[str, Callable[[Subject], None]] = {
    clause.__name__: clause
    for clause in (
        adapter_clauses.models,
        adapter_clauses.aliases,
        adapter_clauses.checkpoint_url,
        adapter_clauses.documents,
        adapter_clauses.outline,
        adapter_clauses.input_size,
        weights_clauses.seed,
        weights_clauses.checkpoint,
        weights_clauses.stand_in,
        weights_clauses.states,
        weights_clauses.match_order,
        weights_clauses.state,
        weights_clauses.refusal,
        weights_clauses.calibrate,
        weights_clauses.classifier,
        network_clauses.forward,
        network_clauses.parameters,
        network_clauses.multiply_adds,
        network_clauses.trace,
        network_clauses.altered,
        network_clauses.inference,
        network_clauses.export,
        preprocessing_clauses.preprocessing,
        preprocessing_clauses.independent_steps,
        preprocessing_clauses.undecodable,
    )
}


def check(
    adapter: Any, model: str, folder: Path, note: Callable[[str, Outcome], None] = lambda _clause, _outcome: None
) -> dict[str, Outcome]:
    """Clause -> what came of it; `note` gets each as soon as it is known."""
    subject = Subject(adapter, model, folder)
    outcomes: dict[str, Outcome] = {}
    for name, clause in CLAUSES.items():
        outcomes[name] = _tried(clause, subject)
        note(name, outcomes[name])
    return outcomes


def _tried(clause: Callable[[Subject], None], subject: Subject) -> Outcome:
    try:
        clause(subject)
    except Broken as error:
        return Outcome("broken", str(error))
    except Skipped as error:
        return Outcome("skipped", str(error))
    except Exception as error:  # an adapter may raise anything
        return Outcome("broken", f"raised {type(error).__name__}: {error}, expected that it raises nothing")
    return Outcome("held")
