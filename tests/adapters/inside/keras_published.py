"""What Keras's builders do for published weights, and how its files are read; run in the source's environment."""

import io
import re
import sys
from pathlib import Path

import h5py
import numpy as np
from harness.adapters import keras as adapter_module
from harness.adapters.base import CheckpointError
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image

folder = Path(sys.argv[1])
adapter = adapter_module.Adapter()
keras = adapter_module.keras
assert keras.backend.backend() == "torch"
storage = "https://storage.googleapis.com"

models = adapter.models()
assert len(models) == 40
assert {"ResNet50", "VGG16", "MobileNetV3Small", "ConvNeXtTiny"} <= set(models)

# nothing is downloaded to know where the weights are
for model, url in (
    ("MobileNet", f"{storage}/tensorflow/keras-applications/mobilenet/mobilenet_1_0_224_tf.h5"),
    ("EfficientNetB0", f"{storage}/keras-applications/efficientnetb0.h5"),
):
    assert adapter.checkpoint_url(model) == url

# the network of published weights: EfficientNet has one more layer for them alone
network = adapter.build("EfficientNetB0", seed=1)
assert [type(layer).__name__ for layer in network.model.layers].count("Rescaling") == 2
assert network.parameters().learnable == 5_288_548
# keras.io prints 5.3M; count_params() has what is not trained, too
counts = network.parameters()
assert counts.learnable + counts.running_statistics + counts.other_buffers == network.model.count_params()

# parameters as keras.io's table prints them, with the running statistics
for model, total in (("MobileNet", 4_253_864), ("MobileNetV2", 3_538_984), ("ResNet50", 25_636_712)):
    counts = adapter.build(model).parameters()
    assert counts.learnable + counts.running_statistics + counts.other_buffers == total, model

# what enters is RGB; a network that takes BGR gets it, and its own preprocessing gives the same logits
pixels = np.random.default_rng(0).integers(0, 256, (333, 411, 3), np.uint8)
held = io.BytesIO()
Image.fromarray(pixels).save(held, "png")
network = adapter.build("ResNet50", seed=1)
assert network.preprocessing.mean == (0.485, 0.456, 0.406) or network.preprocessing.std[0] == 0.00392157
loaded = keras.utils.img_to_array(keras.utils.load_img(io.BytesIO(held.getvalue()), target_size=(224, 224)))
expected = network.model.predict(keras.applications.resnet.preprocess_input(loaded[None]), verbose=0)
assert np.allclose(network.forward(network.preprocess(held.getvalue())[None]), expected, atol=1e-4)

# a file of Keras's own
small = adapter.build("MobileNetV2", seed=1)
images = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
logits = small.forward(images)
small.save(folder / "saved.h5")
assert np.array_equal(adapter.build("MobileNetV2", folder / "saved.h5", seed=2).forward(images), logits)
fresh = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
fresh.load_weights(folder / "saved.h5")
given = images.transpose(0, 2, 3, 1)
assert np.allclose(fresh.predict(given, verbose=0), logits, atol=1e-4), "Keras reads what is saved"

# layers that the file numbers otherwise are the same, those that it names otherwise are only by order
for start, others in (("_9", "numbered"), ("x", "named")):
    renamed = keras.models.clone_model(small.model, clone_function=lambda layer, start=start: type(layer).from_config(
        {**layer.get_config(), "name": re.sub(r"_\d+$", "", layer.name) + start}
    ))  # fmt: skip
    renamed.set_weights(small.model.get_weights())
    with h5py.File(folder / f"{others}.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, renamed)
    by_order = adapter.build("MobileNetV2", folder / f"{others}.h5", match="order", seed=2)
    assert np.array_equal(by_order.forward(images), logits), others
assert np.array_equal(adapter.build("MobileNetV2", folder / "numbered.h5", seed=2).forward(images), logits)


def refused(name, why):
    complaint = "accepted"
    try:
        adapter.build("MobileNetV2", folder / name)
    except CheckpointError as error:
        complaint = str(error)
    assert why in complaint, (name, complaint)


# nothing outside the file is read
(folder / "linked.h5").write_bytes((folder / "saved.h5").read_bytes())
with h5py.File(folder / "linked.h5", "a") as file:
    name = file["Conv1"].attrs["weight_names"][0]
    del file["Conv1"][name]
    file["Conv1"][name] = h5py.ExternalLink(str(folder / "saved.h5"), f"Conv1/{name}")
refused("linked.h5", "is not in it")
(folder / "no.h5").write_bytes(b"no file of that kind")
refused("no.h5", "not a file of Keras weights")
refused("named.h5", "missing")

# what Keras does not have on PyTorch is said
complaint = ""
try:
    adapter.build("NASNetMobile")
except NotImplementedError as error:
    complaint = str(error)
assert "torch backend" in complaint, complaint
