"""Runs inside a worker: checkpoints that are far from chance without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.worker.batches import batches
from harness.worker.counts import own_name
from harness.worker.protocol import Emit, Saved
from harness.worker.tasks import MakeStandIn

Array = npt.NDArray[np.float32]


def make_stand_in(adapter: Any, task: MakeStandIn, send: Emit) -> None:
    """A checkpoint that classifies far better than chance without training, saved in the source's own format.

    Seeded weights, normalisation statistics of the images, and a last layer fitted in closed form: ridge
    regression of one-hot labels on the features, in its dual form since there are fewer images than features.
    """
    network = adapter.build(own_name(adapter, task.documented), seed=task.seed)
    labels = {ref.name: ref.label for ref in task.images}
    calibration = task.images[:: max(1, len(task.images) // task.calibration_images)]
    network.calibrate(batch for names, batch, _ in batches(network, calibration, task.batch_size) if names)
    features: list[Array] = []
    kept: list[int] = []
    for names, batch, _ in batches(network, task.images, task.batch_size):
        if names:
            features.append(network.features(batch))
            kept += [labels[name] for name in names]
    weight, bias = ridge(np.concatenate(features), np.asarray(kept), task.classes)
    network.set_classifier(weight, bias)
    mark = (
        f"stand-in: seed {task.seed}, normalisation calibrated on {len(calibration)} images, "
        f"last layer fitted by ridge regression on {len(kept)} images; no training"
    )
    path = Path(task.out + adapter.checkpoint_suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path, mark)
    send(Saved(str(path), mark))


def ridge(features: Array, labels: npt.NDArray[np.int_], classes: int) -> tuple[Array, Array]:
    """Weight (classes, C) and bias (classes,) that regress one-hot labels on features (N, C).

    Dual ridge regression on centred features: W = Y' (K + a I)^-1 X with K = X X'; a is 1 % of K's mean
    eigenvalue. Scaled so that the logits spread as a trained network's do.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - centre
    targets = np.zeros((len(labels), classes))
    targets[np.arange(len(labels)), labels] = 1.0
    prior = targets.mean(axis=0)
    kernel = centred @ centred.T
    kernel[np.diag_indices_from(kernel)] += 0.01 * np.trace(kernel) / len(kernel) + 1e-12
    weight = 20.0 * np.linalg.solve(kernel, targets - prior).T @ centred
    bias = 20.0 * prior - weight @ centre
    return weight.astype(np.float32), bias.astype(np.float32)
