"""The clauses about how an image is prepared."""

from __future__ import annotations

import numpy as np
from harness.adapters.base import STEPS, UndecodableImage
from harness.adapters.testing.subject import COLOUR, Subject, expect, raises


def preprocessing(s: Subject) -> None:
    """`preprocess()` and `preprocessing_steps()` have the shapes, types, channel order and sizes that are described."""
    size, image = s.network.input_size, s.photo("red.png")
    prepared, steps = s.network.preprocess(image), s.network.preprocessing_steps(image)
    expect(prepared.shape == (3, size, size), "preprocess().shape", prepared.shape, f"(3, {size}, {size})")
    expect(prepared.dtype == np.float32, "preprocess().dtype", prepared.dtype, "float32")
    expect(tuple(steps) == STEPS, "preprocessing_steps(), its steps", tuple(steps), str(STEPS))
    expect(np.array_equal(steps["normalise"], prepared), "step normalise", "another array", "what preprocess() gives")
    for step in STEPS[:-1]:
        array = steps[step]
        expect(array.dtype == np.uint8, f"step {step}, its type", array.dtype, "uint8")
        expect(array.ndim == 3 and array.shape[2] == 3, f"step {step}, its shape", array.shape, "(H, W, 3)")
        expect(
            (array == COLOUR).all(), f"step {step} of a picture of RGB {COLOUR}", array[0, 0], "that colour: is it BGR?"
        )
    described = s.network.preprocessing
    expect(steps["decode"].shape == (300, 400, 3), "step decode", steps["decode"].shape, "(300, 400, 3)")
    short = min(steps["resize"].shape[:2])
    expect(short == described.short_side, "step resize, short side", short, f"{described.short_side}, as described")
    expect(steps["crop"].shape == (size, size, 3), "step crop", steps["crop"].shape, f"({size}, {size}, 3)")


def independent_steps(s: Subject) -> None:
    """What a later step does, does not show in an earlier one; `normalise` and `crop` do what is described."""
    size, described = s.network.input_size, s.network.preprocessing
    steps = s.network.preprocessing_steps(s.photo("noise.png"))
    expected = ((steps["crop"] / 255 - np.array(described.mean)) / np.array(described.std)).transpose(2, 0, 1)
    close = np.allclose(steps["normalise"], expected, atol=1e-4)
    expect(close, "step normalise", "other values", "(crop / 255 - mean) / std, as described")
    top, left = ((long - size) // 2 for long in steps["resize"].shape[:2])
    centres = [steps["resize"][y : y + size, x : x + size] for y in (top, top + 1) for x in (left, left + 1)]
    centred = any(np.array_equal(steps["crop"], centre) for centre in centres)
    expect(centred, "step crop", "other pixels", "the centre of the step resize")


def undecodable(s: Subject) -> None:
    """`preprocess()` raises `UndecodableImage` for what is no image."""
    raises(UndecodableImage, "preprocess() of what is no image", lambda: s.network.preprocess(b"\xff\xd8 no image"))
