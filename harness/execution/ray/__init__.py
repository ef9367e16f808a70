"""Evaluations on many machines."""
