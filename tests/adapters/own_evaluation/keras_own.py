"""Keras evaluated by Keras: the usage example of keras.io/api/applications. Nothing of the harness is used.

Reads a job from standard input, writes the five best classes per image to the file it names.
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np


def main() -> None:
    job = json.load(sys.stdin)
    model = getattr(keras.applications, job["model"])(weights=job["checkpoint"])
    preprocess = {"ResNet50": keras.applications.resnet50, "DenseNet121": keras.applications.densenet}[job["model"]]
    best = []
    for start in range(0, len(job["files"]), job["batch_size"]):
        files = job["files"][start : start + job["batch_size"]]
        images = [keras.utils.img_to_array(keras.utils.load_img(file, target_size=(224, 224))) for file in files]
        predictions = model.predict(preprocess.preprocess_input(np.array(images)), verbose=0)
        best += np.argsort(-predictions, axis=1, kind="stable")[:, :5].tolist()
    Path(job["out"]).write_text(json.dumps(best))


main()
