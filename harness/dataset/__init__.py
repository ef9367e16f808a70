"""Labelled images: the layouts people have them in, their labels, and their identity."""
