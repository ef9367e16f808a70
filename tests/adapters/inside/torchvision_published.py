"""What torchvision's builders do with published weights, which the adapter has to do too; run in its environment."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from harness.adapters import torchvision as adapter_module
from PIL import Image

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
    steps = adapter_module._steps(adapter_module._preset(weights, None), held.getvalue())
    assert np.array_equal(steps["normalise"], weights.transforms()(Image.fromarray(pixels)).numpy()), model
    assert adapter.checkpoint_url(model) == weights.url

# another size keeps the cropped share
first = next(iter(torchvision.models.get_model_weights("resnet18")))
preset = adapter_module._preset(first, 288)
assert (preset.resize_size, preset.crop_size) == ([329], [288])
assert adapter_module._preset(first, None).crop_size == [224], "a size that was asked for stays with who asked"

# weights are built as their builder would build them, and counted as the package counts: attention, too, and at 384
for name in ("vit_b_16", "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1", "swin_t", "resnet50.IMAGENET1K_V2", "maxvit_t"):
    for network in (adapter.outline(name), adapter.build(name)):
        _, weights = adapter_module._published(name)
        counted = network.multiply_adds(network.input_size)
        assert f"{counted[network.plain_counter] / 1e9:.3f}" == f"{weights.meta['_ops']:.3f}", name
        assert network.parameters().learnable == weights.meta["num_params"]
        assert network.input_size == weights.transforms().crop_size[0]
    assert adapter.checkpoint_url(name) == weights.url
assert {network.device for network in map(adapter.outline, ("resnet50", "vit_b_16"))} == {"meta"}
for unknown in ("nobody", "resnet50.IMAGENET1K_V9", "Nobody_Weights.IMAGENET1K_V1"):
    try:
        adapter.build(unknown)
        raise AssertionError(unknown)
    except KeyError:
        pass

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
