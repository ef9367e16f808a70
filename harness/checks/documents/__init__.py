"""Compares documents with themselves and with what the sources publish; nothing is run."""
