"""What torchvision's builders do with published weights, which the adapter has to do too; run in its environment."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image

from adapters import torchvision as adapter_module

folder = Path(sys.argv[1])
adapter = adapter_module.Adapter()

# every model's preparation is that of its first weights, bit for bit
pixels = np.random.default_rng(0).integers(0, 256, (333, 411, 3), np.uint8)
held = io.BytesIO()
Image.fromarray(pixels).save(held, "png")
models = adapter.models()
assert len(models) >= 80
for model in models:
    weights = next(iter(torchvision.models.get_model_weights(model)))
    steps = adapter_module._steps(adapter_module._preset(model, None), held.getvalue())
    assert np.array_equal(steps["normalise"], weights.transforms()(Image.fromarray(pixels)).numpy()), model
    assert adapter.checkpoint_url(model) == weights.url

# another size keeps the cropped share
preset = adapter_module._preset("resnet18", 288)
assert (preset.resize_size, preset.crop_size) == ([329], [288])
assert adapter_module._preset("resnet18", None).crop_size == [224], "a size that was asked for stays with who asked"

# published checkpoints have auxiliary heads, and DenseNet's have names of another time
torch.manual_seed(0)
published = torchvision.models.googlenet(aux_logits=True, transform_input=True, init_weights=True).eval()
torch.save(published.state_dict(), folder / "googlenet.pth")
images = np.random.default_rng(0).standard_normal((2, 3, 224, 224)).astype(np.float32)
with torch.inference_mode():
    expected = published(torch.from_numpy(images)).numpy()
network = adapter.build("googlenet", folder / "googlenet.pth")
assert np.array_equal(network.forward(images), expected)
for model in ("googlenet", "inception_v3"):
    count = next(iter(torchvision.models.get_model_weights(model))).meta["num_params"]
    assert adapter.build(model).parameters().learnable == count, model

dense = torchvision.models.densenet121().eval()
old = {
    re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): value for name, value in dense.state_dict().items()
}
assert set(old) != set(dense.state_dict())
torch.save(old, folder / "densenet121.pth")
with torch.inference_mode():
    expected = dense(torch.from_numpy(images)).numpy()
assert np.array_equal(adapter.build("densenet121", folder / "densenet121.pth").forward(images), expected)
