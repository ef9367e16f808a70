"""Checkpoints as the libraries write them that write them, loaded into timm's networks; run in timm's environment."""

import argparse
import datetime
import os
import pathlib
import pickle
import re
import sys
import types
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
from harness.adapters import timm as adapter_module
from harness.adapters import timm_weights
from harness.adapters.base import CheckpointError
from harness.adapters.pytorch import loading
from timm.models import resnetv2
from timm.utils import CheckpointSaver, ModelEmaV2

folder = Path(sys.argv[1])
adapter = adapter_module.Adapter()
NAME = "resnet18"
trained = timm.create_model(NAME)
image = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)


def logits(module: torch.nn.Module) -> np.ndarray:
    with torch.inference_mode():
        return module.eval()(torch.from_numpy(image)).numpy()


def refused(model: str, file: Path, *said: str) -> None:
    complaint = ""
    try:
        adapter.build(model, file)
    except CheckpointError as error:
        complaint = str(error)
    assert complaint, f"{file.name} was loaded into {model}"
    missing = [text for text in said if not re.search(text, complaint)]
    assert not missing, (missing, complaint)


class Wrapper(torch.nn.Module):
    def __init__(self, **parts: torch.nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


with torch.no_grad():  # statistics that are not those of a new network
    for part in trained.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
state = {name: value.clone() for name, value in trained.state_dict().items()}
expected = logits(trained)
other = timm.create_model(NAME).state_dict()

# -- timm's own training: its saver, with its arguments and its averaged weights
(folder / "timm").mkdir()
arguments = argparse.Namespace(model=NAME, output=pathlib.Path("out"), betas=[0.9, 0.99], decay=np.float64(0.05))
optimiser = torch.optim.SGD(trained.parameters(), 0.1, momentum=0.9)
trained(torch.from_numpy(image)).sum().backward()
optimiser.step()
trained.load_state_dict(state)
averaged = ModelEmaV2(trained, decay=0.5)
averaged.module.load_state_dict(other)
saver = CheckpointSaver(
    trained, optimiser, args=arguments, model_ema=averaged, checkpoint_dir=str(folder / "timm"),
    recovery_dir=str(folder / "timm"),
)  # fmt: skip
saver.save_checkpoint(3, metric=np.float64(71.5))
file = folder / "timm" / "last.pth.tar"
network = adapter.build(NAME, file)
assert tuple(network.states()) == ("state_dict_ema", "state_dict"), network.states()
from_average = network.forward(image)
assert np.array_equal(from_average, logits(averaged.module)), "timm's own order is averaged weights first"
network.states()["state_dict"]()
assert np.array_equal(network.forward(image), expected)
network.states()["state_dict_ema"]()
assert np.array_equal(network.forward(image), from_average)

# -- what else people have
kinds = {
    "plain.pth": state,
    "ordered.pth": OrderedDict(state),
    "parallel.pth": torch.nn.DataParallel(trained).state_dict(),
    "compiled.pth": torch.compile(trained).state_dict(),
    "wrapped.ckpt": {"state_dict": Wrapper(model=trained, criterion=torch.nn.BCEWithLogitsLoss(pos_weight=torch.ones(1000))).state_dict()},  # noqa: E501
    "backbone.pth": Wrapper(backbone=trained).state_dict(),
    "net.pth": {"net": state, "acc": np.float32(71.5), "epoch": 3, "rng": np.random.default_rng(0).normal(size=4)},
    "arguments.pth": {"model": state, "args": arguments, "when": datetime.datetime(2024, 5, 1), "x": types.SimpleNamespace(y=1)},  # noqa: E501
    "counts.pth": {"model": state, "seen": defaultdict(list, {"a": [1]}), "path": pathlib.PurePosixPath("a/b")},
    "no_counters.pth": {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")},
    "swa.pth": torch.optim.swa_utils.AveragedModel(trained).state_dict(),
    "parameters.pth": {name: torch.nn.Parameter(value) if value.is_floating_point() else value for name, value in state.items()},  # noqa: E501
}  # fmt: skip
for name, content in kinds.items():
    torch.save(content, folder / name)
    network = adapter.build(NAME, folder / name)
    assert np.array_equal(network.forward(image), expected), name
    assert adapter.stand_in(folder / name) is None, name
torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
safetensors.torch.save_file(state, folder / "model.safetensors", {"format": "pt"})
(folder / "renamed.pth").write_bytes((folder / "model.safetensors").read_bytes())
for name in ("legacy.pth", "model.safetensors", "renamed.pth"):
    assert np.array_equal(adapter.build(NAME, folder / name).forward(image), expected), name
    assert adapter.stand_in(folder / name) is None, name

# -- half precision is what it says, in the network's own precision
for kind in (torch.float16, torch.bfloat16, torch.float64):
    halved = {name: value.to(kind) if value.is_floating_point() else value for name, value in state.items()}
    torch.save(halved, folder / "half.pth")
    safetensors.torch.save_file(halved, folder / "half.safetensors")
    trained.load_state_dict(halved)
    for name in ("half.pth", "half.safetensors"):
        network = adapter.build(NAME, folder / name)
        assert np.array_equal(network.forward(image), logits(trained)), (kind, name)
        assert {value.dtype for value in network.state().values()} <= {np.dtype("float32"), np.dtype("int64")}


# -- what is no checkpoint, or has something to run in it
class Runs:
    def __reduce__(self):
        return os.system, (f"touch {folder / 'it_ran'}",)


class Own:
    """A class of a trainer that is not known."""


for name, content in (("runs.pth", {"model": state, "x": Runs()}), ("own.pth", {"model": state, "x": Own()})):
    torch.save(content, folder / name)
    refused(
        NAME, folder / name, "Nothing in it was executed", "system" if name == "runs.pth" else "asks for __main__.Own"
    )
(folder / "pickle.pth").write_bytes(pickle.dumps({"weight": Runs()}))
refused(NAME, folder / "pickle.pth", "Nothing in it was executed")
(folder / "cut.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100_000])
refused(NAME, folder / "cut.safetensors", "Nothing in it was executed")
assert not (folder / "it_ran").exists()

# -- what does not fit is said as a pattern, with the model that it is of
torch.save(Wrapper(model=timm.create_model("resnet34")).state_dict(), folder / "resnet34_mine.pth")
refused(NAME, folder / "resnet34_mine.pth", "all 218 names begin with `model.`", "It fits resnet34:")
loading._SEARCH_SECONDS = 0.1
torch.save(timm.create_model(NAME, num_classes=10).state_dict(), folder / "ten.pth")
refused(NAME, folder / "ten.pth", "`fc` has 10 outputs, the network's 1000")
torch.save(
    {f"encoder.{name}": value for name, value in state.items() if name.startswith("layer1")}, folder / "part.pth"
)
refused(NAME, folder / "part.pth", r"all 24 names begin with `encoder\.layer1\.`", "Is it the checkpoint of this model")

# -- 1001 classes: which of them is the background, timm's configuration of the network says
module = timm.create_model("inception_resnet_v2")
wide = dict(module.state_dict())
assert module.pretrained_cfg["label_offset"] == 1
layer = module.pretrained_cfg["classifier"]
for entry in (f"{layer}.weight", f"{layer}.bias"):
    wide[entry] = torch.cat([torch.full_like(wide[entry][:1], 7.0), wide[entry]])
torch.save(wide, folder / "background.pth")
loaded = adapter.build("inception_resnet_v2", folder / "background.pth").state()
assert all(np.array_equal(loaded[name], value.numpy()) for name, value in module.state_dict().items())
torch.save({**state, "fc.weight": torch.zeros(1001, 512), "fc.bias": torch.zeros(1001)}, folder / "tf.pth")
refused(NAME, folder / "tf.pth", "`fc` has 1001 outputs, the network's 1000")

# -- timm's own conversion of what others published: the names of DeiT III and ConvNeXt's authors
module = timm.create_model("convnext_tiny")
theirs = {}
for name, value in module.state_dict().items():
    name = name.replace("stem.", "downsample_layers.0.").replace("head.norm.", "norm.").replace("head.fc.", "head.")
    name = re.sub(r"stages\.(\d)\.downsample\.", r"downsample_layers.\1.", name)
    name = re.sub(r"stages\.(\d)\.blocks\.", r"stages.\1.", name).replace("conv_dw", "dwconv")
    name = name.replace("mlp.fc1", "pwconv1").replace("mlp.fc2", "pwconv2")
    theirs[name] = value
for label, content in (
    ("published", {"model": theirs}),
    ("wrapped", {f"module.{name}": one for name, one in theirs.items()}),
):
    torch.save(content, folder / f"convnext_{label}.pth")
    loaded = adapter.build("convnext_tiny", folder / f"convnext_{label}.pth").state()
    assert all(np.array_equal(loaded[name], value.numpy()) for name, value in module.state_dict().items()), label


# -- .npz of Google's ViT and BiT, through the networks' own load_pretrained
def flax_vit(module: torch.nn.Module) -> dict[str, np.ndarray]:
    """The arrays as google-research/vision_transformer saves them, of a ViT."""
    sd = {name: value.numpy() for name, value in module.state_dict().items()}
    width, heads = module.embed_dim, module.blocks[0].attn.num_heads
    found = {
        "cls": sd["cls_token"],
        "Transformer/posembed_input/pos_embedding": sd["pos_embed"],
        "embedding/kernel": sd["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": sd["patch_embed.proj.bias"],
        "Transformer/encoder_norm/scale": sd["norm.weight"],
        "Transformer/encoder_norm/bias": sd["norm.bias"],
        "head/kernel": sd["head.weight"].T,
        "head/bias": sd["head.bias"],
    }
    for i in range(len(module.blocks)):
        ours, own = f"blocks.{i}.", f"Transformer/encoderblock_{i}/"
        attention = own + "MultiHeadDotProductAttention_1/"
        for norm, layer in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            found |= {f"{own}{layer}/scale": sd[f"{ours}{norm}.weight"], f"{own}{layer}/bias": sd[f"{ours}{norm}.bias"]}
        kernels = np.split(sd[ours + "attn.qkv.weight"], 3)
        biases = np.split(sd[ours + "attn.qkv.bias"], 3)
        for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            found[f"{attention}{part}/kernel"] = kernel.T.reshape(width, heads, width // heads)
            found[f"{attention}{part}/bias"] = bias.reshape(heads, width // heads)
        found[f"{attention}out/kernel"] = sd[ours + "attn.proj.weight"].T.reshape(heads, width // heads, width)
        found[f"{attention}out/bias"] = sd[ours + "attn.proj.bias"]
        for n in range(2):
            found[f"{own}MlpBlock_3/Dense_{n}/kernel"] = sd[f"{ours}mlp.fc{n + 1}.weight"].T
            found[f"{own}MlpBlock_3/Dense_{n}/bias"] = sd[f"{ours}mlp.fc{n + 1}.bias"]
    return found


module = timm.create_model("vit_tiny_patch16_224")
arrays = flax_vit(module)
np.savez(folder / "vit.npz", **arrays)
loaded = adapter.build("vit_tiny_patch16_224", folder / "vit.npz").state()
assert all(np.array_equal(loaded[name], value.numpy()) for name, value in module.state_dict().items())
assert adapter.stand_in(folder / "vit.npz") is None
np.savez(folder / "vit21k.npz", **{**arrays, "head/kernel": np.zeros((192, 21843)), "head/bias": np.zeros(21843)})
refused("vit_tiny_patch16_224", folder / "vit21k.npz", "the first head.weight; its head has 21843 outputs, .* 1000")
np.savez(folder / "code.npz", **{**arrays, "cls": np.array([Runs()], dtype=object)})
refused("vit_tiny_patch16_224", folder / "code.npz", "Nothing in it was executed")
refused(NAME, folder / "vit.npz", "reads no .npz of resnet18")
(folder / "pickled.npz").write_bytes(pickle.dumps({"weight": Runs()}))
refused("vit_tiny_patch16_224", folder / "pickled.npz", "Nothing in it was executed")
assert not (folder / "it_ran").exists()
assert hasattr(resnetv2.ResNetV2, "load_pretrained"), "BiT has the same way in"
assert timm_weights.ARRAYS == (".npz", ".npy")
