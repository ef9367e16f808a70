"""Metrics of evaluated networks, each defined in one module; see harness.checks.accuracy.metrics.registry."""
