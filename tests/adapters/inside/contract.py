"""Holds an adapter to its contract with a real network; run inside the source's environment: source, model, folder."""

import importlib
import json
import pickle
import sys
from pathlib import Path

import numpy as np
from harness.adapters.base import STEPS, CheckpointError, UndecodableImage
from harness.adapters.third_party import complete

source, model, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
photograph = sys.stdin.read().strip()
adapter = complete(importlib.import_module(f"harness.adapters.{source}").Adapter())


class Attack:
    """A pickle that would leave a file behind if it were executed."""

    def __reduce__(self):
        return open, (str(folder / "executed"), "w")


def refused(checkpoint: Path) -> str:
    try:
        adapter.build(model, checkpoint)
    except CheckpointError as error:
        return str(error)
    raise AssertionError(f"{checkpoint.name} was accepted")


assert model in adapter.models()
try:
    adapter.build("no_such_model")
    raise AssertionError("an unknown model was built")
except KeyError:
    pass

# weights: seeded, saved in the native format, loaded again, marked
first = adapter.build(model, seed=1)
size = first.input_size
images = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
logits = first.forward(images)
assert logits.shape == (2, 1000)
assert logits.dtype == np.float32
saved = folder / f"saved{adapter.checkpoint_suffix}"
first.save(saved)
assert adapter.stand_in(saved) is None
again = adapter.build(model, saved, seed=2)
assert np.array_equal(again.forward(images), logits), "a saved checkpoint gives other logits"
assert not np.array_equal(adapter.build(model, seed=2).forward(images), logits), "the seed changes nothing"
marked = folder / f"marked{adapter.checkpoint_suffix}"
first.save(marked, "made up")
assert adapter.stand_in(marked) == "made up"
assert np.array_equal(adapter.build(model, marked).forward(images), logits)

# another name that documents use leads to something that can be built
for alias, own in list(adapter.aliases().items())[:1]:
    assert alias not in adapter.models()
    assert adapter.build(own).input_size
    adapter.checkpoint_url(own)
if source == "ppcls":  # distilled weights are others than a network's own
    plain, distilled = (adapter.checkpoint_url(name) for name in ("ResNet50_vd", "ResNet50_vd_ssld"))
    assert plain.endswith("/ResNet50_vd_pretrained.pdparams")
    assert distilled == plain.replace("_vd_pretrained", "_vd_ssld_pretrained")

# a state that does not fit: the first three differences, by name
state = dict(first.state())
names = list(state)
wrong = {name: state[name] for name in names[4:]}
wrong[names[4]] = np.zeros((1, 2, 3), np.float32)
complaint = ""
try:
    again.load_state(wrong)
except CheckpointError as error:
    complaint = str(error)
assert f"missing {names[0]}" in complaint, complaint
assert "5 differences" in complaint, complaint
assert "2 more" in complaint, complaint
again.load_state(state)
assert np.array_equal(again.forward(images), logits)

# pickles are never executed
attack = folder / f"attack{adapter.checkpoint_suffix}"
attack.write_bytes(pickle.dumps({"weight": Attack()}))
refused(attack)
assert not (folder / "executed").exists(), "a pickle was executed"
cut = folder / f"cut{adapter.checkpoint_suffix}"
cut.write_bytes(saved.read_bytes()[:1000])
refused(cut)
if adapter.checkpoint_suffix == ".pth":  # an archive, of whose parts it knows the checksums
    content = bytearray(saved.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = bytes(4096)
    damaged = folder / "damaged.pth"
    damaged.write_bytes(content)
    assert "damaged" in refused(damaged)
empty = folder / f"empty{adapter.checkpoint_suffix}"
empty.write_bytes(b"")
refused(empty)

# counts: what is learnable is what the state holds, less what is not learnable
counts = first.parameters()
held = sum(int(np.size(array)) for array in state.values())
assert counts.learnable + counts.running_statistics + counts.other_buffers == held
assert sum(counts.by_type.values()) == counts.learnable
multiply_adds = first.multiply_adds(size)
assert isinstance(multiply_adds[first.plain_counter], int), multiply_adds
assert first.multiply_adds(size) == multiply_adds, "counting changed the network"
assert np.array_equal(first.forward(images), logits), "counting changed the network"
assert first.parameters() == counts, "counting left something in the network"

# an outline counts the same with fewer counters
outline = adapter.outline(model)
counted = outline.multiply_adds(size)
assert counted.items() <= multiply_adds.items()
assert outline.plain_counter in counted
assert outline.parameters() == counts
assert outline.input_size == first.input_size

# what the package documents has as many cells as headings, and models that can be built
for document in adapter.documents():
    assert document.rows, document.file
    for line, cells in document.rows:
        assert line > 0
        assert len(cells) == len(document.heading), (document.file, line)
        assert all(isinstance(cell, str) for cell in cells)

# the trace: every operation in order, functional calls included, its last output being the logits
calls = []
first.trace(images, calls.append)
assert [call.index for call in calls] == list(range(len(calls)))
assert calls[-1].kind == "Linear"
assert np.allclose(calls[-1].output, logits, atol=1e-4)
assert {"Conv2d", "BatchNorm2d", "Add"} <= {call.kind for call in calls}
bare = []
first.trace(images, bare.append, values=False)
assert len(bare) == len(calls)
assert all(call.output is None for call in bare)

# the head: replaced weights do what they say
features = first.features(images)
weight = np.zeros((1000, features.shape[1]), np.float32)
weight[7] = 1.0
first.set_classifier(weight, np.zeros(1000, np.float32))
assert np.allclose(first.forward(images)[:, 7], features.sum(axis=1), rtol=1e-3, atol=1e-3)

# preprocessing: shape and channels; a swapped channel would be seen
image = Path(photograph).read_bytes()
prepared = first.preprocess(image)
assert prepared.shape == (3, size, size)
assert prepared.dtype == np.float32
steps = first.preprocessing_steps(image)
assert tuple(steps) == STEPS, tuple(steps)
assert np.array_equal(steps["normalise"], prepared)
assert steps["normalise"].dtype == np.float32
for step in STEPS[:-1]:
    assert steps[step].dtype == np.uint8, step
    assert steps[step].ndim == 3, step
    assert steps[step].shape[2] == 3, step
    assert (steps[step] == (200, 120, 40)).all(), f"{step} is not RGB"
assert steps["decode"].shape == (300, 400, 3)
assert min(steps["resize"].shape[:2]) == first.preprocessing.short_side
assert steps["crop"].shape == (size, size, 3)
# what a later step does must not show in an earlier result
noise = Path(photograph).with_name("noise.png").read_bytes()
steps = first.preprocessing_steps(noise)
mean, std = np.array(first.preprocessing.mean), np.array(first.preprocessing.std)
expected = ((steps["crop"] / 255 - mean) / std).transpose(2, 0, 1)
assert np.allclose(steps["normalise"], expected, atol=1e-4)
margins = [(long - size) // 2 for long in steps["resize"].shape[:2]]
centres = [
    steps["resize"][top : top + size, left : left + size]
    for top in (margins[0], margins[0] + 1)
    for left in (margins[1], margins[1] + 1)
]
assert any(np.array_equal(steps["crop"], centre) for centre in centres)
try:
    first.preprocess(b"\xff\xd8 no image")
    raise AssertionError("rubbish was decoded")
except UndecodableImage:
    pass
print(json.dumps({"means": prepared.mean(axis=(1, 2), dtype=np.float64).tolist()}))
