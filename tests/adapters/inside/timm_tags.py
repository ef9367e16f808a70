"""Weights that go by tags, as timm has them from 0.9 on; run in the environment of such a release."""

import re
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
from harness.adapters import timm as adapter_module
from harness.adapters import timm_weights

folder = Path(sys.argv[1])
adapter = adapter_module.Adapter()
aliases = adapter.aliases()
tagged = [name for name in timm.list_pretrained() if "." in name]
assert set(aliases) == set(tagged)
assert aliases["resnet50.a1_in1k"] == "resnet50", "the default tag is the model"
assert aliases["resnet50.tv_in1k"] == "resnet50.tv_in1k", "another tag is itself"

# where timm itself would load from, which is the hub for all of them that are on it
for name, model in aliases.items():
    config = timm.models.get_pretrained_cfg(name)
    address = timm_weights.address(config.to_dict())
    assert address is not None, name
    if config.hf_hub_id:
        assert address.startswith(f"https://huggingface.co/{config.hf_hub_id.partition('@')[0]}/resolve/"), address
        assert address.endswith(config.hf_hub_filename or "/model.safetensors"), address
    assert model == name or timm.models.get_pretrained_cfg(model) == config, "the same weights"
assert len([name for name in aliases if not timm.models.get_pretrained_cfg(name).url]) > 1000
assert (
    adapter.checkpoint_url("resnet50") == "https://huggingface.co/timm/resnet50.a1_in1k/resolve/main/model.safetensors"
)
assert adapter.checkpoint_url("resnet50.tv_in1k").startswith("https://huggingface.co/timm/resnet50.tv_in1k/")

# each tag has its own preprocessing
assert adapter.build("resnet50.a1_in1k").preprocessing.short_side == adapter.build("resnet50").preprocessing.short_side
described = {tag: adapter.build(f"resnet18.{tag}").preprocessing for tag in ("tv_in1k", "fb_swsl_ig1b_ft_in1k")}
assert re.search("bilinear", described["tv_in1k"].resize)
for name in ("resnet50.no_such_tag", "no_such_model"):
    try:
        adapter.build(name)
    except KeyError:
        continue
    raise AssertionError(name)

# a file as the hub has it, and a training checkpoint whose names another release had
module = timm.create_model("resnet18")
image = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
with torch.inference_mode():
    expected = module.eval()(torch.from_numpy(image)).numpy()
safetensors.torch.save_file(module.state_dict(), folder / "model.safetensors", {"format": "pt"})
torch.save({"state_dict_ema": module.state_dict(), "state_dict": module.state_dict()}, folder / "last.pth.tar")
for name in ("model.safetensors", "last.pth.tar"):
    for model in ("resnet18", "resnet18.tv_in1k"):
        assert np.array_equal(adapter.build(model, folder / name).forward(image), expected), (name, model)

# timm's own conversion in this release: a ViT of its authors without prefix tokens in the position embedding
module = timm.create_model("deit3_small_patch16_224")
theirs = {re.sub(r"\.ls(\d)\.gamma", r".gamma_\1", name): value for name, value in module.state_dict().items()}
assert theirs.keys() != module.state_dict().keys()
torch.save({"model": theirs}, folder / "deit.pth")
loaded = adapter.build("deit3_small_patch16_224", folder / "deit.pth").state()
assert all(np.array_equal(loaded[name], value.numpy()) for name, value in module.state_dict().items())
