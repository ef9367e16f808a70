"""Proves or refutes, cell by cell, a published table of ImageNet classifiers.

    import harness
    results = harness.audit("README.md")
    results.exit_status, results.to_frame()

What is listed in `__all__` is the interface of this package, besides `harness.adapters.base` for authors of sources;
everything else is private. See docs/reference/api.md.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api import Step, audit, compare, load_report, preview, read_tables, run, write_report
    from harness.checks.results import Results
    from harness.core.errors import InputError, MeasurementError
    from harness.core.findings import Finding
    from harness.core.records import Claim, Outcome, Source, Verdict
    from harness.plan.options import Options

__version__ = "0.1.0"

__all__ = [
    "Claim",
    "Finding",
    "InputError",
    "MeasurementError",
    "Options",
    "Outcome",
    "Results",
    "Source",
    "Step",
    "Verdict",
    "__version__",
    "audit",
    "compare",
    "load_report",
    "preview",
    "read_tables",
    "run",
    "write_report",
]

#: where a name is that is not in harness.api
_MODULES = {
    "Results": "harness.checks.results",
    "InputError": "harness.core.errors",
    "MeasurementError": "harness.core.errors",
    "Claim": "harness.core.records",
    "Finding": "harness.core.findings",
    "Outcome": "harness.core.records",
    "Source": "harness.core.records",
    "Verdict": "harness.core.records",
    "Options": "harness.plan.options",
}

# in a checkout the folders adapters/ and reference/ stand next to this one, and are parts of the package all the same
if not (Path(__file__).parent / "adapters").exists():
    __path__.append(str(Path(__file__).parent.parent))

if not TYPE_CHECKING:  # a type checker would take any misspelt name for one of these

    def __getattr__(name: str) -> object:
        """Imports a name when it is first used: what is behind it takes seconds, and is not there in a worker."""
        if name not in __all__:
            raise AttributeError(f"module 'harness' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_MODULES.get(name, "harness.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
