"""What the adapter of pytorchcv reads in the package and in its checkpoints; run in the source's environment."""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from harness.adapters import pytorchcv as adapter_module
from harness.adapters.base import CheckpointError
from harness.adapters.pytorch import measure_model
from pytorchcv.model_provider import get_model

folder = Path(sys.argv[1])
adapter = adapter_module.Adapter()
documented = adapter_module._documented()

# networks for ImageNet, and for nothing else
models = adapter.models()
assert len(models) >= 460
assert documented.keys() <= set(models)
assert {"resnet10", "zfnet", "sknet50", "efficientnet_b8"} <= set(models)
others = re.compile(r"_(?:cifar\d+|svhn|cub|voc|coco(?:seg)?|cityscapes|ade20k|widerface|celebamaskhq|\w\w_ls)$")
assert not [name for name in models if others.search(name)]
assert adapter.aliases()["ResNeXt-14 (32x4d)"] == "resnext14_32x4d"
assert set(adapter.aliases().values()) <= set(models)

# the files and figures that the package names
release = "https://github.com/osmr/imgclsmob/releases/download"
assert adapter.checkpoint_url("resnet18") == f"{release}/v0.0.478/resnet18-0896-77a56f15.pth.zip"
assert adapter.checkpoint_url("sknet50") is None, "none are published"
[document] = adapter.documents()
assert document.rows[0] == (2, ["alexnet", "62378344", "224"])

# parameters and half the FLOPs that imgclsmob prints for Gluon, in M; and for PyTorch, whose count has more poolings
for model, params, printed in (
    ("resnet18", 11_689_512, "1820.41"),
    ("resnet50", 25_557_032, "3877.95"),
    ("squeezenet_v1_0", 1_248_424, "823.67"),
    ("seresnet50", 28_088_024, "3880.49"),
    ("cbam_resnet50", 28_089_624, "4116.97"),
    ("hrnet_w18_small_v1", 13_187_464, "1614.87"),
    ("mobilenetv3_large_w1", 5_481_752, "226.80"),
    ("efficientnet_b0", 5_288_548, "413.13"),
    ("xception", 22_855_952, "8403.63"),
):
    network = adapter.build(model)
    counted = network.multiply_adds(network.input_size)
    assert network.parameters().learnable == params, model
    assert f"{counted['imgclsmob measure_model of Gluon'] / 1e6:.2f}" == printed, (model, counted)
assert f"{counted['imgclsmob measure_model'] / 1e6:.2f}" == "8403.63"

# the short side is rounded up, at the network's own size and at another
for model, size, short_side in (("resnet10", 224, 256), ("xception", 299, 342), ("efficientnet_b0b", 224, 256)):
    described = adapter.build(model).preprocessing
    assert (described.crop, described.short_side) == (size, short_side), model
assert adapter.build("resnet10", input_size=288).preprocessing.short_side == 330

# what is not a module that measure_model knows is not counted in silence
complaint = ""
try:
    measure_model.half_the_flops(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.GELU()), 8)
except TypeError as error:
    complaint = str(error)
assert "GELU" in complaint, complaint


# a checkpoint as it is published: in an archive, without counters of batches
def archive(name, *members):
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for member, content in members:
            written.writestr(member, content)
    return path


def refused(path, why):
    complaint = "accepted"
    try:
        adapter.build("resnet10", path)
    except CheckpointError as error:
        complaint = str(error)
    assert why in complaint, (path.name, complaint)


torch.manual_seed(3)
own = get_model("resnet10").eval()
images = np.random.default_rng(0).standard_normal((2, 3, 224, 224)).astype(np.float32)
with torch.inference_mode():
    expected = own(torch.from_numpy(images)).numpy()
old = {name: value for name, value in own.state_dict().items() if not name.endswith("num_batches_tracked")}
torch.save(old, folder / "resnet10-1220-aaaaaaaa.pth")
content = (folder / "resnet10-1220-aaaaaaaa.pth").read_bytes()
documented["resnet10"]["checksum"] = hashlib.sha1(content).hexdigest()
for member in ("resnet10-1220-aaaaaaaa.pth", "../../outside.pth", "/outside.pth"):
    path = archive("published.pth.zip", (member, content))
    assert np.array_equal(adapter.build("resnet10", path).forward(images), expected), member
    assert adapter.stand_in(path) is None
    assert not list(folder.rglob("outside.pth"))
    assert not Path("/outside.pth").exists()
assert np.array_equal(adapter.build("resnet10", folder / "resnet10-1220-aaaaaaaa.pth").forward(images), expected)

# refused: another file, one that unpacks to much more than the network has, a damaged one, nothing or two in it
torch.save({**old, "output.bias": torch.zeros(1000)}, folder / "other.pth")
refused(archive("another.pth.zip", ("resnet10.pth", (folder / "other.pth").read_bytes())), "SHA-1")
refused(archive("bomb.pth.zip", ("resnet10.pth", bytes(400_000_000))), "too many for this network")
damaged = bytearray(archive("damaged.pth.zip", ("resnet10.pth", content)).read_bytes())
damaged[len(damaged) // 2 : len(damaged) // 2 + 64] = bytes(64)
(folder / "damaged.pth.zip").write_bytes(damaged)
refused(folder / "damaged.pth.zip", "cannot be unpacked")
refused(archive("empty.pth.zip"), "not a PyTorch checkpoint")
refused(archive("two.pth.zip", ("a.pth", content), ("b.pth", content)), "not a PyTorch checkpoint")
